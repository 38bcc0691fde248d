# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a compaction is due, and how much it may free."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._audit.baseline import Baseline, Directory
from ansible_collections.paranoid.backup.plugins.module_utils._audit.verdict import AuditVerdict
from ansible_collections.paranoid.backup.plugins.module_utils._common.clock import this_moment
from ansible_collections.paranoid.backup.plugins.module_utils._common.errors import SessionError
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.clock_watch import ClockState, Reading, believe
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import (
    ClockEntry,
    CompactionEntry,
    FreezeEntry,
    SessionEntry,
    TrimEntry,
)
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.ledger import NAME, Ledger
from ansible_collections.paranoid.backup.plugins.module_utils._retention import cycle
from ansible_collections.paranoid.backup.plugins.module_utils._upkeep import compaction as _compaction
from ansible_collections.paranoid.backup.plugins.module_utils._upkeep.compaction import Limits, Prospect, look_ahead

TRIMMED = datetime(2026, 11, 1, 3, 0, tzinfo=UTC)
LATER = TRIMMED + timedelta(days=30)


class Held:
    """A client that is held: a real ledger, a baseline, and an audit that says what the test wants."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger, self.name, self.freeable = ledger, "web1", 400
        self.client = SimpleNamespace(hold_days=14, anomaly_sessions=5)
        self.server = SimpleNamespace(watches=[])
        self.verdict = AuditVerdict("clean", ())

    def baseline(self) -> Baseline:
        return Baseline(7, (Directory(0, 1, 1, 600, ""), Directory(1, 2, 2, 400, "")), 10, 5, 5, "", 1, self.freeable)


@pytest.fixture
def held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    with Ledger.open(str(tmp_path / NAME), lambda: TRIMMED) as ledger:
        made = Held(ledger)
        monkeypatch.setattr(_compaction, "audit_and_record", lambda held, check: held.verdict)
        monkeypatch.setattr(_compaction, "last_baseline", Held.baseline)
        yield made


@pytest.fixture
def trimmed(held: Any) -> Any:
    held.ledger.append(SessionEntry("web1", "maintain", "1" * 32, "r", "ok", transaction=44))
    held.ledger.append(TrimEntry("web1", "1" * 32, ("a" * 64,), ("a" * 64,), 44))
    return held


def test_without_a_trim_nothing_is_due(held: Any) -> None:
    assert look_ahead(held, Limits(), LATER) == Prospect(1000, 400, "no trim waits for it")


@pytest.mark.parametrize(("session", "status", "due"), [("2", "failed", False), ("3", "ok", True), ("1", "ok", True)])
def test_a_trim_waits_for_a_maintenance_that_went_well(held: Any, session: str, status: str, due: bool) -> None:
    """Its own did not; what it deleted becomes final only when a later one has found nothing missing."""
    held.ledger.append(SessionEntry("web1", "maintain", "1" * 32, "r", "failed", "refused", transaction=44))
    held.ledger.append(SessionEntry("web1", "maintain", "0" * 32, "r", "ok"))
    held.ledger.append(TrimEntry("web1", "1" * 32, ("a" * 64,), (), 44))
    assert look_ahead(held, Limits(), LATER).waiting.startswith("no maintenance went well since the trim of 2026-11-01")
    held.ledger.append(SessionEntry("web1", "backup", "4" * 32, "r", "ok"))
    held.ledger.append(SessionEntry("web1", "maintain", session * 32, "r", status))
    assert (look_ahead(held, Limits(), LATER).waiting == "") == due


@pytest.mark.parametrize(("days", "until"), [(0, "2026-11-15"), (20, "2026-11-21"), (3, "2026-11-15")])
def test_the_longer_hold_counts(trimmed: Any, days: int, until: str) -> None:
    ahead = look_ahead(trimmed, Limits(hold_days=days), TRIMMED + timedelta(days=10))
    assert ahead.waiting == f"what was deleted is held until {until}T03:00+00:00"


def test_a_clock_in_doubt_or_an_anomaly_lets_no_hold_pass(trimmed: Any) -> None:
    """A year later by the clock, of a machine that was started anew meanwhile."""
    then = Reading(TRIMMED.timestamp(), "an earlier boot", 0.0)
    trimmed.ledger.append(SessionEntry("web1", "info", "2" * 32, "", "ok", clock=ClockState(then).to_dict()))
    late = this_moment().time + timedelta(days=365)
    waiting = look_ahead(trimmed, Limits(), late).waiting
    assert "the server's clock cannot be believed" in waiting and "accept.yml with backup_accept=clock" in waiting
    sure = believe(replace(this_moment(), time=late)).to_dict()
    trimmed.ledger.append(ClockEntry("web1", "it was off", "alice", sure))
    assert look_ahead(trimmed, Limits(), late).waiting == ""

    odd = {"anomaly": True, "signals": [{"name": "read", "value": 9e9, "low": 0, "high": 1e9, "alone": True}]}
    trimmed.ledger.append(SessionEntry("web1", "info", "3" * 32, "", "ok", unusual=odd, clock=sure))
    waiting = look_ahead(trimmed, Limits(), late).waiting
    assert "read back 8.4 GiB (usual: at most 954 MiB)" in waiting and "until then nothing is freed" in waiting


def test_after_the_hold_it_is_due(trimmed: Any) -> None:
    end = TRIMMED + timedelta(days=14)
    assert look_ahead(trimmed, Limits(), end - timedelta(seconds=1)).waiting
    assert look_ahead(trimmed, Limits(), end) == Prospect(1000, 400)


@pytest.mark.parametrize(
    ("limits", "allowed"),
    [(Limits(ratio=0.4), None), (Limits(ratio=0.39), 390), (Limits(bytes=400), None), (Limits(bytes=399), 399),
     (Limits(bytes=0), 0),
     (Limits(bytes=900), None), (Limits(bytes=900, ratio=0.1), 100)],
)  # fmt: skip
def test_the_smaller_limit_counts(trimmed: Any, limits: Limits, allowed: int | None) -> None:
    if allowed is None:
        assert look_ahead(trimmed, limits, LATER).waiting == ""
        return
    with pytest.raises(SessionError, match=f"would free 400 of 1000 bytes, {allowed} are allowed") as caught:
        look_ahead(trimmed, limits, LATER)
    assert caught.value.code == "refused"


def test_a_size_that_nobody_knows_is_no_size(trimmed: Any) -> None:
    trimmed.freeable = None
    with pytest.raises(SessionError, match="back it up first"):
        look_ahead(trimmed, Limits(), LATER)


def test_a_frozen_client_is_refused(trimmed: Any) -> None:
    trimmed.ledger.append(FreezeEntry("web1", "gone", ""))
    with pytest.raises(SessionError) as caught:
        look_ahead(trimmed, Limits(), LATER)
    assert caught.value.code == "frozen"


def test_an_alarm_of_its_own_audit_ends_it(trimmed: Any) -> None:
    trimmed.verdict = AuditVerdict("alarm", ("12 objects gone",))
    with pytest.raises(SessionError, match="12 objects gone") as caught:
        look_ahead(trimmed, Limits(), LATER)
    assert caught.value.code == "alarm"


def test_a_broken_chain_frees_nothing(trimmed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cycle, "chain_problem", lambda _ledger, _now: "entry 2 was altered")
    with pytest.raises(SessionError, match="ALARM: entry 2 was altered") as caught:
        look_ahead(trimmed, Limits(), LATER)
    assert caught.value.code == "alarm"


ENTRY = CompactionEntry("web1", 1000, 600, 46)
HARMED = AuditVerdict("alarm", ("12 objects gone",))


@pytest.mark.parametrize(
    ("code", "found", "entry", "ending", "words"),
    [
        (0, AuditVerdict("clean", ()), ENTRY, "", ""),
        (0, HARMED, ENTRY, "alarm", "12 objects gone"),
        (2, HARMED, None, "alarm", "12 objects gone"),
        (2, AuditVerdict("clean", ()), ENTRY, "server_error", "borg compact of web1 ended with 2: no space left"),
        (0, AuditVerdict("clean", ()), None, "server_error", "borg compact of web1 ended with 0"),
    ],
)
def test_a_compaction_went_well_where_borg_the_audit_and_the_ledger_say_so(
    held: Any, monkeypatch: pytest.MonkeyPatch, code: int, found: AuditVerdict, entry: Any, ending: str, words: str
) -> None:
    steps: list[str] = []

    def step(name: str, result: Any) -> Any:
        def done(*_arguments: object) -> Any:
            steps.append(name)
            return result

        return done

    monkeypatch.setattr(_compaction, "begin_compaction", step("intent", None))
    monkeypatch.setattr(_compaction, "run_borg", step("borg", (code, "no space left")))
    monkeypatch.setattr(_compaction, "conclude_compaction", step("audit", (found, entry)))
    if ending:
        with pytest.raises(SessionError, match=words) as caught:
            _compaction.compact(held)
        assert caught.value.code == ending
    else:
        assert _compaction.compact(held) == ENTRY
    assert steps == ["intent", "borg", "audit"], "the intent is written before anything can go"
