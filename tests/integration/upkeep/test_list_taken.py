# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client takes archives off its list and pads it, unseen by any audit: all else stays, and the list comes back."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import ListEntry
from keeper import Keeper
from list_thief import take_off_the_list
from session_world import CLIENT, OK, World, came_to

MANIFEST_ID = "00" * 32


@pytest.fixture
def keeper(world: World) -> Keeper:
    """A client with three archives that share a file; of four archives the oldest may go, and its hold is over."""
    made = Keeper(world)
    made.provision()
    made.world.write(hold_days=0, retention={"daily": 1, "minimum": 3})
    (made.world.own / "source/common").write_bytes(os.urandom(300_000))
    for number in range(3):
        made.backup(number)
    return made


def test_an_honest_maintenance_destroys_nothing_while_archives_are_off_the_list(keeper: Keeper, tmp_path: Path) -> None:
    """Borg counts references by the list: it would drop what the omitted archives share with the one that goes."""
    oldest, *omitted = keeper.contents
    common = (keeper.world.own / "source/common").read_bytes()
    assert keeper.borg("debug", "get-obj", "::", MANIFEST_ID, str(tmp_path / "list")).returncode == 0
    (keeper.world.own / "source/common").unlink()
    take_off_the_list(keeper, omitted)
    outcome = keeper.maintain()
    keeper.module("compact", limit_ratio=1)

    assert keeper.borg("debug", "put-obj", "::", MANIFEST_ID, str(tmp_path / "list")).returncode == 0
    shutil.rmtree(keeper.world.path / "attacker")  # Borg there remembers the newer list.
    for one in omitted:
        assert keeper.restored(one) == keeper.contents[one]
        assert keeper.restored(one, "common") == common
    assert outcome.conclusion.code == "archives_missing"
    assert outcome.maintain and outcome.maintain["deleted"] == []
    assert outcome.maintain["missing"] == sorted(omitted) and outcome.maintain["check"] == "ok"
    assert keeper.restored(oldest) == keeper.contents[oldest] and keeper.entries("trim") == []


def test_a_list_that_was_taken_comes_back(keeper: Keeper) -> None:
    early = dict(keeper.contents)
    kept, nonce = keeper.transaction(list(early)[-1]), keeper.nonce()
    late = take_off_the_list(keeper, list(early)[1:])
    assert keeper.maintain().conclusion.code == "archives_missing"
    why = {"transaction": kept, "reason": "its list omits archives", "by": "alice"}
    told = keeper.module("restore_list", **why, check=True)
    assert told["changed"] and (told["list"], told["lost"], told["transaction"]) == (kept, [late], None), told
    assert set(keeper.listed()).isdisjoint(list(early)[1:]) and keeper.entries("list") == []

    done = keeper.module("restore_list", **why)
    assert not done["failed"] and (done["list"], done["lost"]) == (kept, [late]), done
    entry = ListEntry(CLIENT, "its list omits archives", kept, (late,), done["transaction"], by="alice")
    assert keeper.entries("list") == [entry]
    assert not keeper.module("restore_list", **why)["changed"]

    keeper.contents = early
    assert keeper.known() == set(early) and keeper.nonce() > nonce
    keeper.forget(done["repository_id"])
    assert set(keeper.listed()) == set(early)
    assert_all_restore(keeper)
    keeper.backup(6)
    assert keeper.module("audit", full=True)["verdict"] == "clean"
    assert_all_restore(keeper)
    assert keeper.maintain().conclusion.code == "frozen"
    assert keeper.module("unfreeze", reason="the list is back", by="alice")["changed"]
    outcome = keeper.maintain()
    assert came_to(outcome) == OK, outcome.conclusion
    keeper.contents.pop(next(iter(early)))
    assert_all_restore(keeper)
    assert b"objects found!\nArchive consistency check complete" in keeper.borg("check", "--verify-data").stderr


def test_the_playbook_does_all_steps(keeper: Keeper) -> None:
    early = dict(keeper.contents)
    kept = keeper.transaction(list(early)[-1])
    late = take_off_the_list(keeper, list(early)[1:])
    named = keeper.play("restore_list", "--limit", CLIENT, backup_reason="its list omits archives")
    assert "which list by -e backup_list_transaction" in named.stdout
    why = {"backup_reason": "its list omits archives", "backup_list_transaction": kept, "backup_by": "alice"}
    done = keeper.play("restore_list", "--limit", CLIENT, **why)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(rf'"?list"?: {kept}\b', done.stdout) and late in done.stdout
    shutil.rmtree(keeper.world.path / "attacker")
    keeper.contents = early
    keeper.backup(6)
    assert_all_restore(keeper)


def test_a_list_that_was_chosen_by_mistake_goes_again(keeper: Keeper) -> None:
    first, _second, last = keeper.contents
    newest = keeper.transaction(last)
    done = keeper.module("restore_list", transaction=keeper.transaction(first), reason="too early", by="alice")
    assert len(done["lost"]) == 2 and keeper.known() == {first}
    done = keeper.module("restore_list", transaction=newest, reason="all of them", by="alice")
    assert (done["lost"], len(done["restored"])) == ([], 2), done
    shutil.rmtree(keeper.world.path / "attacker", ignore_errors=True)
    assert keeper.known() == set(keeper.listed()) == set(keeper.contents)


def test_a_list_that_leads_to_what_is_gone_is_refused(keeper: Keeper) -> None:
    first, second, last = keeper.contents
    of = {"reason": "try", "by": "alice"}
    early = keeper.module("restore_list", transaction=0, **of)
    assert early["failed"] and early["code"] == "refused" and "is kept of transaction 0 or before it" in early["msg"]
    keeper.backup(3)
    assert came_to(keeper.maintain()) == OK and keeper.known().isdisjoint([first])
    gone = keeper.module("restore_list", transaction=keeper.transaction(last), **of)
    assert gone["code"] == "refused" and "has archives that the maintenance of" in gone["msg"], gone
    newest = keeper.backup(4)
    keeper.borg("debug", "delete-obj", "::", second)
    assert keeper.module("audit")["verdict"] == "alarm"
    absent = keeper.module("restore_list", transaction=keeper.transaction(newest), **of)
    assert absent["code"] == "alarm" and f"not in the repository: {second[:12]}" in absent["msg"], absent
    assert keeper.entries("list") == []


def assert_all_restore(keeper: Keeper) -> None:
    for identifier, content in keeper.contents.items():
        assert keeper.restored(identifier) == content
