# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The link to the server: standard input shows that the server is still there, standard error takes the log."""

from __future__ import annotations

import os
import select
import time
from types import FrameType
from typing import Optional

TICK_SECONDS = 0.5  # between two looks at the link


class ServerLink:
    """Tracks whether the work may go on: the server's end, signals, and this host's own deadline."""

    def __init__(self, seconds: int) -> None:
        self._seconds = seconds
        self._until = time.monotonic() + seconds
        self._signal = 0
        self._closed = False

    def on_signal(self, number: int, _frame: Optional[FrameType]) -> None:
        """Remember a signal; the loops check for it."""
        self._signal = number

    def read(self) -> None:
        """Read and drop what follows the request: nothing may follow, so only the end matters."""
        self._closed = self._closed or not os.read(0, 4096)

    def wait(self, seconds: float) -> None:
        """Wait so long, or until the server says something or ends the session."""
        if self._closed:
            time.sleep(seconds)
        elif select.select([0], [], [], seconds)[0]:
            self.read()

    @property
    def closed(self) -> bool:
        """Whether the server has ended the session."""
        return self._closed

    @property
    def stop_reason(self) -> str:
        """Why the work must end now, or an empty string."""
        if self._closed:
            return "the server ended the session"
        if self._signal:
            return f"ended by signal {self._signal}"
        if time.monotonic() > self._until:
            return f"this host's own deadline of {self._seconds} s has passed"
        return ""
