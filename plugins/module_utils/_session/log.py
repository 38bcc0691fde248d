# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The log of one session: printable, bounded as it comes and as it is written, owner-only; and how many are kept."""

from __future__ import annotations

import os
from collections import deque
from contextlib import suppress

from ansible_collections.paranoid.backup.plugins.module_utils._common.text import decode, one_line, printable

LOG_LIMIT = 64 * 1024 * 1024  # bytes that one session may log; escapes make up to four of one
LOGS_LIMIT = 4 * LOG_LIMIT  # bytes of all logs that are kept of one client: an honest one's are a few kB each
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
        self._taken = self._written = 0
        self._is_cut = False
        self._problem = ""

    @property
    def full(self) -> bool:
        """Whether more than LOG_LIMIT bytes came, or would have been written."""
        return self._is_cut

    @property
    def tail(self) -> tuple[str, ...]:
        """The last lines, each short enough for a mail; then why the file has not all of them."""
        told = (self._problem,) if self._problem else ()
        return (*self._tail, *told)[-_TAIL_LINES:]

    def feed(self, raw: bytes) -> None:
        """Take bytes that the client sent; a line longer than 4 KiB is cut there."""
        self._taken += len(raw)
        if self._taken > LOG_LIMIT:
            self._cut()
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
        self._written += len(shown.encode()) + 1
        if self._written > LOG_LIMIT:
            self._cut()
        if not self._is_cut:
            self._write(shown)

    def close(self) -> None:
        """Write what is left of a line and close the file."""
        if self._partial:
            self.say(decode(self._partial[:_LINE_LIMIT]))
            self._partial = b""
        with suppress(OSError):
            self._handle.close()

    def _cut(self) -> None:
        if not self._is_cut:
            self._is_cut = True
            self._write(f"server: the log is cut here: it is longer than {LOG_LIMIT // 1024**2} MiB")

    def _write(self, line: str) -> None:
        try:
            self._handle.write(line + "\n")
            self._handle.flush()
        except OSError as error:  # A full disk must not end the session that can tell about it.
            self._problem = one_line(f"server: {self.path} is not whole: {error.strerror}", _TAIL_WIDTH)


def rotate(directory: str, keep: int) -> None:
    """Remove session logs of a client: the oldest beyond ``keep``, then the largest beyond LOGS_LIMIT bytes.

    So a client that floods its log pushes out its own floods, not what it logged before. Names sort by time.
    """
    try:
        names = sorted(name for name in os.listdir(directory) if name.endswith(".log"))
    except FileNotFoundError:
        return
    for name in names[: max(0, len(names) - keep)]:
        _remove(directory, name)
    sizes = {name: os.lstat(os.path.join(directory, name)).st_size for name in names[-keep:]}
    while sum(sizes.values()) > LOGS_LIMIT:
        largest = max(sizes, key=lambda name: sizes[name])
        _remove(directory, largest)
        del sizes[largest]


def _remove(directory: str, name: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(os.path.join(directory, name))
