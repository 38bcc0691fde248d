# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which errors of a call the client gets, and which end the connection."""

from __future__ import annotations

import errno
import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, cast

import msgpack
import pytest
from borg.helpers import IntegrityError
from borg.locking import LockTimeout
from borg.repository import Repository
from paranoid_gate.calls import HANDLERS, Calls
from paranoid_gate.connection import Connection
from paranoid_gate.errors import EndOfConnection, Refused
from paranoid_gate.events import Report

WRITING = ("put", "delete", "commit", "save_key")
EVERY = tuple(sorted(HANDLERS))


class Failing:
    """Calls that all raise one error."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def answer(self, _method: str, _arguments: dict[str, Any]) -> None:
        raise self._error


@contextmanager
def served(
    monkeypatch: pytest.MonkeyPatch, error: Exception, methods: tuple[str, ...]
) -> Iterator[Callable[[], list[dict[bytes, Any]]]]:
    """Serve these calls; yields a function that does, and returns the answers."""
    inside, outside = os.pipe(), os.pipe()
    monkeypatch.setattr("sys.stdin", os.fdopen(inside[0], "rb"))
    monkeypatch.setattr("sys.stdout", os.fdopen(outside[1], "wb"))
    for number, method in enumerate(methods):
        os.write(inside[1], msgpack.packb({"i": number, "m": method, "a": {}}, use_bin_type=False))
    os.close(inside[1])
    report = Report(os.open(os.devnull, os.O_WRONLY))
    wakeup = signal.set_wakeup_fd(-1)
    connection = Connection(cast(Calls, Failing(error)), report, "/secret/place")

    def answers() -> list[dict[bytes, Any]]:
        unpacker = msgpack.Unpacker(raw=True)
        unpacker.feed(os.read(outside[0], 1_000_000))
        return list(unpacker)

    def serve() -> list[dict[bytes, Any]]:
        connection.serve()
        return answers()

    try:
        monkeypatch.setattr(report, "start", lambda _tick: None)
        yield serve
    except EndOfConnection as end:
        end.add_note(repr(answers()))
        raise
    finally:
        signal.set_wakeup_fd(wakeup)
        os.close(outside[0])


@pytest.mark.parametrize("method", EVERY)
def test_an_error_in_any_call_ends_the_connection(monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    """What it left half-done must not be committed by a next call, nor taken for what is stored."""
    with (
        pytest.raises(EndOfConnection, match=f"{method}: ValueError: broken") as caught,
        served(monkeypatch, ValueError("broken"), (method, "commit")) as run,
    ):
        run()
    assert caught.value.reason == "error"
    assert caught.value.__notes__[0].count("exception_class") == 1, "the client is told, once"


@pytest.mark.parametrize(
    "error", [Refused("x"), Repository.StorageQuotaExceeded("1", "2"), Repository.ObjectNotFound(b"x", "repository")]
)
def test_a_refusal_is_answered_and_the_connection_goes_on(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    with served(monkeypatch, error, WRITING) as run:
        assert len(run()) == len(WRITING)


@pytest.mark.parametrize("method", EVERY)
@pytest.mark.parametrize("error", [MemoryError(), Exception("hashindex_set failed")])
def test_a_gate_without_memory_says_what_to_do(monkeypatch: pytest.MonkeyPatch, method: str, error: Exception) -> None:
    with pytest.raises(EndOfConnection) as caught, served(monkeypatch, error, (method, "put")) as run:
        run()
    assert caught.value.reason == "error"
    assert caught.value.detail.startswith(f"{method}: it needs more memory than the server gives")
    assert caught.value.detail.endswith("give the server more memory")
    assert caught.value.__notes__[0].count("exception_class") == 1


def test_an_error_tells_nothing_about_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    error = ValueError("in /secret/place")
    with pytest.raises(EndOfConnection) as caught, served(monkeypatch, error, ("get",)) as run:
        run()
    assert "ValueError" in caught.value.__notes__[0] and "/secret/place" not in caught.value.__notes__[0]


@pytest.mark.parametrize(
    ("method", "error", "goes_on"),
    [
        ("get", IntegrityError("broken"), True),
        ("check", IntegrityError("broken"), False),
        ("list", IntegrityError("broken"), False),
        ("open", LockTimeout("lock"), True),
        ("open", ValueError("broken"), False),
        ("get", LockTimeout("lock"), False),
    ],
)
def test_a_damaged_object_or_a_repository_that_is_in_use_ends_nothing(
    monkeypatch: pytest.MonkeyPatch, method: str, error: Exception, goes_on: bool
) -> None:
    with suppress(EndOfConnection), served(monkeypatch, error, (method, method)) as run:
        assert len(run()) == 2
        assert goes_on
        return
    assert not goes_on


@pytest.mark.parametrize("method", ["get", "put", "check"])
@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "disk_full"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "disk_full"),
        (Repository.InsufficientFreeSpaceError("1 GB", "1 MB"), "disk_full"),
        (OSError(errno.EIO, "Input/output error"), "error"),
    ],
)
def test_an_error_of_the_disk_ends_the_connection_with_its_name(
    monkeypatch: pytest.MonkeyPatch, method: str, error: Exception, reason: str
) -> None:
    with pytest.raises(EndOfConnection) as caught, served(monkeypatch, error, (method, "get")) as run:
        run()
    assert caught.value.reason == reason
    assert caught.value.detail.startswith(f"{method}: ")
    named = "InsufficientFreeSpaceError" if reason == "disk_full" else "OSError"
    assert caught.value.__notes__[0].count(f"'exception_class': b'{named}'") == 1


class Wire:
    """A connection over one socket, whose calls are made by a function; ``tick`` is what happens once a second."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, call: Callable[[Wire], object]) -> None:
        self.client, server = socket.socketpair()
        monkeypatch.setattr("sys.stdin", server.makefile("rb"))
        monkeypatch.setattr("sys.stdout", server.makefile("wb"))
        server.close()
        self._call = call
        self.report = Report(os.open(os.devnull, os.O_WRONLY))
        monkeypatch.setattr(self.report, "start", lambda tick: setattr(self, "tick", tick))
        self.tick: Callable[[], None] = lambda: None
        self._connection = Connection(cast(Calls, self), self.report, "/x")

    def answer(self, _method: str, _arguments: dict[str, Any]) -> object:
        result = self._call(self)
        with suppress(OSError):
            self.client.shutdown(socket.SHUT_WR)
        return result

    def serve(self, method: str) -> int:
        """Serve one call, after which the client has nothing more to ask; return its size."""
        self.client.sendall(request := msgpack.packb({"i": 1, "m": method, "a": {}}, use_bin_type=False))
        self._connection.serve()
        return len(request)


