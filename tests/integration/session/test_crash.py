# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine itself is killed: the kernel ends its children and frees its locks, and the next session works."""

from __future__ import annotations

import pytest
from session_world import OK, World, assert_next_session_works, came_to
from waiting import wait_until


def test_killed_while_the_client_works(world: World) -> None:
    world.dispatch("hang_in_transfer")
    session = world.start_session()
    assert wait_until(lambda: len(world.server_processes()) == 2, 10), "ssh and a gate"
    session.kill()
    session.communicate()
    assert wait_until(lambda: not world.server_processes(), 2), world.server_processes()
    assert_next_session_works(world)


def test_killed_in_the_middle_of_a_transfer(world: World) -> None:
    world.grow(200)
    session = world.start_session()
    data = world.repository / "data"
    assert wait_until(lambda: any(path.stat().st_size > 10 * 1024**2 for path in data.rglob("[0-9]*")), 20)
    session.kill()
    session.communicate()
    assert wait_until(lambda: not world.server_processes(), 2), world.server_processes()
    assert wait_until(lambda: not world.client_processes(), 8), world.client_processes()
    (world.own / "source/big").unlink()
    assert came_to(world.session("backup")) == OK


@pytest.mark.parametrize("name", ["gate.sock", "ssh.log"])
def test_what_a_killed_session_left_is_no_obstacle(world: World, name: str) -> None:
    left = world.run_dir / "sessions" / world.client["repository_user"]
    left.mkdir(parents=True)
    (left / name).write_text("left behind")
    assert came_to(world.session("backup")) == OK
