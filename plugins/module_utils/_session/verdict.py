# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a session came to, as far as it can be told from the session itself.

The ranks, first to last; the first that says something decides. None can be overruled by one below it:

=====================  ============================  ==============================================
rank                   whose evidence                what it says
=====================  ============================  ==============================================
`_gate_stopped_it`     the gate's                    quota, disk full, not Borg's protocol, a fault
`_too_late`            the server's clock            which deadline passed
`_ssh_was_killed`      how the server's ssh ended    by a signal, before there was a result
`_protocol_violation`  the bytes of the answer       not the dispatcher, or no usable result
`_never_started`       ssh's log                     why there was no session
`_no_result`           ssh's exit code               the connection or the dispatcher was lost
`_switched_off`        the client's word, against    its owner wants no backup
                       itself
`_client_failure`      the client's word, against    it failed; a gate's refusal says why
                       itself
`_missing_proof`       the gate's, against the word  what ``ok`` of this verb needs and nobody saw
`_refused_source`      the client's word, against    a source is not what was meant
                       itself
`_other_sources`       the client's word, against    it was told to save other things than the
                       the server's record           server's record says
`_incomplete`          the client's word, against    something is not in its archive
                       itself
`_trim_failure`        ledger and gate, against the  what a maintenance says it did and did not
                       word
=====================  ============================  ==============================================

