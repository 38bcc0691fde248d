# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ways in which ssh itself fails, with a real sshd."""

from __future__ import annotations

import gc
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._session import engine
from ansible_collections.paranoid.backup.plugins.module_utils._session.protocol import request_line
from session_world import IS_ROOT, OK, World, assert_next_session_works, came_to, failed, make_key
from waiting import wait_until


def test_unknown_host(world: World) -> None:
    world.write(host="no-such-host.invalid")
    code, reason = failed(world)
    assert code == "unknown_host"
    assert "no-such-host.invalid cannot be resolved" in reason


def test_refused_connection(world: World) -> None:
    world.sshd.stop()
    code, reason = failed(world)
    assert code == "unreachable"
    assert reason.startswith(f"127.0.0.1 port {world.sshd.port} cannot be reached (")
    world.sshd.start()
    assert_next_session_works(world)


def test_changed_host_key(world: World) -> None:
    make_key(world.path / "another_key")
    world.pin(world.path / "another_key.pub")
    code, reason = failed(world)
    assert code == "host_key_changed"
    assert "not the pinned one" in reason
    world.pin(world.sshd.home / "host_key.pub")
    assert_next_session_works(world)


def test_host_key_that_was_never_pinned(world: World) -> None:
    (world.path / "known_hosts").unlink()
    assert failed(world)[0] == "host_key_changed"
    assert not (world.path / "known_hosts").exists()


def test_refused_key(world: World) -> None:
    make_key(world.path / "another_key")
    world.dispatch("honest", key=world.path / "another_key")
    code, reason = failed(world)
    assert code == "key_refused"
    assert "refused the server's key (" in reason and "): run site.yml for it" in reason
    assert_next_session_works(world)


def test_identity_file_is_missing(world: World) -> None:
    world.write(identity_file=str(world.path / "nowhere"))
    assert failed(world)[0] == "key_refused"


@pytest.mark.parametrize("setting", ["AllowStreamLocalForwarding no", "DisableForwarding yes"])
def test_sshd_without_forwarding(world: World, setting: str) -> None:
    world.sshd.stop()
    world.sshd.start(setting)
    code, reason = failed(world)
    assert code == "tunnel_refused"
    assert "refused the reverse tunnel" in reason


def test_key_without_forwarding(world: World) -> None:
    world.dispatch("honest", options="restrict")
    code, reason = failed(world)
    assert code == "tunnel_refused"
    assert "refused the reverse tunnel" in reason


def test_directory_of_the_tunnel_is_missing_on_the_client(world: World) -> None:
    world.write(remote_dir=str(world.own / "nowhere"))
    assert failed(world)[0] == "tunnel_refused"


def test_ssh_is_not_installed(world: World) -> None:
    world.write(ssh_command="/nonexistent/ssh")
    code, reason = failed(world)
    assert code == "server_error"
    assert "/nonexistent/ssh" in reason


def ask_at_length(monkeypatch: pytest.MonkeyPatch) -> None:
    """Send more than the pipe to ssh takes: 300 kB are the ids and names of about 2,000 archives."""
    monkeypatch.setattr(engine, "request_line", lambda *known: request_line(*known)[:-1] + b" " * 300_000 + b"\n")


@contextmanager
def stalling_host(first_words: bytes) -> Iterator[int]:
    """A host that accepts, says ``first_words`` and nothing else; its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        accepted: list[socket.socket] = []

        def serve() -> None:
            connection, _address = listener.accept()
            accepted.append(connection)
            connection.sendall(first_words)

        thread = threading.Thread(target=serve)
        thread.start()
        yield int(listener.getsockname()[1])
        thread.join(10)
        for connection in accepted:
            connection.close()


@pytest.mark.parametrize("first_words", [b"", b"SSH-2.0-Open", b"SSH-2.0-OpenSSH_9.2\r\n"], ids=["none", "half", "all"])
@pytest.mark.parametrize("deadline", ["connect", "total"])
def test_deadlines_hold_while_a_long_request_waits(
    world: World, monkeypatch: pytest.MonkeyPatch, first_words: bytes, deadline: str
) -> None:
    ask_at_length(monkeypatch)
    with stalling_host(first_words) as port:
        world.write(port=port, **{"connect_timeout": 20, "total_timeout": 20, f"{deadline}_timeout": 2})
        outcome = world.session("backup")
    assert outcome.conclusion.code in (f"{deadline}_timeout", "unreachable"), outcome.conclusion
    assert outcome.duration < 6
    assert world.leftovers() == []


def test_a_long_request_that_nobody_takes(
    world: World, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    ask_at_length(monkeypatch)
    world.sshd.stop()
    assert failed(world)[0] == "unreachable"
    gc.collect()
    assert capfd.readouterr().err == "", "nor does asyncio complain of it"


@pytest.mark.skipif(not IS_ROOT, reason="NOT TESTED: ssh cut in the transfer; only root may end sshd's own processes")
def test_connection_is_cut_in_the_middle_of_the_transfer(world: World) -> None:
    world.grow(200)
    session = world.start_session()
    assert wait_until(lambda: _size(world) > 20 * 1024**2, 60)
    for pid in world.sshd.connections():
        os.kill(pid, signal.SIGKILL)
    record = world.result(session)
    assert (record["status"], record["code"]) == ("failed", "connection_lost"), record["reason"]
    assert record["reason"].startswith("the connection to web1 was lost, or ")
    assert record["bytes_received"] > 20 * 1024**2
    assert record["archive"] is None
    assert world.leftovers() == []
    assert wait_until(lambda: not world.client_processes()), world.client_processes()
    (world.own / "source/big").unlink()
    assert came_to(world.session("backup")) == OK


def _size(world: World) -> int:
    return sum(path.stat().st_size for path in (world.repository / "data").rglob("*") if path.is_file())
