# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The loop around one connection: read, answer in order, write.

Borg's own loop (`borg.remote.RepositoryServer.serve`) answers with tracebacks, goes on after SIGTERM, and bounds its
reads for a friendly client only.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
from typing import NoReturn

from borg.helpers import Error, IntegrityError
from borg.repository import Repository

from paranoid_gate.calls import Calls
from paranoid_gate.errors import NO_SPACE, OUT_OF_MEMORY, EndOfConnection, Refused, is_out_of_memory
from paranoid_gate.events import Report
from paranoid_gate.rpc import READ_SIZE, Message, Reader, pack_error, pack_result

_HUNG_UP = select.POLLHUP | select.POLLERR | getattr(select, "POLLRDHUP", 0)
_LONG_CALLS = ("check", "open")  # may last long, and leave nothing half-done when they are cut short
_GONE = (BrokenPipeError, ConnectionResetError)


class Connection:
    """Stdin and stdout of this process, which may be one socket."""

    def __init__(self, calls: Calls, report: Report, path: str) -> None:
        self._calls = calls
        self._report = report
        self._path = path
        self._input = sys.stdin.fileno()
        self._output = sys.stdout.fileno()
        self._signals, signals = socket.socketpair()
        signals.setblocking(False)
        self._wakeup = signals  # stays open as long as this
        # A signal that arrives just before select() would otherwise wait for the client's next byte.
        signal.set_wakeup_fd(signals.fileno(), warn_on_full_buffer=False)
        self._poll = select.poll()
        self._poll.register(self._input, _HUNG_UP)

    def serve(self) -> None:
        """Answer until the client hangs up; raise EndOfConnection for every other end."""
        reader = Reader()
        self._report.start(self._watch)
        try:
            while data := self._read():
                for message in reader.feed(data):
                    self._send(self._answer(message))
        except _GONE:
            return

    def _read(self) -> bytes:
        select.select([self._input, self._signals], [], [])
        data = os.read(self._input, READ_SIZE)
        self._report.counts.received += len(data)
        return data

    def _send(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            written = os.write(self._output, view)
            self._report.counts.sent += written
            view = view[written:]

    def _answer(self, message: Message) -> bytes:
        self._report.is_busy = message.method in _LONG_CALLS
        try:
            return pack_result(message, self._calls.answer(message.method, message.arguments))
        except EndOfConnection:
            raise
        except Exception as error:
            reason = _reason_to_end(message.method, error)
            if reason is None:
                return pack_error(message, error, self._path)
            self._give_up(message, error, reason)
        finally:
            self._report.is_busy = False

    def _give_up(self, message: Message, error: Exception, reason: str) -> NoReturn:
        is_full = reason == "disk_full" and isinstance(error, OSError)
        shown = Repository.InsufficientFreeSpaceError("some", "none") if is_full else error
        self._send(pack_error(message, shown, self._path))
        text = _describe(shown)
        raise EndOfConnection(reason, f"{message.method}: {text}") from error

    def _watch(self) -> None:
        if self._report.is_busy and self._poll.poll(0):
            os.kill(os.getpid(), signal.SIGTERM)


def _reason_to_end(method: str, error: Exception) -> str | None:
    """Return why the connection must end after this error of a call, None if it may go on.

    What is not known to be harmless may have left Borg half-way: then nothing more is done with its state.
    """
    match error:
        case Repository.InsufficientFreeSpaceError():
            return "disk_full"
        case OSError():
            return "disk_full" if error.errno in NO_SPACE else "error"
        case Refused() | Repository.StorageQuotaExceeded() | Repository.ObjectNotFound():
            return None
        case IntegrityError() if method == "get":
            return None  # `borg check --verify-data` reads on after a damaged object
        case Error() if method == "open":
            return None  # nothing is open then
        case _:
            return "error"


def _describe(error: Exception) -> str:
    if is_out_of_memory(error):
        return OUT_OF_MEMORY
    return str(error.get_message()) if isinstance(error, Error) else f"{type(error).__name__}: {error}"
