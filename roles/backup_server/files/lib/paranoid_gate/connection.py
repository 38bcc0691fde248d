# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The loop around one connection: read, answer in order, write.

Borg's own (`borg.remote.RepositoryServer.serve`) answers with tracebacks, goes on after SIGTERM, and its reads are
bounded for a friendly client only.
"""

from __future__ import annotations

import errno
import os
import select
import signal
import socket
import sys
from typing import NoReturn

from borg.helpers import Error
from borg.repository import Repository

from paranoid_gate.calls import Calls
from paranoid_gate.errors import EndOfConnection, Refused
from paranoid_gate.events import Report
from paranoid_gate.rpc import READ_SIZE, Message, Reader, pack_error, pack_result

_HUNG_UP = select.POLLHUP | select.POLLERR | getattr(select, "POLLRDHUP", 0)
_LONG_CALLS = ("check", "open")  # may last long, and leave nothing half-done when they are cut short
_WRITES = ("put", "delete", "commit", "save_key")
_HARMLESS = (Refused, Repository.StorageQuotaExceeded, Repository.ObjectNotFound)
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
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
        self._report.busy = message.method in _LONG_CALLS
        try:
            return pack_result(message, self._calls.answer(message.method, message.arguments))
        except Repository.InsufficientFreeSpaceError as error:
            self._give_up(message, error, "disk_full")
        except OSError as error:
            if error.errno in _NO_SPACE:
                self._give_up(message, Repository.InsufficientFreeSpaceError("some", "none"), "disk_full")
            self._give_up(message, error, "error")
        except EndOfConnection:
            raise
        except Exception as error:
            if message.method in _WRITES and not isinstance(error, _HARMLESS):
                self._give_up(message, error, "error")
            return pack_error(message, error, self._path)
        finally:
            self._report.busy = False

    def _give_up(self, message: Message, error: Exception, reason: str) -> NoReturn:
        self._send(pack_error(message, error, self._path))
        text = error.get_message() if isinstance(error, Error) else f"{type(error).__name__}: {error}"
        raise EndOfConnection(reason, f"{message.method}: {text}") from error

    def _watch(self) -> None:
        if self._report.busy and self._poll.poll(0):
            os.kill(os.getpid(), signal.SIGTERM)
