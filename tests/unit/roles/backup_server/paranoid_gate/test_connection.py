# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which errors of a call the client gets, and which end the connection."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import msgpack
import pytest
from borg.repository import Repository
from paranoid_gate.calls import Calls
from paranoid_gate.connection import Connection
from paranoid_gate.errors import EndOfConnection, Refused
from paranoid_gate.events import Report
from paranoid_gate.policy import POLICIES

WRITING = ("put", "delete", "commit", "save_key")
READING = tuple(sorted(POLICIES["read"].calls))


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


@pytest.mark.parametrize("method", WRITING)
def test_an_error_in_a_writing_call_ends_the_connection(monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    """What it left half-done must not be committed by a next call."""
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


def test_a_reading_call_may_fail_and_tells_nothing_about_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    with served(monkeypatch, ValueError("in /secret/place"), READING) as run:
        answers = run()
    assert [answer[b"i"] for answer in answers] == list(range(len(READING)))
    assert all(answer[b"exception_class"] == b"ValueError" for answer in answers)
    assert b"/secret/place" not in msgpack.packb(answers)


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
