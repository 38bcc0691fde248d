# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the ledger keeps of a session, and what the outcome learns from it."""

from __future__ import annotations

import platform
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._audit.baseline import Baseline
from ansible_collections.paranoid.backup.plugins.module_utils._audit.changes import Changes
from ansible_collections.paranoid.backup.plugins.module_utils._audit.presence import Presence
from ansible_collections.paranoid.backup.plugins.module_utils._audit.verdict import AuditVerdict
from ansible_collections.paranoid.backup.plugins.module_utils._common.alarm import Alarm
from ansible_collections.paranoid.backup.plugins.module_utils._config.site import Site
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import (
    ArchiveEntry,
    AuditEntry,
    Entry,
    FreezeEntry,
    LedgerError,
    SessionEntry,
    TrimEntry,
    UnfreezeEntry,
)
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.ledger import NAME, Ledger
from ansible_collections.paranoid.backup.plugins.module_utils._outcome import bookkeeping
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.bookkeeping import (
    record_and_advance,
    record_audit,
    record_session,
)
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.outcome import Conclusion, GateSummary, Outcome
from made_site import make_site

BACKUP = Outcome("web1", "backup", "1" * 32, "r1", Conclusion("ok"), "s", "f", 1.5, True)
FOUND = {"verdict": "alarm", "findings": ["12 objects gone"]}
ALARM = replace(BACKUP, conclusion=Conclusion("failed", "alarm", "ALARM: 12 objects gone"), audit=FOUND)


@pytest.fixture
def server(tmp_path: Path) -> Any:
    made = make_site(tmp_path)
    with Ledger.open(f"{made.server.state_dir}/{NAME}"):
        return SimpleNamespace(state_dir=made.server.state_dir, place=tmp_path)


def site(server: Any) -> Site:
    return make_site(server.place)


def kinds(server: Any) -> list[str]:
    with Ledger.read(f"{server.state_dir}/{NAME}") as ledger:
        return [record.kind for record in ledger.entries()]


def test_a_session_is_one_entry_and_its_outcome_tells_where_the_ledger_stands(server: Any) -> None:
    outcome = record_session(site(server), BACKUP)
    assert kinds(server) == ["session"]
    with Ledger.read(f"{server.state_dir}/{NAME}") as ledger:
        head = str(ledger.head())
    assert head.startswith("1:")
    assert outcome.clock and not outcome.clock["doubt"]
    nothing = {"escrow": "", "restore": "", "overdue": []}
    told = {"host": platform.node(), "head": head, "witnesses": [], "spare": ""}
    assert outcome == replace(BACKUP, clock=outcome.clock, ledger=told, rehearsals=nothing)


def test_an_alarm_freezes_once_and_backups_say_so_until_it_is_lifted(server: Any) -> None:
    frozen = record_session(site(server), ALARM).frozen
    assert frozen and frozen.since.startswith("20")
    assert replace(frozen, since="") == Alarm("history", "web1", ("12 objects gone",))
    later = record_session(site(server), BACKUP)
    assert (later.conclusion.status, later.frozen) == ("ok", frozen)
    record_session(site(server), ALARM)
    assert kinds(server).count("freeze") == 1
    with Ledger.open(f"{server.state_dir}/{NAME}") as ledger:
        ledger.append(UnfreezeEntry("web1", "looked", "alice"))
    assert record_session(site(server), BACKUP).frozen is None


def test_another_clients_freeze_is_not_ours(server: Any) -> None:
    with Ledger.open(f"{server.state_dir}/{NAME}") as ledger:
        ledger.append(FreezeEntry("web2", "gone", ""))
    assert record_session(site(server), BACKUP).frozen is None


def test_a_repository_begins_before_the_session_that_made_it(server: Any) -> None:
    made = replace(BACKUP, verb="create", repository="ab" * 32)
    record_session(site(server), made)
    assert kinds(server) == ["repository", "session"]
    record_session(site(server), replace(made, conclusion=Conclusion("failed", "alarm", "why")))
    assert kinds(server) == ["repository", "session", "session"]


@pytest.mark.parametrize(
    ("verdict", "code", "reason"),
    [
        (Conclusion("ok"), "server_error", "not recorded: "),
        (Conclusion("failed", "quota", "full"), "quota", "full; not rec"),
    ],
)
def test_what_the_ledger_does_not_take_is_a_failure(server: Any, verdict: Conclusion, code: str, reason: str) -> None:
    Path(server.state_dir, NAME).write_bytes(b"not a database" * 100)
    outcome = record_session(site(server), replace(BACKUP, conclusion=verdict))
    assert (outcome.conclusion.status, outcome.conclusion.code) == ("failed", code)
    assert outcome.conclusion.reason.startswith(reason)


