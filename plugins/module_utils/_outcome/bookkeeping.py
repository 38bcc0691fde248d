# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What follows a session or an audit: entries in the ledger, the freeze that an alarm brings, the next baseline."""

from __future__ import annotations

import platform
from dataclasses import replace
from typing import Any

from ansible_collections.paranoid.backup.plugins.module_utils._audit.baseline import Baseline
from ansible_collections.paranoid.backup.plugins.module_utils._audit.kept_lists import forget_lists
from ansible_collections.paranoid.backup.plugins.module_utils._audit.owners import forget_index
from ansible_collections.paranoid.backup.plugins.module_utils._audit.stored import save_baseline
from ansible_collections.paranoid.backup.plugins.module_utils._audit.verdict import ALARM, AuditVerdict
from ansible_collections.paranoid.backup.plugins.module_utils._common.alarm import CONTENT, HISTORY, REPOSITORY, Alarm
from ansible_collections.paranoid.backup.plugins.module_utils._common.clock import this_moment, utc_now
from ansible_collections.paranoid.backup.plugins.module_utils._config.site import Site
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.clock_watch import look_at_clock
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import (
    AuditEntry,
    Entry,
    FreezeEntry,
    LedgerError,
    RepositoryEntry,
    TrimEntry,
    make_session_entry,
)
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.history import History
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.tamper_check import chain_problem
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.conclusion import overrule, overrule_content
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.found import find_archives
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.intent import clear_intent
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.outcome import GateSummary, Outcome
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.rehearsals import describe_rehearsals
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.spare import save_spare
from ansible_collections.paranoid.backup.plugins.module_utils._retention.anomaly import is_expected, judge_session
from ansible_collections.paranoid.backup.plugins.module_utils._retention.band import Band
from ansible_collections.paranoid.backup.plugins.module_utils._retention.content import judge_content
from ansible_collections.paranoid.backup.plugins.module_utils._watch.witness import describe_witnesses, find_ahead


def record_session(site: Site, outcome: Outcome) -> Outcome:
    """Put the session into the ledger and return its outcome, a failure if the ledger rejected it."""
    try:
        return _with_spare(site, _append_all(site, outcome))
    except LedgerError as error:
        return _overruled(outcome, rejected=str(error))


def record_and_advance(site: Site, outcome: Outcome, found: AuditVerdict, baseline: Baseline | None) -> Outcome:
    """Put an audited session into the ledger, and only then save the baseline from which the next audit begins.

    The caller holds the client's lock: nobody may compact between an alarm and its freeze. If the ledger rejects an
    alarm or a trim, note and baseline stay as they are, and the next session tries again.
    """
    audit = {"verdict": found.verdict, "findings": list(found.findings)}
    gate = _with_transaction(outcome, found, baseline)
    maintain = outcome.maintain and _with_deleted(outcome.maintain, found)
    held = {"objects": baseline.objects, "bytes": baseline.size} if baseline else None
    outcome = replace(outcome, audit=audit, stored=found.changes.stored, held=held, gate=gate, maintain=maintain)
    archive = outcome.archive if found.presence.brought else None
    outcome = replace(_overruled(outcome, audit=found), archive=archive, came=archive["id"] if archive else "")
    try:
        outcome = _record_found(site, outcome)
        history = site.ledger.history(site.name)
        outcome = _append_all(site, _with_unusual(site, history, _with_content(site, history, outcome)))
    except LedgerError as error:
        outcome = _overruled(outcome, rejected=str(error))
        if found.verdict == ALARM or trim_entry(outcome) is not None:
            return outcome
    if outcome.repository:
        forget_lists(site, after=-1)
    save_baseline(site, baseline)
    forget_index(site)
    clear_intent(site)
    return _with_spare(site, outcome)


def record_audit(site: Site, found: AuditVerdict, baseline: Baseline | None) -> None:
    """Put the verdict of an audit outside a session into the ledger, and freeze the client on an alarm."""
    transaction, freeable = (baseline.transaction, baseline.freeable or 0) if baseline else (None, 0)
    audit = AuditEntry(site.name, "", found.verdict, found.findings, transaction, found.changes.gone, freeable)
    site.ledger.append(audit)
    if found.verdict == ALARM and site.ledger.freeze_state(site.name) is None:
        site.ledger.append(FreezeEntry(site.name, alarm=repository_alarm(site.name, found)))


def repository_alarm(client: str, found: AuditVerdict) -> Alarm:
    """Return the alarm that an audit outside a session raises."""
    return Alarm(REPOSITORY, client, found.findings)


def _with_deleted(maintain: dict[str, Any], found: AuditVerdict) -> dict[str, Any]:
    """Return what came of a maintenance; of the archives that were to go the server itself sees which went."""
    before = set(maintain["deleted"]) - set(maintain["named"])
    return {**maintain, "deleted": sorted(before.union(found.presence.gone))}


def _with_content(site: Site, history: History, outcome: Outcome) -> Outcome:
    """Return the outcome after its archive was held against the client's own history."""
    if outcome.archive is None:
        return outcome
    client = site.client
    band = Band(client.shrink_percent, client.shrink_min_files, client.shrink_min_bytes, client.shrink_archives)
    content = judge_content(history, outcome.archive, outcome.sources or {}, client.sources, band)
    conclusion = overrule_content(outcome.conclusion, site.name, content)
    return replace(outcome, content=content.to_dict(), conclusion=conclusion)


