# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A hostile server shows older states to client and keyholder in turn: no nonce encrypts two things all the same."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from keeper import Keeper
from keyholder import NAME, Keyholder
from session_world import OK, Sshd, came_to, run
from used_nonces import Encrypted, encrypted, overlaps


class HostileServer:
    """Goes back to any state that it has had, ledger and baseline with it."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper
        self._path = keeper.world.path
        self.seen: set[Encrypted] = set()

    def note(self) -> None:
        """Read what the repository holds now."""
        self.seen |= encrypted(self._keeper.repository)

    def keep(self, name: str) -> None:
        """Keep the present state under a name."""
        self.note()
        run("mkdir", self._path / name)
        run("cp", "-a", self._path / "srv", self._path / "state", self._path / name)

    def show(self, name: str) -> None:
        """Have the state of that name again."""
        self.note()
        run("rm", "-rf", self._path / "srv", self._path / "state")
        run("cp", "-a", self._path / name / "srv", self._path / name / "state", self._path)


@pytest.fixture
def server(keeper: Keeper) -> HostileServer:
    return HostileServer(keeper)


@pytest.fixture
def keyholder(keeper: Keeper) -> Iterator[Keyholder]:
    home = keeper.world.path / NAME
    home.mkdir()
    host = Keyholder(keeper, Sshd(home))
    host.provision()
    host.give()
    yield host
    host.sshd.stop()


def maintain(keeper: Keeper) -> None:
    outcome = keeper.maintain()
    assert came_to(outcome) == OK and outcome.changed, (outcome.conclusion, outcome.log_tail)


def compact(keeper: Keeper) -> None:
    keeper.world.write(hold_days=0)
    done = keeper.module("compact", limit_ratio=1.0)
    assert not done["failed"], done


def test_older_states_in_turn_repeat_no_nonce(keeper: Keeper, keyholder: Keyholder, server: HostileServer) -> None:
    maintain(keeper)
    compact(keeper)
    keeper.backup(4)
    server.keep("older")
    keeper.backup(5)
    server.keep("of the client")
    server.show("older")
    maintain(keeper)
    server.keep("of the keyholder")
    server.show("of the client")
    keeper.backup(6)
    server.note()
    assert overlaps(server.seen) == []


def test_a_free_nonce_that_the_server_invents_leads_nobody_back(
    keeper: Keeper, keyholder: Keyholder, server: HostileServer
) -> None:
    """Borg begins where the server says, if that is further than it has been itself."""
    before = encrypted(keeper.repository)
    server.keep("before the keyholder")
    maintain(keeper)
    server.note()
    used = min(one.start for one in server.seen - before)
    server.show("before the keyholder")
    (keeper.repository / "nonce").write_text(f"{used:016x}")
    keeper.give_back()
    keeper.world.session("backup")
    server.note()
    assert len(server.seen - before) > 2
    assert overlaps(server.seen) == []


def test_a_client_installed_anew_repeats_none_of_its_predecessor(keeper: Keeper, server: HostileServer) -> None:
    """It has its passphrase from escrow, and remembers no nonce."""
    keeper.backup(4)
    server.keep("older")
    keeper.backup(5)
    server.note()
    for installation in (6, 7):
        server.show("older")
        for kept in (".config", ".cache"):
            shutil.rmtree(keeper.world.own / "borg" / kept)
        keeper.backup(installation)
        server.note()
    assert overlaps(server.seen) == []