def test_what_cannot_be_saved_beside_the_repositories_is_told_and_fails_no_backup(server: Any) -> None:
    (server.place / "srv/.server").write_text("in the way")
    outcome = record_session(site(server), BACKUP)
    assert outcome.conclusion.status == "ok" and outcome.ledger is not None
    assert "srv/.server is not there yet and cannot be written" in outcome.ledger["spare"]


def test_a_ledger_that_was_tampered_with_does_not_reach_its_copy(server: Any) -> None:
    record_session(site(server), BACKUP)
    copy = server.place / "srv/.server" / NAME
    before = copy.read_bytes()
    Path(server.state_dir, NAME).unlink()
    assert record_session(site(server), BACKUP).conclusion.code == "alarm"
    assert copy.read_bytes() == before


CLEAN = AuditVerdict("clean", ())
TOUCHED = AuditVerdict("alarm", ("12 objects gone",))
BASELINE = Baseline(44, (), 900, 500, 400, "", 1, 7)
MAINTAIN = {"named": ["a", "b"], "deleted": ["a", "b"], "missing": [], "unknown": [], "check": "ok"}
TRIM = replace(BACKUP, verb="maintain", maintain=MAINTAIN, gate=GateSummary(commits=1, transaction=44))


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch, server: Any) -> list[tuple[str, int]]:
    """What is written beside the ledger, in order, and how many entries it had then."""
    seen: list[tuple[str, int]] = []

    def note(name: str) -> Any:
        return lambda *_arguments, **_named: seen.append((name, len(entries(server))))

    for name in ("forget_lists", "save_baseline", "forget_index", "clear_intent"):
        monkeypatch.setattr(bookkeeping, name, note(name))
    return seen


def entries(server: Any) -> list[Entry]:
    try:
        with Ledger.read(f"{server.state_dir}/{NAME}") as ledger:
            return [record.entry for record in ledger.entries()]
    except LedgerError:
        return []


def test_the_ledger_comes_first_and_the_intent_goes_last(server: Any, steps: list[tuple[str, int]]) -> None:
    """Cut off anywhere between, the next session judges what this one did once more, and not as its own."""
    record_and_advance(site(server), BACKUP, CLEAN, BASELINE)
    assert steps == [("save_baseline", 1), ("forget_index", 1), ("clear_intent", 1)]
    steps.clear()
    record_and_advance(site(server), replace(BACKUP, verb="create", repository="ab" * 32), CLEAN, BASELINE)
    assert steps[0] == ("forget_lists", 3), "those of the repository before it"


@pytest.mark.parametrize(
    ("outcome", "found", "goes_on"),
    [(BACKUP, CLEAN, True), (BACKUP, TOUCHED, False), (TRIM, AuditVerdict("expected", ()), False)],
)
def test_what_the_ledger_did_not_take_comes_again_where_it_matters(
    server: Any, steps: list[tuple[str, int]], outcome: Outcome, found: AuditVerdict, goes_on: bool
) -> None:
    Path(server.state_dir, NAME).write_bytes(b"not a database" * 100)
    told = record_and_advance(site(server), outcome, found, BASELINE)
    assert told.conclusion.status == "failed" and "not recorded: " in told.conclusion.reason
    assert [name for name, _entries in steps] == (["save_baseline", "forget_index", "clear_intent"] if goes_on else [])


@pytest.mark.usefixtures("steps")
def test_a_gate_that_was_killed_did_commit_where_the_disk_says_so(server: Any) -> None:
    for commits, baseline, transaction in ((1, BASELINE, 44), (0, BASELINE, 3), (1, None, 3)):
        cut = replace(BACKUP, gate=GateSummary(transaction=3))
        told = record_and_advance(site(server), cut, AuditVerdict("clean", (), Changes(commits=commits)), baseline)
        (*_, entry) = entries(server)
        assert isinstance(entry, SessionEntry)
        assert told.gate.transaction == entry.transaction == transaction


NAMED = {"id": "9" * 64, "name": "a", "nfiles": 5, "original_size": 7}


