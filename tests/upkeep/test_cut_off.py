# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The server is cut off in the middle: the next session judges it as what it was, and no alarm is lost or false."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils import _aftermath, _session
from ansible_collections.paranoid.backup.plugins.module_utils._ledger_entries import Audit, LedgerError, Session, Trim
from keeper import Keeper
from session_world import CLIENT, OK, ROOT, came_to


class PowerCut(BaseException):
    """The engine is gone at this point."""


def no_power(*_arguments: object, **_named: object) -> None:
    raise PowerCut


def cut_off(keeper: Keeper, monkeypatch: pytest.MonkeyPatch, verb: str, module: object, before: str) -> None:
    """Hold a session that ends where ``before`` would begin."""
    with monkeypatch.context() as patch, pytest.raises(PowerCut):
        patch.setattr(module, before, no_power)
        keeper.world.session(verb)


def last_session(keeper: Keeper) -> Session:
    entry = keeper.entries("session")[-2]
    assert isinstance(entry, Session)
    return entry


def state(keeper: Keeper) -> set[str]:
    return {path.name for path in (keeper.world.path / "state" / CLIENT).iterdir()}


@pytest.mark.parametrize("verb", ["info", "maintain", "backup"])
def test_after_a_backup_nothing_is_an_alarm(keeper: Keeper, monkeypatch: pytest.MonkeyPatch, verb: str) -> None:
    cut_off(keeper, monkeypatch, "backup", _session, "examine")
    assert "underway.json" in state(keeper)
    outcome = keeper.world.session(verb)
    assert came_to(outcome) == OK, (outcome.verdict, outcome.log_tail)
    cut = last_session(keeper)
    assert (cut.verb, cut.status, cut.code) == ("backup", "failed", "server_error")
    assert "cut off in the middle" in cut.reason and cut.transaction is not None
    assert state(keeper) == {"baseline.json", "repository.json"}
    assert keeper.module("audit", full=True)["verdict"] == "clean"


@pytest.mark.parametrize("place", ["examine", "conclude"])
def test_a_maintenance_is_recorded_and_goes_on(keeper: Keeper, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    dropped = list(keeper.contents)[:2]
    cut_off(keeper, monkeypatch, "maintain", _session, place)
    added = keeper.backup(4)
    (trim,) = keeper.entries("trim")
    assert isinstance(trim, Trim) and (trim.requested, trim.deleted) == (tuple(dropped), ())
    (audit,) = keeper.entries("audit")
    assert isinstance(audit, Audit) and audit.verdict == "expected" and audit.session == trim.session
    assert keeper.module("compact")["waiting"].startswith("what was deleted is held until"), "the hold has begun"
    outcome = keeper.maintain()
    assert came_to(outcome) == OK, (outcome.verdict, outcome.log_tail)
    assert outcome.maintain and outcome.maintain["deleted"] == sorted(dropped)
    assert keeper.known() == set(keeper.listed()) and added in keeper.known()


@pytest.mark.parametrize("place", ["conclude", "keep_baseline"])
def test_an_alarm_is_not_forgotten(keeper: Keeper, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    """Neither before nor after the ledger knows of it."""
    assert keeper.borg("delete", "-a", "*").returncode == 0
    cut_off(keeper, monkeypatch, "backup", _session if place == "conclude" else _aftermath, place)
    outcome = keeper.world.session("backup")
    assert "stored objects were deleted" in outcome.frozen
    assert last_session(keeper).code == "alarm"
    assert keeper.module("compact", limit_ratio=1.0)["code"] == "frozen"


def test_an_alarm_that_the_ledger_did_not_take_comes_again(keeper: Keeper, monkeypatch: pytest.MonkeyPatch) -> None:
    assert keeper.borg("delete", "-a", "*").returncode == 0

    def full(*_arguments: object) -> None:
        raise LedgerError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(_aftermath, "_recorded", full)
        for _ in range(2):  # Backups go on.
            outcome = keeper.world.session("backup")
            assert outcome.verdict.code == "alarm" and "not recorded: no space left" in outcome.verdict.reason
            assert outcome.gate.commits
    assert "stored objects were deleted" in keeper.world.session("backup").frozen


def test_damage_that_stops_a_compaction_stops_no_backup(keeper: Keeper) -> None:
    assert came_to(keeper.maintain()) == OK
    keeper.world.write(hold_days=0)
    biggest = max((keeper.repository / "data").rglob("*"), key=lambda path: path.stat().st_size)
    content = bytearray(biggest.read_bytes())
    content[len(content) // 2] ^= 1
    biggest.write_bytes(content)
    failed = keeper.module("compact", limit_ratio=1.0)
    assert failed["code"] == "alarm" and "borg check after a compaction" in failed["msg"], failed
    assert state(keeper) == {"baseline.json", "repository.json"}
    outcome = keeper.world.session("backup")
    assert came_to(outcome) == OK and "borg check after a compaction" in outcome.frozen
    found = keeper.module("audit", full=True)
    assert [one for one in found["findings"] if one.startswith("damage: segment ")], found


@pytest.mark.parametrize("kind", ["exclusive", "shared"])
def test_a_lock_whose_number_another_process_has_now(keeper: Keeper, kind: str) -> None:
    """Its gate died in a power cut; Borg sees that process 1 lives, and waits for it in vain."""
    (keeper.repository / "lock.roster").write_text(json.dumps({kind: [["server@paranoid", 1, 0]]}))
    if kind == "exclusive":
        (keeper.repository / "lock.exclusive").mkdir()
        (keeper.repository / "lock.exclusive/server@paranoid.1-0").touch()
    give(keeper)
    keeper.backup(5)
    assert not list(keeper.repository.glob("lock.*"))


def test_a_lock_of_somebody_else_stays(keeper: Keeper) -> None:
    lock = keeper.repository / "lock.exclusive/someone@paranoid.1-0"
    lock.parent.mkdir()
    lock.touch()
    give(keeper)
    outcome = keeper.world.session("backup")
    assert outcome.verdict.code == "client_failed" and "lock" in outcome.verdict.reason
    assert lock.exists()
    shutil.rmtree(lock.parent)


def give(keeper: Keeper) -> None:
    if ROOT:
        for path in keeper.repository.glob("lock.*"):
            for one in (path, *path.glob("*")):
                shutil.chown(one, Path(keeper.repository).owner())
