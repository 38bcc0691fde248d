# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The server is cut off in the middle: the next session judges it as what it was, and no alarm is lost or false."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._audit.stored import last_baseline
from ansible_collections.paranoid.backup.plugins.module_utils._common.alarm import alarm_line
from ansible_collections.paranoid.backup.plugins.module_utils._common.errors import SessionError
from ansible_collections.paranoid.backup.plugins.module_utils._common.locks import client_lock
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import (
    AuditEntry,
    CompactionEntry,
    LedgerError,
    SessionEntry,
    TrimEntry,
)
from ansible_collections.paranoid.backup.plugins.module_utils._outcome import bookkeeping as _aftermath
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.crash_recovery import begin_compaction
from ansible_collections.paranoid.backup.plugins.module_utils._session import engine as _session
from ansible_collections.paranoid.backup.plugins.module_utils._upkeep import compaction as _compaction
from ansible_collections.paranoid.backup.plugins.module_utils._upkeep import rollback as _rollback
from ansible_collections.paranoid.backup.plugins.module_utils._upkeep.guarded import upkeep
from keeper import Keeper
from session_world import CLIENT, IS_ROOT, OK, came_to


class PowerCut(BaseException):
    """The engine is gone at this point."""


def no_power(*_arguments: object, **_named: object) -> None:
    raise PowerCut


def cut_off(keeper: Keeper, monkeypatch: pytest.MonkeyPatch, verb: str, module: object, before: str) -> None:
    """Hold a session that ends where ``before`` would begin."""
    with monkeypatch.context() as patch, pytest.raises(PowerCut):
        patch.setattr(module, before, no_power)
        keeper.world.session(verb)


def last_session(keeper: Keeper) -> SessionEntry:
    entry = keeper.entries("session")[-2]
    assert isinstance(entry, SessionEntry)
    return entry


