# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a hook prints: passed on to the log line by line, bounded, and its end kept for the reason."""

from __future__ import annotations

from collections.abc import Callable

from paranoid_dispatcher.output import printable

LOGGED_MAX = 256 * 1024
LINE_MAX = 4000
KEPT = 2000
QUOTED_MAX = 200


class HookOutput:
    """Takes bytes as they come. Each line is marked as a hook's, so that none can be taken for borgmatic's own."""

    def __init__(self, log: Callable[[bytes], None]) -> None:
        self._log, self._partial, self._end = log, b"", b""
        self._room, self._left_out = LOGGED_MAX, 0

    def add(self, data: bytes) -> None:
        """Take what was printed; a line that does not end is cut, and beyond LOGGED_MAX nothing is passed on."""
        self._end = (self._end + data)[-KEPT:]
        *lines, self._partial = (self._partial + data).split(b"\n")
        while len(self._partial) > LINE_MAX:
            lines.append(self._partial[:LINE_MAX])
            self._partial = self._partial[LINE_MAX:]
        for line in lines:
            self._pass_on(line)

    def close(self) -> None:
        """Pass on a last line that has no end, and say how much was left out."""
        self._pass_on(self._partial)
        self._partial = b""
        if self._left_out:
            self._log(f"hook: {self._left_out} more bytes of its output are left out\n".encode())

    @property
    def quoted(self) -> str:
        """The last three lines, as the end of a sentence, or nothing."""
        text = self._end.decode("utf-8", "backslashreplace")
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        said = "; ".join(lines[-3:])[-QUOTED_MAX:]
        return f": {printable(said, QUOTED_MAX)}" if said else ""

    def _pass_on(self, line: bytes) -> None:
        if not line.strip():
            return
        passed = b"hook: " + line[:LINE_MAX] + b"\n"
        if len(passed) > self._room:
            self._left_out += len(line)
            return
        self._room -= len(passed)
        self._log(passed)
