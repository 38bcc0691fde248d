# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The transport ssh: an sshd of its own for each connection out of a session's tunnel, and who is in its way."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._session import sshd
from session_world import CLIENT, IS_ROOT, OK, World, assert_next_session_works, came_to, failed, make_key
from tool import ROOT
from waiting import wait_until

ROLE = ROOT / "roles/backup_server/templates"
USER = "root"  # each other account that every Debian has comes without a shell, and so without a forced command

pytestmark = pytest.mark.skipif(not IS_ROOT, reason="NOT TESTED: only root's sshd admits somebody by key alone")


def render(name: str, **values: str) -> str:
    text = (ROLE / name).read_text().replace("{{ ansible_managed | comment }}", "#")
    for key, value in values.items():
        text = text.replace("{{ " + key + " }}", value)
    assert "{{" not in text
    return text


@pytest.fixture
def ported(world: World) -> World:
    """A client with the transport ssh: its key, the server's sshd configuration and door, as the role writes them."""
    etc, lib = world.path / "etc", world.path / "lib"
    for place in (etc / "ssh", etc / "authorized_keys", lib):
        place.mkdir()
    make_key(etc / "ssh/sshd_ed25519")
    (lib / "door").write_text(render("door.j2", __backup_server_run_dir=str(world.run_dir)))
    (lib / "door").chmod(0o755)
    config = render("sshd_config.j2", __backup_server_config_dir=str(etc), __backup_server_lib_dir=str(lib))
    (etc / "sshd_config").write_text("StrictModes no\nPermitRootLogin yes\n" + config)  # below /tmp, and as root
    public = make_key(world.own / "key")
    (etc / "authorized_keys" / USER).write_text(f'restrict,command="{lib}/door" {public}\n')
    for path in (world.repository, *world.repository.rglob("*")):
        shutil.chown(path, USER, USER)
    world.write(transport="ssh", repository_user=USER, listen_port=free_port())
    world.sshd.stop()
    world.sshd.start(f"PermitListen 127.0.0.1:{world.client['listen_port']}")
    relay = world.own / "relay"
    words = ssh(world, f"-p {world.client['listen_port']}")
    relay.write_text(f"#!/bin/sh\nexec {' '.join(words)}\n")
    relay.chmod(0o755)
    return world


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def ssh(world: World, way: str, key: str = "key", user: str = USER) -> list[str]:
    """The client's ssh, with the server's host key pinned."""
    known = world.own / "known"
    known.write_text(f"server {(world.path / 'etc/ssh/sshd_ed25519.pub').read_text()}")
    options = f"-o HostKeyAlias=server -o UserKnownHostsFile={known} -o StrictHostKeyChecking=yes -o BatchMode=yes"
    more = "-o IdentitiesOnly=yes -o IdentityAgent=none -o ConnectTimeout=30"
    return f"ssh -F none -T {way} -l {user} -i {world.own / key} {options} {more} 127.0.0.1".split()


@contextmanager
def open_session(world: World) -> Iterator[int]:
    """Hold a session whose client does nothing; the port at the client's end of its tunnel."""
    world.dispatch("hang_after_hello")
    world.write(idle_timeout=25)
    running = threading.Thread(target=world.session)
    running.start()
    port = world.client["listen_port"]
    try:
        assert wait_until(lambda: _answers(port))
        yield port
    finally:
        world.kill_clients()
        running.join(120)


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def knock(world: World, key: str = "key", user: str = USER, *wanted: str) -> subprocess.CompletedProcess[bytes]:
    """Come to the door with half a message of Borg's protocol."""
    argv = [*ssh(world, f"-p {world.client['listen_port']}", key, user), *wanted]
    return subprocess.run(argv, input=b"\xc1", capture_output=True, timeout=300, check=False)


def test_a_backup_and_what_is_left_of_it(ported: World) -> None:
    assert came_to(ported.session("backup")) == OK
    assert came_to(ported.session("info")) == OK
    assert ported.leftovers() == []
    assert not _answers(ported.client["listen_port"])


