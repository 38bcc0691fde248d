# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client without ssh and without start-up: a fork of the test that has Borg imported already.

The session's ssh is a socat to the fork's socket, and Borg reaches the session's gate by its socket on the server. All
else is real: engine, conversation, gates as processes of their own, Borg. `serving` has one session answered by what a
test gives it; `Host` is what that can use.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from borg import remote
from borg.archiver import main as borg_main
from borg.crypto import key
from hostile import Hostile
from session_world import World

PASSPHRASE = "only for tests"
REPOSITORY = "ssh://server/./repository"
Record = dict[str, Any]


class _Tunnel:
    """What Borg's client takes for the ssh that it started: a connection to the session's gate."""

    def __init__(self, gate: str) -> None:
        with socket.socket(socket.AF_UNIX) as ours:
            ours.connect(gate)
            self.stdin = ours.makefile("wb", buffering=0)
            self.stdout = ours.makefile("rb", buffering=0)
        reading, self._writing = os.pipe()  # stays open: its end would be the connection's
        self.stderr = os.fdopen(reading, "rb", buffering=0)

    def wait(self) -> None:
        """Wait for nothing: the gate is not ours."""


@dataclass(frozen=True)
class Host:
    """The client in one session: its own directory, and the gate that the session opened for it."""

    own: Path
    gate: str

    def borg(self, *words: str) -> tuple[int, str]:
        """Run one command of Borg through the gate; return its exit code and what it wrote to stdout."""
        reading, writing = os.pipe()
        pid = os.fork()
        if not pid:
            _become_borg(self, writing, words)
        os.close(writing)
        with os.fdopen(reading, "rb") as output:
            said = output.read().decode(errors="replace")
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), said

    @contextmanager
    def calls(self) -> Iterator[Hostile]:
        """Yield a connection for calls of Borg's protocol, made by hand."""
        with socket.socket(socket.AF_UNIX) as ours:
            ours.connect(self.gate)
            yield Hostile(ours.fileno(), ours.fileno(), timeout=60)


def _become_borg(host: Host, writing: int, words: tuple[str, ...]) -> None:
    try:
        os.environ.clear()
        os.environ.update(
            PATH="/usr/bin:/bin",
            LANG="C.UTF-8",
            HOME=str(host.own),
            BORG_BASE_DIR=str(host.own / "borg"),
            BORG_PASSPHRASE=PASSPHRASE,
            BORG_REPO=REPOSITORY,
            BORG_RELOCATED_REPO_ACCESS_IS_OK="yes",
            BORG_DELETE_I_KNOW_WHAT_I_AM_DOING="YES",
            BORG_CHECK_I_KNOW_WHAT_I_AM_DOING="YES",
        )
        os.chdir(host.own)
        said = os.open(host.own / "said", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
        os.dup2(writing, 1)
        os.dup2(said, 2)
        kept = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", closefd=False)
        sys.stdout, sys.stderr = kept  # Borg wraps them anew, and what nobody keeps is closed
        remote.Popen = lambda *_, **__: _Tunnel(host.gate)
        key.PBKDF2_ITERATIONS = 1  # nobody guesses this passphrase
        sys.argv = ["borg", *words]
        borg_main()
    except SystemExit as end:
        sys.stdout.flush()
        os._exit(end.code if isinstance(end.code, int) else 1)
    except BaseException:
        os.write(2, traceback.format_exc().encode())
    finally:
        os._exit(99)


def client_socket(world: World) -> Path:
    """Return where the session's ssh finds the client."""
    return world.own / "client.sock"


@contextmanager
def serving(world: World, perform: Callable[[Host, Record], Record]) -> Iterator[None]:
    """Have the next session's request answered by ``perform``, in a fork; what it raises is a failure."""
    path = client_socket(world)
    with suppress(FileNotFoundError):
        path.unlink()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        path.chmod(0o777)
        listener.listen()
        pid = os.fork()
        if not pid:
            _serve(world, listener, perform)
    yield
    with suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
        probe.connect(str(path))  # a session that asked nothing of it leaves it waiting
    os.waitpid(pid, 0)


def _serve(world: World, listener: socket.socket, perform: Callable[[Host, Record], Record]) -> None:
    try:
        connection, _address = listener.accept()
        listener.close()
        with connection, connection.makefile("rwb") as stream:
            request = json.loads(stream.readline())
            _say(stream, {"hello": request["session"]})
            gate = world.run_dir / "sessions" / world.client["repository_user"] / "gate.sock"
            result: Record = {
                "archive": None,
                "info": None,
                "maintain": None,
                "remarks": {},
                "reason": "",
                "status": "ok",
            }
            try:
                result |= perform(Host(world.own, str(gate)), request)
            except Exception as error:
                result |= {"status": "failed", "reason": f"{type(error).__name__}: {error}"[:400]}
            _say(stream, {**result, "session": request["session"], "verb": request["verb"], "versions": {}})
    finally:
        os._exit(0)


def _say(stream: Any, record: Record) -> None:
    stream.write(json.dumps({"schema": 1, **record}).encode() + b"\n")
    stream.flush()