@pytest.mark.usefixtures("steps")
@pytest.mark.parametrize("code", ["", "client_failed"])
@pytest.mark.parametrize("brought", [True, False])
def test_an_archive_is_one_that_the_server_saw_come(server: Any, code: str, brought: bool) -> None:
    """What its client names, and did not bring, is in no entry and in no result, whatever the session came to."""
    ended = Conclusion("failed" if code else "ok", code)
    found = AuditVerdict("clean", (), presence=Presence(brought=brought))
    told = record_and_advance(site(server), replace(BACKUP, archive=NAMED, conclusion=ended), found, BASELINE)
    (*_, entry) = entries(server)
    assert isinstance(entry, SessionEntry)
    assert (told.archive, told.came) == ((NAMED, NAMED["id"]) if brought else (None, ""))
    assert (entry.came, entry.archive is not None) == (told.came, brought)
    assert told.conclusion.code == entry.code == (code or ("" if brought else "no_archive"))


@pytest.mark.usefixtures("steps")
@pytest.mark.parametrize(("found", "looks"), [(CLEAN, True), (TOUCHED, False)])
def test_after_an_alarm_nothing_that_a_client_names_becomes_known(
    server: Any, monkeypatch: pytest.MonkeyPatch, found: AuditVerdict, looks: bool
) -> None:
    named = ArchiveEntry("web1", "8" * 64, "b", "2" * 32, 40)
    monkeypatch.setattr(bookkeeping, "find_archives", lambda *_words: [named])
    unknown = [{"id": one * 64, "name": "b"} for one in "87"]
    told = record_and_advance(site(server), replace(TRIM, maintain={**MAINTAIN, "unknown": unknown}), found, BASELINE)
    assert (named in entries(server)) is looks
    assert told.maintain and told.maintain["unknown"] == (unknown[1:] if looks else unknown)


@pytest.mark.usefixtures("steps")
def test_what_went_is_what_the_server_saw_go(server: Any) -> None:
    """Of those that were named; of others the client's word counts against it."""
    claim = {**MAINTAIN, "deleted": ["a", "strange"]}
    found = AuditVerdict("expected", ("a note",), presence=Presence(gone=("b",)))
    told = record_and_advance(site(server), replace(TRIM, maintain=claim), found, BASELINE)
    assert told.maintain and told.maintain["deleted"] == ["b", "strange"]
    session, audit, trim = entries(server)
    assert isinstance(session, SessionEntry) and isinstance(audit, AuditEntry) and isinstance(trim, TrimEntry)
    assert (audit.session, audit.verdict, audit.findings) == (BACKUP.session, "expected", ("a note",))
    assert (audit.gone, audit.freeable, audit.transaction) == (0, 0, None), "that is told of audits outside sessions"
    assert (trim.requested, trim.deleted, trim.transaction) == (("a", "b"), ("b", "strange"), 44)


@pytest.mark.parametrize(
    ("code", "maintain", "frozen"),
    [
        ("archives_missing", None, True),
        ("archives_missing", MAINTAIN, True),
        ("check_failed", MAINTAIN, True),
        ("check_failed", None, False),
        ("client_failed", MAINTAIN, False),
    ],
)
def test_what_is_missing_freezes_and_what_only_failed_does_not(
    server: Any, code: str, maintain: dict[str, Any] | None, frozen: bool
) -> None:
    failed = replace(BACKUP, conclusion=Conclusion("failed", code, "the reason"), maintain=maintain)
    told = record_session(site(server), failed).frozen
    assert (told is not None) is frozen
    assert told is None or replace(told, since="") == Alarm("content", "web1", ("the reason",))


def test_an_audit_outside_a_session_is_recorded_and_its_alarm_freezes_once(server: Any) -> None:
    for found, baseline in ((AuditVerdict("clean", (), Changes(gone=0)), BASELINE), (TOUCHED, None), (TOUCHED, None)):
        record_audit(site(server), found, baseline)
    assert kinds(server) == ["audit", "audit", "freeze", "audit"]
    first, second, freeze, _third = entries(server)
    assert isinstance(first, AuditEntry) and isinstance(second, AuditEntry) and isinstance(freeze, FreezeEntry)
    assert (first.session, first.transaction, first.freeable) == ("", 44, 7)
    assert (second.verdict, second.transaction, second.freeable) == ("alarm", None, 0)
    assert freeze.alarm and (freeze.alarm.kind, freeze.alarm.findings) == ("repository", ("12 objects gone",))
