# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a restore is: a line that is written over on a terminal, and a line now and then elsewhere."""

from __future__ import annotations

import os
import sys
import time
from typing import Any

_TELL_BYTES, _TELL_ENTRIES = 2**20, 50
_TERMINAL_SECONDS, _FILE_SECONDS = 0.2, 10.0


class Progress:
    """Counts bytes and entries of all processes that write. ``shared`` are two numbers that they add to."""

    def __init__(self, size: int, entries: int, shared: Any) -> None:
        self._size, self._entries, self._shared = size, entries, shared
        self._own, self._shown_by = [0, 0], os.getpid()
        self._began = self._last = time.monotonic()
        self._terminal = sys.stderr.isatty()

    def tell(self, size: int, entries: int) -> None:
        """Add what is done; others see it a little later."""
        self._own[0] += size
        self._own[1] += entries
        if self._own[0] >= _TELL_BYTES or self._own[1] >= _TELL_ENTRIES:
            self.flush()

    def flush(self) -> None:
        """Let the others see what is done."""
        with self._shared.get_lock():
            self._shared[0] += self._own[0]
            self._shared[1] += self._own[1]
        self._own = [0, 0]
        if os.getpid() == self._shown_by:
            self.show()

    def show(self, last: bool = False) -> None:
        """Show it, if the last time is long enough ago."""
        now = time.monotonic()
        if not last and now - self._last < (_TERMINAL_SECONDS if self._terminal else _FILE_SECONDS):
            return
        self._last = now
        text = format_progress(self._shared[0], self._size, self._shared[1], self._entries, now - self._began)
        if self._terminal:
            sys.stderr.write(f"\r\x1b[K{text}" + ("\n" if last else ""))
            sys.stderr.flush()
        elif not last:
            sys.stderr.write(text + "\n")


def format_progress(size: int, sizes: int, entries: int, all_entries: int, seconds: float) -> str:
    """Return bytes, entries, rate and time left as one line."""
    rate = size / seconds if seconds > 0 else 0.0
    left = f", {format_seconds((sizes - size) / rate)} left" if rate > 0 and sizes > size else ""
    sizes_told = f"{format_size(size)} of {format_size(sizes)}"
    return f"{sizes_told}, {entries} of {all_entries} entries, {format_size(round(rate))}/s{left}"


def format_size(size: int) -> str:
    """Return bytes with three digits and a unit."""
    value = float(size)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1000 or unit == "GiB":
            return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"
        value /= 1024
    return ""


def format_seconds(seconds: float) -> str:
    """Return seconds as ``1:02:03`` or ``2:03``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