def test_wrong_keys_lock_nobody_out(ported: World) -> None:
    """PerSourcePenalties of OpenSSH from 9.8 on count for an address, and all clients had one."""
    make_key(ported.own / "stranger")
    with open_session(ported):
        for _ in range(8):
            assert b"Too many authentication failures" in knock(ported, "stranger").stderr
        assert knock(ported).returncode == 0


def test_silent_connections_delay_their_own_client_and_nobody_else(ported: World) -> None:
    """They filled MaxStartups of the sshd of all clients."""
    with open_session(ported) as port, ExitStack() as silent:
        for _ in range(40):
            silent.enter_context(socket.create_connection(("127.0.0.1", port)))
        assert wait_until(lambda: len(sshds(os.getpid())) == sshd._AT_ONCE)
        assert knock(ported).returncode == 0, "once they have had their time to log in"
        assert len(sshds(os.getpid())) <= sshd._AT_ONCE


def sshds(engine: int) -> list[str]:
    """Return the process ids of the sshds that an engine has started; their command lines are titles of their own."""
    lists = [path.read_text().split() for path in Path(f"/proc/{engine}/task").glob("*/children")]
    return [one for children in lists for one in children if _is_sshd(Path("/proc") / one)]


def _is_sshd(process: Path) -> bool:
    try:
        name, line = (process / "comm").read_text(), (process / "cmdline").read_text()
    except OSError:
        return False
    return name.startswith("sshd") and "listener" not in line


def test_connections_to_the_sshd_of_a_session_are_bounded(ported: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sshd, "_AT_ALL", 5)
    with open_session(ported) as port:
        for _ in range(40):
            socket.create_connection(("127.0.0.1", port)).close()
        assert knock(ported).returncode == 255
    (log,) = (ported.path / "log" / CLIENT).glob("*-backup-*.log")
    told = [line for line in log.read_text().splitlines() if "connections of one session" in line]
    assert told == ["sshd: no more than 5 connections of one session"]


@pytest.mark.parametrize("user", ["daemon", "www-data", "nobody"])
def test_the_key_opens_no_other_account(ported: World, user: str) -> None:
    shutil.copy(ported.path / "etc/authorized_keys" / USER, ported.path / "etc/authorized_keys" / user)
    with open_session(ported):
        done = knock(ported, "key", user)
    assert done.returncode == 255 and done.stdout == b"", done.stderr


@pytest.mark.parametrize("forward", ["-L 5001:127.0.0.1:22", "-R 5002:127.0.0.1:22", "-W 127.0.0.1:22"])
def test_the_key_starts_the_door_alone_and_forwards_nothing(ported: World, forward: str) -> None:
    with open_session(ported) as port:
        assert knock(ported, "key", USER, "id").stdout == b"", "the door, whatever was asked for"
        argv = ssh(ported, f"-p {port} -o ExitOnForwardFailure=yes {forward}")
        done = subprocess.run(argv, input=b"\xc1", capture_output=True, timeout=300, check=False)
        assert b"SSH-2.0" not in done.stdout
        assert forward.startswith("-L") or done.returncode == 255, done.stderr


def test_a_server_without_it_says_so(ported: World) -> None:
    ported.write(sshd_config="")
    assert failed(ported) == ("not_provisioned", f"the server has no sshd for {CLIENT}: run site.yml without --limit")
    ported.write(transport="socket")
    assert_next_session_works(ported)


def test_it_ends_with_the_engine(ported: World) -> None:
    ported.dispatch("hang_after_hello")
    session = ported.start_session()
    port = ported.client["listen_port"]
    assert wait_until(lambda: _answers(port))
    with socket.create_connection(("127.0.0.1", port)):
        assert wait_until(lambda: bool(sshds(session.pid)))
        pids = sshds(session.pid)
        session.kill()
        ported.result(session)
        assert wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))
    for name in ("doors", f"sessions/{USER}"):
        for path in (ported.run_dir / name).iterdir():
            os.unlink(path)
    (ported.run_dir / f"sessions/{USER}").rmdir()
