# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a session came to, decided from what was seen: the server's own evidence first, the client's word last."""

from __future__ import annotations

from dataclasses import dataclass, field

from ansible_collections.paranoid.backup.plugins.module_utils._config.server import ClientConfig
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.outcome import Conclusion, GateSummary
from ansible_collections.paranoid.backup.plugins.module_utils._session.protocol import Result
from ansible_collections.paranoid.backup.plugins.module_utils._session.ssh import explain, last_line

_CHANGING = ("create", "backup", "maintain")
_TOO_LATE = {
    "connect_timeout": "{client} did not start its work within {seconds} s",
    "idle_timeout": "{client} moved no byte and wrote no log line for {seconds} s: it hangs",
    "total_timeout": "{client} was not done after {seconds} s",
    "close_timeout": "{client} was done, but did not end the session within {seconds} s",
}
_GATE_TROUBLE = {
    "quota": "{client} is at its quota on the server: raise it or run maintain ({detail})",
    "disk_full": "the server's disk is full: free space on it ({detail})",
    "protocol": "{client} sent what is not Borg's protocol ({detail})",
    "error": "the gate failed: {detail}",
}
_GATE_CODES = {"quota": "quota", "disk_full": "disk_full", "protocol": "client_failed", "error": "server_error"}


@dataclass(frozen=True)
class Evidence:
    """What was seen of one session. ``deadline`` is the code of the one that passed, ``seconds`` its length."""

    deadline: str = ""
    seconds: float = 0
    ssh_code: int | None = None
    ssh_log: str = ""
    hello: bool = False
    result: Result | None = None
    protocol: str = ""
    last_words: str = ""
    gate: GateSummary = field(default_factory=GateSummary)


def decide(verb: str, client: ClientConfig, seen: Evidence) -> Conclusion:
    """Return the verdict over a session of ``verb`` with ``client``."""
    return (
        _gate_stopped_it(client, seen)
        or _too_late(client, seen)
        or _protocol_violation(client, seen)
        or _never_started(client, seen)
        or _no_result(client, seen)
        or _client_failure(client, seen)
        or _missing_proof(verb, client, seen)
        or Conclusion("ok")
    )


def _failed(code: str, reason: str) -> Conclusion:
    return Conclusion("failed", code, reason)


def _gate_stopped_it(client: ClientConfig, seen: Evidence) -> Conclusion | None:
    trouble = seen.gate.trouble
    if trouble is None:
        return None
    sentence = _GATE_TROUBLE.get(trouble, _GATE_TROUBLE["error"])
    reason = sentence.format(client=client.client, detail=seen.gate.detail or trouble)
    return _failed(_GATE_CODES.get(trouble, "server_error"), reason)


def _too_late(client: ClientConfig, seen: Evidence) -> Conclusion | None:
    if not seen.deadline:
        return None
    sentence = _TOO_LATE[seen.deadline].format(client=client.client, seconds=round(seen.seconds))
    return _failed(seen.deadline, sentence)


def _protocol_violation(client: ClientConfig, seen: Evidence) -> Conclusion | None:
    if not seen.protocol:
        return None
    if not seen.hello:
        return _failed("no_dispatcher", f"{client.client} answered, but not as the dispatcher: {seen.protocol}")
    return _failed("bad_result", f"{client.client} gave no usable result: {seen.protocol}")


def _never_started(client: ClientConfig, seen: Evidence) -> Conclusion | None:
    if seen.hello:
        return None
    if seen.ssh_code == 255 and seen.ssh_log.strip():
        return _failed(*explain(seen.ssh_log, client))
    said = seen.last_words or f"exit code {seen.ssh_code}"
    return _failed("no_dispatcher", f"the dispatcher of {client.client} did not start ({said}): run site.yml for it")


def _no_result(client: ClientConfig, seen: Evidence) -> Conclusion | None:
    if seen.result is not None:
        return None
    if seen.ssh_code == 255:  # Also when a signal killed the dispatcher; ssh(1) then says nothing.
        said = last_line(seen.ssh_log) if seen.ssh_log.strip() else seen.last_words or "no message"
        lost = f"the connection to {client.client} was lost, or its dispatcher was killed ({said})"
        return _failed("connection_lost", lost)
    said = seen.last_words or "no message"
    return _failed("client_failed", f"{client.client} ended without a result, exit code {seen.ssh_code} ({said})")


def _client_failure(client: ClientConfig, seen: Evidence) -> Conclusion | None:
    if seen.result is None or seen.result.ok:
        return None
    said = seen.result.reason or seen.last_words or "it gave no reason"
    if seen.gate.refused:
        return _failed("refused", f"the gate refused {client.client}: {seen.gate.refused[0]} ({said})")
    return _failed("client_failed", f"{client.client}: {said}")


def _missing_proof(verb: str, client: ClientConfig, seen: Evidence) -> Conclusion | None:
    if verb == "backup" and (seen.result is None or seen.result.archive is None):
        return _failed("no_archive", f"{client.client} said ok, but named no archive")
    if verb == "backup" and not (seen.gate.commits and seen.gate.manifests):
        return _failed("no_archive", f"{client.client} said ok, but the server saw no archive being written")
    if verb == "info" and not seen.gate.connections:
        return _failed("tunnel_refused", f"{client.client} said ok, but nothing came through the tunnel")
    if verb in _CHANGING and seen.gate.refused:
        return _failed("refused", f"the gate refused {client.client}: {seen.gate.refused[0]}")
    return None
