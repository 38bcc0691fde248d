# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server that was made again from its dataset: restores at once, everything else after a full audit."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.chain import ChainHead, parse_head
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.ledger import NAME, Ledger
from ansible_collections.paranoid.backup.plugins.module_utils._upkeep import rebuild as _rebuild
from ansible_collections.paranoid.backup.plugins.module_utils._upkeep.rebuild import Places, plan_rebuild, rebuild
from keeper import Keeper
from session_world import CLIENT, OK, World, came_to


def lose(world: World) -> ChainHead:
    """Leave nothing of the server but its dataset; return the head of the ledger that the last mail had."""
    outcome = world.session("info")
    assert outcome.ledger is not None and outcome.ledger["spare"] == ""
    for name in ("state", "etc/clients", "run", "log"):
        shutil.rmtree(world.path / name)
    return parse_head(outcome.ledger["head"])


def make_again(keeper: Keeper, known: ChainHead) -> str:
    """Do what rebuild_server.yml does before it audits; return what is told of the client."""
    world = keeper.world
    places = Places(str(world.path / "srv"), str(world.path / "state"), str(world.path / "etc"))
    mark = rebuild(plan_rebuild(places, known, anew=False)).marks[CLIENT]
    assert mark.problem == ""
    world.write()  # as site.yml does
    keeper.write_rules()
    return "; ".join(mark.told)


@pytest.mark.parametrize("with_copy", [True, False], ids=["copy", "anew"])
def test_a_client_can_restore_until_a_full_audit_and_then_everything(
    keeper: Keeper, with_copy: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_rebuild, "_account", lambda _client: None)  # The owner of this world's repository is there.
    world = keeper.world
    known = lose(world)
    copy = world.path / "srv/.server" / NAME
    if not with_copy:
        copy.unlink()
    told = make_again(keeper, known)
    assert ("the ledger is its copy" in told, f"the last known head was {known}" in told) == (with_copy, not with_copy)

    for verb in ("backup", "maintain"):
        assert came_to(world.session(verb))[:2] == ("failed", "rebuilding")
    assert came_to(world.session("create")) == OK and came_to(world.session("info")) == OK
    with Ledger.read(str(world.path / "state" / NAME)) as ledger:
        assert ledger.verify(known).ok is with_copy

    done = keeper.module("audit", full=True)
    assert (done["verdict"], "; ".join(done["rebuilt"])) == ("clean", told)
    assert keeper.module("audit", full=True)["rebuilt"] == []
    assert came_to(world.session("backup")) == OK
    assert came_to(world.session("maintain")) == OK
    with Ledger.read(str(world.path / "state" / NAME)) as ledger, Ledger.read(str(copy)) as saved:
        assert ledger.verify().ok and saved.verify().ok and ledger.head() == saved.head()


def test_no_compaction_before_the_full_audit(keeper: Keeper, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_rebuild, "_account", lambda _client: None)
    make_again(keeper, lose(keeper.world))
    assert keeper.module("compact")["code"] == "rebuilding"


def test_without_its_repository_no_empty_one_is_made(keeper: Keeper, tmp_path: Path) -> None:
    known = lose(keeper.world)
    keeper.repository.rename(tmp_path / "elsewhere")
    places = [str(keeper.world.path / name) for name in ("srv", "state", "etc")]
    rebuild(plan_rebuild(Places(*places), known, anew=False))
    keeper.world.write()
    keeper.repository.mkdir(mode=0o700)
    shutil.chown(keeper.repository, keeper.world.client["repository_user"])
    code, reason = came_to(keeper.world.session("create"))[1:]
    assert code == "rebuilding" and "is not on the dataset, but web1 had one there" in reason
    assert list(keeper.repository.iterdir()) == []


def test_provisioning_alone_makes_nothing_of_a_repository_that_is_there(keeper: Keeper) -> None:
    """Somebody runs site.yml on the empty machine, and not rebuild_server.yml."""
    lose(keeper.world)
    (keeper.world.path / "etc/clients").mkdir()
    keeper.world.write()
    keeper.write_rules()
    before = sorted(path.name for path in keeper.repository.rglob("*"))
    code, reason = came_to(keeper.world.session("create"))[1:]
    assert code == "rebuilding" and "rebuild_server.yml" in reason
    assert sorted(path.name for path in keeper.repository.rglob("*")) == before
