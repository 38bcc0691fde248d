# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole sessions with a client that thinks: it answers as an honest one, and takes or invents archives meanwhile.

After each attack the compaction is tried that it hoped for, and every archive that was to stay is restored.
"""

from __future__ import annotations

import os

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import TrimEntry
from keeper import Keeper
from session_world import CLIENT, OK, World, came_to
from thinking_client import HONEST_TRIM, deletions, manifest, objects, think


@pytest.fixture
def keeper(world: World) -> Keeper:
    """A client with three archives that share a file, of which the rules let two go; the hold is over at once."""
    made = Keeper(world)
    made.provision()
    made.world.write(hold_days=0, retention={"daily": 1, "minimum": 2})
    (made.world.own / "source/common").write_bytes(os.urandom(300_000))
    for number in range(3):
        made.backup(number)
    return made


def assert_the_others_stay(keeper: Keeper, *gone: str) -> None:
    """Compact as far as the server lets, then restore every archive but those that are gone, byte for byte."""
    keeper.module("compact", limit_ratio=1)
    for one, content in keeper.contents.items():
        if one not in gone:
            assert keeper.restored(one) == content
            assert keeper.restored(one, "common") == (keeper.world.own / "source/common").read_bytes()


@pytest.mark.parametrize("what", ["metadata", "chunks"])
def test_a_trim_of_one_archive_cannot_take_the_others(keeper: Keeper, what: str) -> None:
    """The metadata of all archives, or their chunks: a few small objects, far below any budget of number and bytes."""
    oldest = next(iter(keeper.contents))
    ids = [one for archive in objects(keeper).values() for one in getattr(archive, what)]
    think(keeper, "maintain", deletions(ids), HONEST_TRIM)
    outcome = keeper.maintain()
    assert (outcome.conclusion.code, outcome.conclusion.status) == ("client_failed", "failed")
    assert any("that stays" in line for line in outcome.gate.refused), outcome.gate.refused
    keeper.serve()
    assert_the_others_stay(keeper, oldest)


def test_the_audit_finds_what_a_gate_let_pass(keeper: Keeper, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same with a gate that does not know what to keep: the second line of defence."""
    monkeypatch.setattr("ansible_collections.paranoid.backup.plugins.module_utils._audit.kept.Kept.to_json", _nothing)
    oldest, _older, newest = keeper.contents
    found = objects(keeper)
    own = [one for one in found[newest].chunks if one not in found[oldest].chunks]
    think(keeper, "maintain", deletions(own[:1]), HONEST_TRIM)
    outcome = keeper.maintain()
    assert outcome.conclusion.code == "alarm" and "came with archives that stay" in outcome.conclusion.reason
    assert keeper.module("compact", limit_ratio=1)["code"] == "frozen"
    keeper.serve()
    done = keeper.module("rollback", transaction=keeper.transaction(newest), reason="taken")
    assert not done["failed"], done
    keeper.forget(done["repository_id"])
    assert_the_others_stay(keeper)
    assert oldest in keeper.known()


def _nothing(_kept: object) -> bytes:
    return b""


def test_after_a_compaction_what_came_with_an_archive_is_still_kept(keeper: Keeper) -> None:
    """A compaction moves objects into segments of its own: the note of it says with which session they came."""
    assert came_to(keeper.maintain()) == OK
    assert keeper.module("compact", limit_ratio=1)["changed"]
    gone = set(keeper.contents) - keeper.known()
    keeper.contents = {one: content for one, content in keeper.contents.items() if one not in gone}
    keeper.backup(7)
    keeper.backup(8)
    found = objects(keeper)
    staying = [one for one in keeper.contents if one in keeper.known()][-1]
    for ids in (found[staying].metadata, found[staying].chunks):
        think(keeper, "maintain", deletions(ids), HONEST_TRIM)
        outcome = keeper.maintain()
        assert any("that stays" in line for line in outcome.gate.refused), (outcome.conclusion, outcome.gate)
    keeper.serve()
    assert_the_others_stay(keeper)
    assert came_to(keeper.maintain()) == OK


def test_an_archive_that_is_invented_is_not_believed(keeper: Keeper) -> None:
    archive = {
        "name": "web1-invented", "start": "2026-11-21T06:30:00", "end": "2026-11-21T06:30:01", "duration": 1.0,
        "original_size": 50 * 10**9, "compressed_size": 1, "deduplicated_size": 1, "nfiles": 1,
    }  # fmt: skip
    invented = [os.urandom(32).hex(), os.urandom(32).hex(), "00" * 32, next(iter(keeper.contents))]
    for one in invented:
        calls = [("put", {"id": "00" * 32, "data": manifest(keeper)})]
        think(keeper, "backup", calls, {"archive": {**archive, "id": one}, "remarks": {}})
        outcome = keeper.world.session("backup")
        assert outcome.conclusion.code == "no_archive", one
        assert outcome.archive is None
    (keeper.world.path / f"state/{CLIENT}/baseline.json").unlink()  # as one is told to do when it cannot be read
    assert keeper.world.session("backup").conclusion.code == "no_archive"
    keeper.serve()
    assert keeper.known() == set(keeper.contents)
    assert_the_others_stay(keeper)


def test_what_a_maintenance_misses_freezes_until_a_person_gives_it_up(keeper: Keeper) -> None:
    """The client says that an archive is missing: nothing becomes final by a compaction meanwhile."""
    oldest, older, newest = keeper.contents
    keeper.world.write(retention={"daily": -1, "minimum": 3})
    answer = {"maintain": {**HONEST_TRIM["maintain"], "missing": [newest]}}
    think(keeper, "maintain", deletions([]), answer)
    assert keeper.maintain().conclusion.code == "archives_missing"
    assert keeper.module("compact", limit_ratio=1)["code"] == "frozen"
    assert came_to(keeper.maintain())[1] == "frozen"
    wrong = keeper.module("unfreeze", reason="looked", by="a test", lost=["ff" * 32])
    assert wrong["failed"] and wrong["code"] == "refused" and "the ledger knows no archive" in wrong["msg"]
    keeper.serve()
    assert keeper.module("unfreeze", reason="looked", by="a test", lost=[newest])["changed"]
    assert keeper.known() == {oldest, older}
    assert [entry for entry in keeper.entries("trim") if isinstance(entry, TrimEntry) and entry.deleted] == []