def damage(keeper: Keeper) -> None:
    biggest = max((keeper.repository / "data").rglob("*"), key=lambda path: path.stat().st_size)
    content = bytearray(biggest.read_bytes())
    content[len(content) // 2] ^= 1
    biggest.write_bytes(content)


def state(keeper: Keeper) -> set[str]:
    return {path.name for path in (keeper.world.path / "state" / CLIENT).iterdir()}


@pytest.mark.parametrize("verb", ["info", "maintain", "backup"])
def test_after_a_backup_nothing_is_an_alarm(keeper: Keeper, monkeypatch: pytest.MonkeyPatch, verb: str) -> None:
    cut_off(keeper, monkeypatch, "backup", _session, "audit_since_baseline")
    assert "underway.json" in state(keeper)
    outcome = keeper.world.session(verb)
    assert came_to(outcome) == OK, (outcome.conclusion, outcome.log_tail)
    cut = last_session(keeper)
    assert (cut.verb, cut.status, cut.code) == ("backup", "failed", "server_error")
    assert "cut off in the middle" in cut.reason and cut.transaction is not None
    assert state(keeper) == {"baseline.json", "lists", "repository.json"}
    assert keeper.module("audit", full=True)["verdict"] == "clean"


def test_an_intent_stays_until_the_baseline_is_kept(keeper: Keeper, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut off between the two, a session that may only read would be blamed for what the backup committed."""
    cut_off(keeper, monkeypatch, "backup", _aftermath, "save_baseline")
    assert "underway.json" in state(keeper)
    outcome = keeper.world.session("info")
    assert came_to(outcome) == OK, outcome.conclusion
    assert outcome.frozen is None and state(keeper) == {"baseline.json", "lists", "repository.json"}


@pytest.mark.parametrize("place", ["audit_since_baseline", "record_and_advance"])
def test_a_maintenance_is_recorded_and_goes_on(keeper: Keeper, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    dropped = list(keeper.contents)[:2]
    cut_off(keeper, monkeypatch, "maintain", _session, place)
    added = keeper.backup(4)
    (trim,) = keeper.entries("trim")
    assert isinstance(trim, TrimEntry) and (trim.requested, trim.deleted) == (tuple(dropped), tuple(sorted(dropped)))
    (audit,) = keeper.entries("audit")
    assert isinstance(audit, AuditEntry) and audit.verdict == "expected" and audit.session == trim.session
    assert keeper.module("compact")["waiting"].startswith("no maintenance went well since the trim of")
    outcome = keeper.maintain()
    assert came_to(outcome) == OK, (outcome.conclusion, outcome.log_tail)
    assert keeper.module("compact")["waiting"].startswith("what was deleted is held until"), "the hold has begun"
    assert outcome.maintain and outcome.maintain["missing"] == []
    assert keeper.known() == set(keeper.listed()) and added in keeper.known()


@pytest.mark.parametrize("place", ["record_and_advance", "save_baseline"])
def test_an_alarm_is_not_forgotten(keeper: Keeper, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    """Neither before nor after the ledger knows of it."""
    assert keeper.borg("delete", "-a", "*").returncode == 0
    cut_off(keeper, monkeypatch, "backup", _session if place == "record_and_advance" else _aftermath, place)
    outcome = keeper.world.session("backup")
    assert outcome.frozen and "stored objects were deleted" in alarm_line(outcome.frozen)
    assert last_session(keeper).code == "alarm"
    assert keeper.module("compact", limit_ratio=1.0)["code"] == "frozen"


def test_an_alarm_that_the_ledger_did_not_take_comes_again(keeper: Keeper, monkeypatch: pytest.MonkeyPatch) -> None:
    assert keeper.borg("delete", "-a", "*").returncode == 0

    def full(*_arguments: object) -> None:
        raise LedgerError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(_aftermath, "_append_all", full)
        for _ in range(2):  # Backups go on.
            outcome = keeper.world.session("backup")
            assert outcome.conclusion.code == "alarm" and "not recorded: no space left" in outcome.conclusion.reason
            assert outcome.gate.commits
    frozen = keeper.world.session("backup").frozen
    assert frozen and "stored objects were deleted" in alarm_line(frozen)


def test_damage_that_stops_a_compaction_stops_no_backup(keeper: Keeper) -> None:
    assert came_to(keeper.maintain()) == OK
    keeper.world.write(hold_days=0)
    damage(keeper)
    failed = keeper.module("compact", limit_ratio=1.0)
    assert failed["code"] == "alarm" and "borg check after a compaction" in failed["msg"], failed
    assert state(keeper) == {"baseline.json", "compactions.json", "lists", "repository.json"}
    outcome = keeper.world.session("backup")
    assert came_to(outcome) == OK and outcome.frozen
    assert "borg check after a compaction" in alarm_line(outcome.frozen)
    found = keeper.module("audit", full=True)
    assert [one for one in found["findings"] if one.startswith("damage: segment ")], found


KILLED = """
import os, signal, sys
from borg.archiver import main
from borg.repository import LoggedIO, Repository
where, step = (LoggedIO, Repository)[sys.argv[1] == "write_index"], sys.argv.pop(1)
setattr(where, step, lambda *_arguments, **_named: os.kill(os.getpid(), signal.SIGKILL))
main()
"""


@pytest.mark.parametrize(("step", "done"), [("write_commit", False), ("delete_segment", True), ("write_index", True)])
def test_a_compaction_that_is_killed(keeper: Keeper, monkeypatch: pytest.MonkeyPatch, step: str, done: bool) -> None:
    kept = keeper.transaction(next(iter(keeper.contents)))
    newest = list(keeper.contents)[-1]
    assert came_to(keeper.maintain()) == OK
    keeper.world.write(hold_days=0)

    def killed(*_arguments: object) -> None:
        argv = [keeper.world.server["python"], "-I", "-c", KILLED, step, "compact", str(keeper.repository)]
        environment = {"BORG_BASE_DIR": str(keeper.world.path / "upkeep"), "BORG_HOST_ID": "server@paranoid"}
        assert subprocess.run(argv, env=environment, check=False).returncode == -signal.SIGKILL
        give(keeper)
        raise PowerCut

    with monkeypatch.context() as patch, pytest.raises(PowerCut):
        patch.setattr(_compaction, "run_borg", killed)
        with upkeep(keeper.config_dir, CLIENT, "a test") as site:
            _compaction.compact(site)
    assert keeper.module("audit", full=True)["verdict"] == "clean"
    noted = {"compactions.json"} if done else set()
    assert state(keeper) == {"baseline.json", "lists", "repository.json", *noted}
    assert [isinstance(entry, CompactionEntry) for entry in keeper.entries("compaction")] == [True] * done
    if done:
        refused = keeper.module("rollback", transaction=kept, reason="too late")
        assert "use a snapshot" in refused["msg"], "what is freed does not come back"
    keeper.backup(7)
    assert keeper.restored(newest) == keeper.contents[newest]
    assert keeper.borg("check", "--verify-data").returncode == 0


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
    assert outcome.conclusion.code == "client_failed" and "lock" in outcome.conclusion.reason
    assert lock.exists()
    shutil.rmtree(lock.parent)


def give(keeper: Keeper) -> None:
    if IS_ROOT:
        for path in keeper.repository.rglob("*"):
            shutil.chown(path, keeper.repository.owner())


def only_moved_aside(repository: str, evidence: str) -> None:
    os.rename(repository, evidence)
    raise PowerCut


def roll_back_to(keeper: Keeper, snapshot: Path) -> None:
    with upkeep(keeper.config_dir, CLIENT, "a test", recover_first=False) as site:
        target = _rollback.target_snapshot(site, str(snapshot))
        _rollback.roll_back(site, target, _rollback.plan_rollback(site, target, "try"), "cut")


@pytest.mark.parametrize("step", ["carry_nonce", "swap_in", "run_borg", "save_baseline"])
def test_a_rollback_to_a_copy_can_be_done_again(
    keeper: Keeper, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, step: str
) -> None:
    snapshot = tmp_path / "snapshot"
    shutil.copytree(keeper.repository, snapshot)
    keeper.backup(5)
    nonce = keeper.nonce()
    with monkeypatch.context() as patch, pytest.raises(PowerCut):
        patch.setattr(_rollback, step, only_moved_aside if step == "swap_in" else no_power)
        roll_back_to(keeper, snapshot)
    if step == "swap_in":
        assert keeper.world.session("backup").conclusion.code == "repository_missing"
    else:
        assert keeper.nonce() >= nonce, "a backup that comes now begins with no older one"
    done = keeper.module("rollback", snapshot=str(snapshot), reason="again")
    assert not done["failed"], done
    assert keeper.nonce() >= nonce
    keeper.contents.popitem()
    assert keeper.known() == set(keeper.contents)
    keeper.forget(done["repository_id"])
    keeper.backup(6)
    assert keeper.module("audit", full=True)["verdict"] == "clean"
    for identifier, content in keeper.contents.items():
        assert keeper.restored(identifier) == content


def test_a_copy_takes_the_place_of_what_cannot_be_put_in_order(keeper: Keeper, tmp_path: Path) -> None:
    """A compaction was cut off, and Borg cannot even look at what it left."""
    snapshot = tmp_path / "snapshot"
    shutil.copytree(keeper.repository, snapshot)
    with upkeep(keeper.config_dir, CLIENT, "a test") as site:
        begin_compaction(site, last_baseline(site))
    (keeper.repository / "config").write_text((keeper.repository / "config").read_text().replace("version = 1", ""))
    assert keeper.world.session("backup").conclusion.code == "check_failed"
    refused = keeper.module("rollback", transaction=keeper.transaction(next(iter(keeper.contents))), reason="try")
    assert refused["code"] == "check_failed"
    done = keeper.module("rollback", snapshot=str(snapshot), reason="damaged")
    assert not done["failed"], done
    assert state(keeper) == {"baseline.json", "lists", "repository.json"}
    keeper.forget(done["repository_id"])
    keeper.backup(6)


def test_numbers_of_transactions_that_come_again(keeper: Keeper) -> None:
    """What arrived and was trimmed before a rollback does not come back with a later one of the same numbers."""
    first = next(iter(keeper.contents))
    kept = keeper.transaction(first)
    keeper.backup(5)
    assert came_to(keeper.maintain()) == OK
    done = keeper.module("rollback", transaction=kept, reason="one")
    assert done["restored"] == [first], done
    keeper.forget(done["repository_id"])
    last = keeper.backup(6)
    done = keeper.module("rollback", transaction=keeper.transaction(last), reason="two")
    assert (done["lost"], done["restored"]) == ([], [])
    assert keeper.known() == set(keeper.listed())


def test_nobody_works_between_an_alarm_and_its_freeze(keeper: Keeper, monkeypatch: pytest.MonkeyPatch) -> None:
    assert keeper.borg("delete", "-a", "*").returncode == 0
    recorded = _aftermath._append_all
    locked = []

    def look(*arguments: Any) -> Any:
        with pytest.raises(SessionError) as caught, client_lock(str(keeper.world.run_dir), CLIENT, "a compaction"):
            pass
        locked.append(caught.value.code)
        return recorded(*arguments)

    monkeypatch.setattr(_aftermath, "_append_all", look)
    assert keeper.world.session("backup").frozen
    assert locked == ["locked"]
