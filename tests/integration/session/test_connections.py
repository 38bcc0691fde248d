# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections to a client's repository before, beside, inside and after its session."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._session import directory, engine
from ansible_collections.paranoid.backup.plugins.module_utils._session import gates as _gates
from ansible_collections.paranoid.backup.plugins.module_utils._session.directory import read_ssh_log
from hostile import MANIFEST_ID, Closed, Hostile
from session_world import CLIENT, IS_ROOT, OK, REPOSITORY_USER, World, assert_next_session_works, came_to
from tool import ROOT
from waiting import wait_until

DOOR = ROOT / "roles/backup_server/templates/door.j2"


@contextmanager
def open_session(world: World) -> Iterator[Path]:
    """Hold a session whose client does nothing, and give its session socket."""
    world.dispatch("hang_after_hello")
    place = (
        f"doors/{REPOSITORY_USER}.sock"
        if world.client["transport"] == "ssh"
        else f"sessions/{REPOSITORY_USER}/gate.sock"
    )
    running = threading.Thread(target=world.session)
    running.start()
    path = world.run_dir / place
    try:
        assert wait_until(path.exists)
        yield path
    finally:
        world.kill_clients()
        running.join(120)


@contextmanager
def connection(path: Path, timeout: float = 60) -> Iterator[Hostile]:
    """Connect as what comes out of the tunnel does."""
    with socket.socket(socket.AF_UNIX) as tunnel:
        tunnel.connect(str(path))
        yield Hostile(tunnel.fileno(), tunnel.fileno(), timeout)


def test_a_second_connection_waits_until_the_first_is_over(world: World) -> None:
    with open_session(world) as path, connection(path) as first:
        first.hello()
        with connection(path, 1) as second:
            with pytest.raises(TimeoutError):
                second.negotiate()
            assert list(first.call("list", limit=10)) == [MANIFEST_ID]
            first.send(b"\xc1")
            second.wait(60)
            assert second.receive(), "its gate begins when the first one's is gone"
            assert second.open()


def test_connections_of_one_session_are_bounded(world: World) -> None:
    with open_session(world) as path, ExitStack() as opened:
        opened.enter_context(connection(path)).hello()
        for _ in range(63):
            opened.enter_context(connection(path))
        with connection(path) as one_more, pytest.raises(Closed):
            one_more.negotiate()
        assert len([line for line in world.server_processes() if " gate --policy " in line]) == 1
        for _ in range(300):
            with suppress(ConnectionRefusedError), connection(path):
                pass
    (log,) = (world.path / "log" / CLIENT).glob("*-backup-*.log")
    refused = [line for line in log.read_text().splitlines() if line.startswith("gate refused")]
    assert refused == ["gate refused connection 65 of one session"], "one line, however many follow"


def test_ssh_cannot_be_made_to_fill_the_memory_with_its_log(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []

    def read(path: str) -> str:
        sizes.append(os.stat(path).st_size)
        return read_ssh_log(path)

    monkeypatch.setattr(engine, "read_ssh_log", read)
    for module in (engine, directory):
        monkeypatch.setattr(module, "SSH_LOG_LIMIT", 64 * 1024)
    world.dispatch("connects_without_end")
    outcome = world.session("backup")
    assert sizes == [64 * 1024]
    assert came_to(outcome) == ("failed", "bad_result", "web1 gave no usable result: it made ssh log more than 64 KiB")
    assert_next_session_works(world)


def test_a_gate_that_leaves_somebody_behind_holds_nobody_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever took over a gate may leave a process in another group, with the gate's report open."""
    python, pids = world.path / "python", world.path / "left"
    python.write_text(
        f'#!/bin/sh\nsetsid sleep 300 </dev/null >/dev/null & echo $! >>{pids}\nexec {world.server["python"]} "$@"\n'
    )
    python.chmod(0o755)
    pids.touch()
    pids.chmod(0o666)
    world.write(python=str(python))
    monkeypatch.setattr(_gates, "_LAST_WAIT", 1.0)
    try:
        assert came_to(world.session("backup")) == OK
    finally:
        for pid in pids.read_text().split():
            os.kill(int(pid), signal.SIGKILL)


def test_after_the_session_its_connection_is_cut_and_its_socket_gone(world: World) -> None:
    with open_session(world) as path, connection(path) as left:
        left.hello()
        left.call("put", id=b"n" * 32, data=b"never committed")
        world.kill_clients()
        with pytest.raises(Closed):
            left.receive()
        assert wait_until(lambda: not path.exists())
        with pytest.raises(FileNotFoundError), connection(path):
            pass
    with open_session(world) as path, connection(path) as following:
        following.hello()
        following.call("put", id=b"m" * 32, data=b"committed")
        following.call("commit", compact=False)
        assert list(following.call("list", limit=10)) == [MANIFEST_ID, b"m" * 32]


def door(world: World) -> subprocess.CompletedProcess[bytes]:
    """Start the door as the forced command of a client's key does, with half a message."""
    text = DOOR.read_text().replace("{{ ansible_managed | comment }}", "#")
    script = world.path / "door"
    script.write_text(text.replace("{{ __backup_server_run_dir }}", str(world.run_dir)))
    script.chmod(0o755)
    user: Any = {"user": REPOSITORY_USER, "group": REPOSITORY_USER, "extra_groups": ()} if IS_ROOT else {}
    done: subprocess.CompletedProcess[bytes] = subprocess.run(
        [script], input=b"\xc1", capture_output=True, timeout=60, check=False, **user
    )
    return done


def test_the_door_leads_nowhere_without_a_session(world: World) -> None:
    world.write(transport="ssh")
    closed = (1, b"", b"no session of this client is open\n")
    before = door(world)
    assert (before.returncode, before.stdout, before.stderr) == closed
    with open_session(world):
        assert door(world).returncode == 0
    after = door(world)
    assert (after.returncode, after.stdout, after.stderr) == closed
    assert not list((world.repository).glob("lock.*"))


def test_a_door_whose_session_was_killed_leads_nowhere(world: World) -> None:
    world.write(transport="ssh")
    doors = world.run_dir / "doors"
    doors.mkdir(parents=True)
    doors.chmod(0o711)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(doors / f"{REPOSITORY_USER}.sock"))
    left = door(world)
    assert left.returncode == 1
    assert b"refused" in left.stderr or b"denied" in left.stderr
    (doors / f"{REPOSITORY_USER}.sock").unlink()
