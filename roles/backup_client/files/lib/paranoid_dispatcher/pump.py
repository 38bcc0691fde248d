# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Move a command's output without ever filling this host's memory."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable
from typing import Optional, Protocol

from paranoid_dispatcher.server_link import ServerLink

STDOUT_KEPT = 4 * 1024 * 1024
LOG_KEPT = 64 * 1024
LOG_PENDING = 256 * 1024


Readers = dict[int, Callable[[bytes], None]]


class Hooked(Protocol):
    """What runs hooks: it reads their output itself, and says it to ``log``."""

    log: Callable[[bytes], None]

    @property
    def descriptors(self) -> list[int]:
        """What wakes the loop."""

    def read(self, descriptor: int) -> None:
        """Take what came on a descriptor."""


class Pump:
    """Keeps the end of a command's standard output; passes its standard error on and keeps the end of that, too.

    What comes on further descriptors goes to those who read these. Hooks may be all that is at work.
    """

    def __init__(
        self,
        link: ServerLink,
        stdout: int = -1,
        stderr: int = -1,
        more: Optional[Readers] = None,
        hooks: Optional[Hooked] = None,
    ) -> None:
        self._hooks, self._spoke = hooks, time.monotonic()
        self._stdout, self._log = Tail(STDOUT_KEPT), Tail(LOG_KEPT)
        self._link, self._pending = link, bytearray()
        self._readers: Readers = {} if stdout < 0 else {stdout: self._stdout.add, stderr: self._pass_on, **(more or {})}
        self._stderr = stderr
        for descriptor in self._readers:
            os.set_blocking(descriptor, False)
        if hooks:
            hooks.log = self._pass_on

    @property
    def stdout(self) -> bytes:
        """The end of the command's output."""
        return self._stdout.content

    @property
    def log(self) -> bytes:
        """The end of the command's log."""
        return self._log.content

    def turn(self, seconds: float) -> bool:
        """Wait at most SECONDS for something to move; return whether output did."""
        poll = select.poll()
        for descriptor in self._readers:
            # A server that does not read its log slows the work down; it does not fill this host's memory.
            if descriptor != self._stderr or len(self._pending) < LOG_PENDING:
                poll.register(descriptor, select.POLLIN)
        of_hooks = self._hooks.descriptors if self._hooks else []
        for descriptor in of_hooks:
            poll.register(descriptor, select.POLLIN)
        if self._pending:
            poll.register(2, select.POLLOUT)
        if not self._link.closed:
            poll.register(0, select.POLLIN)
        ready = [descriptor for descriptor, _event in poll.poll(seconds * 1000)]
        for descriptor in ready:
            if self._hooks and descriptor in of_hooks:
                self._hooks.read(descriptor)
            else:
                self._move(descriptor)
        return any(descriptor != 0 for descriptor in ready)

    def silent_for(self) -> float:
        """Return the seconds since something was logged."""
        return time.monotonic() - self._spoke

    def beat(self) -> None:
        """Send the heartbeat, an empty line, unless there is a log to send."""
        if not self._pending:
            self._pending += b"\n"

    def drain(self, seconds: float) -> None:
        """Move what is left, for at most SECONDS: a pipe may stay open, or the server may not read."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and (self.turn(0.1) or self._pending):
            pass

    def _move(self, descriptor: int) -> None:
        if descriptor == 0:
            self._link.read()
        elif descriptor == 2:
            self._write()
        else:
            data = os.read(descriptor, 64 * 1024)
            self._readers[descriptor](data)
            if not data:
                del self._readers[descriptor]

    def _pass_on(self, data: bytes) -> None:
        self._spoke = time.monotonic()
        self._log.add(data)
        self._pending += data

    def _write(self) -> None:
        # At most PIPE_BUF: poll promises room for that much, so this never blocks.
        try:
            del self._pending[: os.write(2, self._pending[: select.PIPE_BUF])]
        except OSError:
            self._pending.clear()


class Tail:
    """Keeps the last bytes of a stream."""

    def __init__(self, size: int) -> None:
        self._size, self._kept = size, bytearray()

    def add(self, data: bytes) -> None:
        """Append DATA; memory stays below twice the size, and few bytes are moved."""
        self._kept += data
        if len(self._kept) > 2 * self._size:
            del self._kept[: -self._size]

    @property
    def content(self) -> bytes:
        """The last bytes."""
        return bytes(self._kept[-self._size :])
