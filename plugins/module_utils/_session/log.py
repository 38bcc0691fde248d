# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The log of one session: printable, bounded, owner-only, and no more of them than are kept."""

from __future__ import annotations

import os
from collections import deque
from contextlib import suppress

from ansible_collections.paranoid.backup.plugins.module_utils._common.text import decode, one_line, printable

LOG_LIMIT = 64 * 1024 * 1024  # bytes that one session may log
_LINE_LIMIT = 4096
_TAIL_LINES = 20
_TAIL_WIDTH = 300


class SessionLog:
    """Takes bytes as they come, writes whole printable lines; ``full`` says that the client logged too much."""

    def __init__(self, directory: str, name: str) -> None:
        os.makedirs(directory, mode=0o700, exist_ok=True)
        self.path = os.path.join(directory, name + ".log")
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        self._handle = os.fdopen(os.open(self.path, flags, 0o600), "w", encoding="utf-8")
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self._partial = b""
        self._taken = 0

    @property
    def full(self) -> bool:
        """Whether more than LOG_LIMIT bytes came."""
        return self._taken > LOG_LIMIT

    @property
    def tail(self) -> tuple[str, ...]:
        """The last lines, each short enough for a mail."""
        return tuple(self._tail)

    def feed(self, raw: bytes) -> None:
        """Take bytes that the client sent; a line longer than 4 KiB is cut there."""
        self._taken += len(raw)
        if self.full:
            return
        *lines, self._partial = (self._partial + raw).split(b"\n")
        for line in lines:
            self.say(decode(line[:_LINE_LIMIT]))
        if len(self._partial) > _LINE_LIMIT:
            self.say(decode(self._partial[:_LINE_LIMIT]))
            self._partial = b""

    def say(self, line: str) -> None:
        """Write one line, also one of the server's own."""
        if not line.strip():
            return
        shown = printable(line.rstrip())
        self._tail.append(one_line(shown, _TAIL_WIDTH))
        with suppress(OSError):  # A full disk must not end the session that could tell about it.
            self._handle.write(shown + "\n")
            self._handle.flush()

    def close(self) -> None:
        """Write what is left of a line and close the file."""
        if self._partial:
            self.say(decode(self._partial[:_LINE_LIMIT]))
            self._partial = b""
        with suppress(OSError):
            self._handle.close()


def rotate(directory: str, keep: int) -> None:
    """Remove the oldest session logs of a client so that at most ``keep`` stay; names sort by time."""
    try:
        names = sorted(name for name in os.listdir(directory) if name.endswith(".log"))
    except FileNotFoundError:
        return
    for name in names[: max(0, len(names) - keep)]:
        with suppress(FileNotFoundError):
            os.unlink(os.path.join(directory, name))
