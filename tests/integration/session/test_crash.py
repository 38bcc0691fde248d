# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine itself is killed: the kernel ends its children and frees its locks, and the next session works."""

from __future__ import annotations

import functools
import os
import signal
from collections.abc import Callable

import pytest
from memory_limit import memory_limit
from session_world import OK, World, assert_next_session_works, came_to, processes
from waiting import wait_until


def test_killed_while_the_client_works(world: World) -> None:
    world.dispatch("hang_in_transfer")
    session = world.start_session()
    assert wait_until(lambda: len(world.server_processes()) == 2, 60), "ssh and a gate"
    session.kill()
    session.communicate()
    assert wait_until(lambda: not world.server_processes(), 15), world.server_processes()
    assert_next_session_works(world)


def test_killed_in_the_middle_of_a_transfer(world: World) -> None:
    world.grow(200)
    session = world.start_session()
    data = world.repository / "data"
    assert wait_until(lambda: any(path.stat().st_size > 10 * 1024**2 for path in data.rglob("[0-9]*")), 60)
    session.kill()
    session.communicate()
    assert wait_until(lambda: not world.server_processes(), 15), world.server_processes()
    assert wait_until(lambda: not world.client_processes(), 30), world.client_processes()
    (world.own / "source/big").unlink()
    assert came_to(world.session("backup")) == OK


VICTIMS = {
    "gate": (" gate --policy", "server_error", "the gate ended without its report"),
    "ssh": ("HostKeyAlias=", "server_error", "the server's own ssh to web1 was killed by signal 9"),
    "Borg": (" create ", "client_failed", "borg ended with -9"),
    "dispatcher": ("/honest.py", "connection_lost", "or its dispatcher was killed"),
}


def test_one_process_of_a_session_is_killed_in_the_middle_of_a_transfer(world: World) -> None:
    """As by kill -9. Each is told, nothing is left, and the next goes on."""
    world.grow(200)
    for victim in VICTIMS:
        expect_told(world, victim, kill_all)
    (world.own / "source/big").unlink()
    assert came_to(world.session("backup")) == OK


@pytest.mark.skipif(os.geteuid() != 0, reason="NOT TESTED: only root limits the memory of processes")
def test_the_kernel_kills_one_for_want_of_memory(world: World) -> None:
    """By a real limit: the server's half of a transfer, then the client's."""
    world.grow(200)
    with memory_limit(4096) as limit:
        for number, victim in enumerate(("gate", "Borg")):
            expect_told(world, victim, lambda pids: limit.take(*pids))
            assert limit.kills > number, victim
    (world.own / "source/big").unlink()
    assert came_to(world.session("backup")) == OK


def kill_all(pids: list[int]) -> None:
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


def expect_told(world: World, victim: str, kill: Callable[[list[int]], object]) -> None:
    """Kill one of a session's processes in the middle of its transfer: the session says which, and leaves nothing."""
    mark, code, reason = VICTIMS[victim]
    enough = brought(world) + 5 * 1024**2
    session = world.start_session()
    assert wait_until(functools.partial(has_brought, world, enough), 60), victim
    pids = find_processes(world, mark)
    assert pids, victim
    kill(pids)
    record = world.result(session)
    assert (record["status"], record["code"], record["archive"]) == ("failed", code, None), record["reason"]
    assert reason in record["reason"]
    assert world.leftovers() == [], victim
    assert wait_until(lambda: not world.client_processes(), 30), world.client_processes()


@pytest.mark.parametrize("name", ["gate.sock", "ssh.log"])
def test_what_a_killed_session_left_is_no_obstacle(world: World, name: str) -> None:
    left = world.run_dir / "sessions" / world.client["repository_user"]
    left.mkdir(parents=True)
    (left / name).write_text("left behind")
    assert came_to(world.session("backup")) == OK


def brought(world: World) -> int:
    """Return the bytes of the repository's segments."""
    return sum(path.stat().st_size for path in (world.repository / "data").rglob("[0-9]*") if path.is_file())


def has_brought(world: World, size: int) -> bool:
    return brought(world) > size


def find_processes(world: World, mark: str) -> list[int]:
    """Return the processes of this world whose command line has a mark."""
    places = (str(world.run_dir), str(world.path / "srv"), str(world.own))
    return [pid for pid, line in processes() if mark in line and any(place in line for place in places)]