def _with_unusual(site: Site, history: History, outcome: Outcome) -> Outcome:
    """Return the outcome after the session was held against those of its client before it."""
    client, today = site.client, utc_now().date()
    expected = client.expect_change_until if is_expected(client.expect_change_until, today) else ""
    entry = make_session_entry(outcome.to_dict())
    unusual = judge_session(history, entry, client.anomaly_sessions, expected)
    return replace(outcome, unusual=unusual.to_dict())


def _record_found(site: Site, outcome: Outcome) -> Outcome:
    """Put into the ledger which of the archives that it did not know came with failed sessions."""
    told = (outcome.maintain or {}).get("unknown") or ()
    if outcome.maintain is None or not told or outcome.conclusion.code == "alarm":
        return outcome
    found = find_archives(site, told)
    for entry in found:
        site.ledger.append(entry)
    ids = {entry.id for entry in found}
    unknown = [one for one in told if one["id"] not in ids]
    named = [{"id": entry.id, "name": entry.name, "session": entry.session} for entry in found]
    return replace(outcome, maintain={**outcome.maintain, "unknown": unknown, "found": named})


def _with_transaction(outcome: Outcome, found: AuditVerdict, baseline: Baseline | None) -> GateSummary:
    """Return what the gates saw; a gate that was killed could not tell of its last commit, the disk does."""
    if baseline is None or not found.changes.commits:
        return outcome.gate
    return replace(outcome.gate, transaction=baseline.transaction)


def _append_all(site: Site, outcome: Outcome) -> Outcome:
    ledger = site.ledger
    moment = outcome.moment or this_moment()
    ahead = outcome.ahead if outcome.ahead is not None else find_ahead(site.server, moment.time)
    clock = look_at_clock(ledger, moment, ahead)
    outcome = replace(outcome, clock=clock.to_dict())
    for entry in _entries(site, outcome):
        ledger.append(entry)
    alarm = _freezing_alarm(outcome)
    if alarm is not None and ledger.freeze_state(site.name) is None:
        ledger.append(FreezeEntry(site.name, session=outcome.session, alarm=alarm))
    rehearsals = describe_rehearsals(site, outcome.escrow, utc_now())
    outcome = replace(outcome, frozen=ledger.frozen_by(site.name), rehearsals=rehearsals)
    problem = chain_problem(ledger, utc_now())
    head = {"host": platform.node(), "head": str(ledger.head()), "witnesses": describe_witnesses(site.server)}
    if not problem:
        return replace(outcome, ledger=head)
    return _overruled(outcome, tampered=problem)


def _with_spare(site: Site, outcome: Outcome) -> Outcome:
    """Return the outcome with what is wrong with the spare; a ledger that is not whole never gets there."""
    if outcome.ledger is None:
        return outcome
    return replace(outcome, ledger={**outcome.ledger, "spare": save_spare(site)})


def _freezing_alarm(outcome: Outcome) -> Alarm | None:
    """Return why nothing may be compacted after this session: history was touched, or something is missing."""
    if outcome.audit is not None and outcome.audit["verdict"] == ALARM:
        return Alarm(HISTORY, outcome.client, tuple(outcome.audit["findings"]))
    code = outcome.conclusion.code
    if code == "archives_missing" or (code == "check_failed" and outcome.maintain is not None):
        return Alarm(CONTENT, outcome.client, (outcome.conclusion.reason,))
    return None


def _overruled(outcome: Outcome, audit: AuditVerdict | None = None, rejected: str = "", tampered: str = "") -> Outcome:
    claimed = audit is not None and outcome.archive is not None
    conclusion = overrule(outcome.conclusion, outcome.client, audit, rejected, tampered, claimed)
    return replace(outcome, conclusion=conclusion)


def _entries(site: Site, outcome: Outcome) -> list[Entry]:
    entries: list[Entry] = [make_session_entry(outcome.to_dict())]
    if outcome.repository and outcome.conclusion.status == "ok":
        entries.insert(0, RepositoryEntry(site.name, outcome.repository, outcome.session))
    if outcome.audit and outcome.audit["verdict"] != "clean":
        found = outcome.audit
        entries.append(AuditEntry(site.name, outcome.session, found["verdict"], tuple(found["findings"])))
    trim = trim_entry(outcome)
    if trim is not None:
        entries.append(trim)
    return entries


def trim_entry(outcome: Outcome) -> TrimEntry | None:
    """Return the ledger's entry for a session that deleted archives, None if it deleted none.

    A session that might delete and committed counts as one that did: its client may lie, and its gate may have been
    killed before it counted.
    """
    maintain = outcome.maintain
    if maintain is None or not (maintain["deleted"] or (maintain["named"] and outcome.gate.transaction is not None)):
        return None
    named, deleted = tuple(maintain["named"]), tuple(maintain["deleted"])
    return TrimEntry(outcome.client, outcome.session, named, deleted, outcome.gate.transaction)