@pytest.fixture
def wakeup() -> Iterator[None]:
    before = signal.set_wakeup_fd(-1)
    yield
    signal.set_wakeup_fd(before)


@pytest.mark.usefixtures("wakeup")
@pytest.mark.parametrize("method", EVERY)
def test_who_leaves_ends_a_long_call_and_no_other(monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    """One that writes is not cut short: what it leaves half-done would have to be mended."""
    signals: list[int] = []
    monkeypatch.setattr(os, "kill", lambda _process, number: signals.append(number))

    def leave(wire: Wire) -> None:
        wire.client.close()
        wire.tick()

    wire = Wire(monkeypatch, leave)
    wire.serve(method)
    wire.tick()
    assert signals == ([signal.SIGTERM] if method in ("check", "open") else [])


@pytest.mark.usefixtures("wakeup")
def test_a_client_that_stays_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "kill", lambda *_: pytest.fail("a signal"))
    Wire(monkeypatch, lambda wire: wire.tick()).serve("check")


@pytest.mark.usefixtures("wakeup")
def test_what_went_over_the_wire_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    wire = Wire(monkeypatch, lambda _wire: bytes(1000))
    received = wire.serve("get")
    assert wire.report.counts.received == received
    assert wire.report.counts.sent == len(wire.client.recv(10_000)) > 1000