A client's ok counts when nothing of this is left to say. What audit and ledger find overrules it afterwards:
`_outcome.conclusion.overrule`, the other half of this decision.
"""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.paranoid.backup.plugins.module_utils._common.remarks import (
    count_incomplete,
    describe_incomplete,
)
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.escrow import is_age
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.outcome import Conclusion
from ansible_collections.paranoid.backup.plugins.module_utils._session.cures import with_cure
from ansible_collections.paranoid.backup.plugins.module_utils._session.evidence import Evidence
from ansible_collections.paranoid.backup.plugins.module_utils._session.ssh import explain, last_line
from ansible_collections.paranoid.backup.plugins.module_utils._session.trim_result import TrimResult
from ansible_collections.paranoid.backup.plugins.module_utils._session.verbs import Proof, Verb

_LINES_SHOWN = 3
_TOO_LATE = {
    "connect_timeout": "{client} did not start its work within {seconds} s",
    "idle_timeout": "{client} moved no byte and wrote no log line for {seconds} s: it hangs",
    "total_timeout": "{client} was not done after {seconds} s",
    "close_timeout": "{client} was done, but did not end the session within {seconds} s",
}
_AT_WORK = (
    "idle_timeout",
    "total_timeout",
)  # the deadlines after which a client says what was at work, a hook or a dump
_GATE_TROUBLE = {
    "quota": "{client} is at its quota on the server: raise it or run maintain ({detail})",
    "disk_full": "the server's disk is full: free space on it ({detail})",
    "protocol": "{client} sent what is not Borg's protocol ({detail})",
    "error": "the gate failed: {detail}",
}
_GATE_CODES = {"quota": "quota", "disk_full": "disk_full", "protocol": "client_failed", "error": "server_error"}


@dataclass(frozen=True)
class Performer:
    """The host that performs a verb, as sentences name it; ``client`` is whose repository it works on."""

    name: str
    client: str
    host: str
    port: int
    provisioning: bool = False  # started by site.yml, which cannot be the cure then
    saved: str = ""  # the fingerprint that it should have of what it saves, empty where nobody knows


def decide(
    verb: Verb, host: Performer, seen: Evidence, trim: TrimResult | None = None, asked: Verb | None = None
) -> Conclusion:
    """Return what a session came to that ``host`` performed; ``trim`` is what came of it where archives may go.

    ``asked`` is the verb of the order, where check mode performs another one.
    """
    conclusion = (
        _gate_stopped_it(host, seen)
        or _too_late(host, seen)
        or _ssh_was_killed(host, seen)
        or _protocol_violation(host, seen)
        or _never_started(host, seen)
        or _no_result(host, seen)
        or _switched_off(asked or verb, host, seen)
        or _client_failure(host, seen)
        or _missing_proof(verb, host, seen)
        or _refused_source(host, seen)
        or _other_sources(host, seen)
        or _incomplete(verb, host, seen)
        or (trim and _trim_failure(host, trim))
        or Conclusion("ok")
    )
    if trim and conclusion.code == "refused":
        return _failed("refused", f"{conclusion.reason}; see 'refused' in docs/retention.md")
    return conclusion


def _failed(code: str, reason: str) -> Conclusion:
    return Conclusion("failed", code, reason)


def _gate_stopped_it(host: Performer, seen: Evidence) -> Conclusion | None:
    trouble = seen.gate.trouble
    if trouble is None:
        return None
    sentence = _GATE_TROUBLE.get(trouble, _GATE_TROUBLE["error"])
    reason = sentence.format(client=host.name, detail=seen.gate.detail or trouble)
    return _failed(_GATE_CODES.get(trouble, "server_error"), reason)


def _too_late(host: Performer, seen: Evidence) -> Conclusion | None:
    if not seen.deadline:
        return None
    sentence = _TOO_LATE[seen.deadline].format(client=host.name, seconds=round(seen.seconds))
    at_work = seen.result.reason if seen.result and not seen.result.ok else seen.last_words
    told = at_work if seen.deadline in _AT_WORK else ""
    return _failed(seen.deadline, f"{sentence} ({told})" if told else sentence)


def _protocol_violation(host: Performer, seen: Evidence) -> Conclusion | None:
    if not seen.protocol:
        return None
    if not seen.hello:
        return _not_reached(host, "no_dispatcher", f"{host.name} answered, but not as the dispatcher: {seen.protocol}")
    return _failed("bad_result", f"{host.name} gave no usable result: {seen.protocol}")


def _ssh_was_killed(host: Performer, seen: Evidence) -> Conclusion | None:
    if seen.ssh_signal is None or seen.result is not None:
        return None
    cure = "see journalctl -k on the server (out of memory?)"
    return _failed(
        "server_error", f"the server's own ssh to {host.name} was killed by signal {seen.ssh_signal}: {cure}"
    )


def _never_started(host: Performer, seen: Evidence) -> Conclusion | None:
    if seen.hello:
        return None
    if seen.ssh_code == 255 and seen.ssh_log.strip():
        return _not_reached(host, *explain(seen.ssh_log, host.host, host.port))
    said = seen.last_words or f"exit code {seen.ssh_code}"
    return _not_reached(host, "no_dispatcher", f"the dispatcher of {host.name} did not start ({said})")


def _not_reached(host: Performer, code: str, reason: str) -> Conclusion:
    return _failed(code, with_cure(code, reason, host.provisioning))


def _no_result(host: Performer, seen: Evidence) -> Conclusion | None:
    if seen.result is not None:
        return None
    if seen.ssh_code == 255:  # Also when a signal killed the dispatcher; ssh(1) then says nothing.
        said = last_line(seen.ssh_log) if seen.ssh_log.strip() else seen.last_words or "no message"
        lost = f"the connection to {host.name} was lost, or its dispatcher was killed ({said})"
        return _failed("connection_lost", lost)
    said = seen.last_words or "no message"
    return _failed("client_failed", f"{host.name} ended without a result, exit code {seen.ssh_code} ({said})")


def _switched_off(asked: Verb, host: Performer, seen: Evidence) -> Conclusion | None:
    off = (seen.result.owner or {}).get("off") if seen.result else ""
    if not off or not asked.brings_archive:
        return None
    cure = "its root removes /etc/paranoid-backup/off when it is to go on, or take the client out of the inventory"
    return _failed("switched_off", f"the owner of {host.name} has switched its backup off ({off}): {cure}")


def _client_failure(host: Performer, seen: Evidence) -> Conclusion | None:
    if seen.result is None or seen.result.ok:
        return None
    said = seen.result.reason or seen.last_words or "it gave no reason"
    if seen.gate.refused:
        return _failed("refused", f"the gate refused {host.name}: {seen.gate.refused[0]} ({said})")
    if said in ((seen.result.sources or {}).get("refused") or ()):
        return _refused_source(host, seen)
    return _failed("client_failed", f"{host.name}: {said}")


def _missing_proof(verb: Verb, host: Performer, seen: Evidence) -> Conclusion | None:
    gate = seen.gate
    match verb.proof:
        case Proof.ARCHIVE if seen.result is None or seen.result.archive is None:
            return _failed("no_archive", f"{host.name} said ok, but named no archive")
        case Proof.ARCHIVE if not (gate.commits and gate.manifests):
            return _failed("no_archive", f"{host.name} said ok, but the server saw no archive being written")
        case Proof.CONNECTION | Proof.ESCROW if not gate.connections:
            return _failed("tunnel_refused", f"{host.name} said ok, but nothing came through the tunnel")
        case Proof.ESCROW if not _has_escrow(seen):
            return _failed("bad_result", f"{host.name} said ok, but sent nothing that age encrypted for its recipients")
    if verb.changes and gate.refused:
        return _failed("refused", f"the gate refused {host.name}: {gate.refused[0]}")
    return None


def _refused_source(host: Performer, seen: Evidence) -> Conclusion | None:
    sources = (seen.result.sources if seen.result else None) or {}
    if not sources.get("refused"):
        return None
    lines = sources["refused"]
    more = f"; and {len(lines) - _LINES_SHOWN} more" if len(lines) > _LINES_SHOWN else ""
    return _failed("source_refused", f"{host.name}: {'; '.join(lines[:_LINES_SHOWN])}{more}")


def _other_sources(host: Performer, seen: Evidence) -> Conclusion | None:
    """An older /etc that came back brings the sources of its time, and says nothing of those that are lacking."""
    told = seen.result.saved if seen.result else None
    if told is None or not host.saved or told == host.saved:
        return None
    other = f"{host.name} was told to save other things than the server's record says"
    return _failed("source_refused", f"{other}, perhaps by an older /etc that came back: run site.yml for it")


def _has_escrow(seen: Evidence) -> bool:
    told = seen.result.escrow if seen.result else None
    return told is not None and is_age(told["ciphertext"], len(told["recipients"]))


def _incomplete(verb: Verb, host: Performer, seen: Evidence) -> Conclusion | None:
    remarks = seen.result.remarks if seen.result else None
    if remarks is None:  # What is not known is not green.
        silent = f"{host.name} does not say what it could not read: it is of an older release, run site.yml for it"
        return _failed("bad_result", silent) if verb.brings_archive else None
    if not count_incomplete(remarks):
        return None
    return _failed("incomplete", f"{host.name}'s archive is incomplete: {describe_incomplete(remarks)}")


def _trim_failure(host: Performer, trim: TrimResult) -> Conclusion | None:
    if not trim.answered:
        return _failed("bad_result", f"{host.name} said ok, but not what it did")
    if trim.never_named:
        reason = f"{host.name} says it deleted {len(trim.never_named)} archives that nobody named"
        return _failed("bad_result", reason)
    if trim.claimed and not trim.witnessed:
        reason = f"{host.name} says it deleted {len(trim.claimed)} archives, but the server saw nothing being deleted"
        return _failed("bad_result", reason)
    if trim.missing:
        lost = f"{host.client} misses {len(trim.missing)} archives that nobody deleted"
        return _failed("archives_missing", f"{lost}: run a full audit, then look for a snapshot")
    if trim.left:
        reason = f"{host.name} did not delete {len(trim.left)} of {len(trim.plan.named)} archives"
        return _failed("client_failed", reason)
    if trim.check == "failed":
        return _failed("check_failed", f"borg check found errors in {host.client}'s repository: run a full audit")
    return None
