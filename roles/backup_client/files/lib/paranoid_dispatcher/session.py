# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The server's end of the session, as this host sees it."""

from __future__ import annotations

import os
import time
from types import FrameType
from typing import Optional

TICK_SECONDS = 0.5  # between two looks at it


class Session:
    """The server's end: standard input says that it is still there, standard error takes the log."""

    def __init__(self, seconds: int) -> None:
        self._seconds = seconds
        self._until = time.monotonic() + seconds
        self._signal = 0
        self._closed = False

    def on_signal(self, number: int, _frame: Optional[FrameType]) -> None:
        """Note a signal; the loops look at it."""
        self._signal = number

    def read(self) -> None:
        """Take what came after the request: nothing may, so only its end counts."""
        self._closed = self._closed or not os.read(0, 4096)

    @property
    def closed(self) -> bool:
        """Tell whether the server has ended the session."""
        return self._closed

    def stopped(self) -> str:
        """Return why work must end now, or an empty string."""
        if self._closed:
            return "the server ended the session"
        if self._signal:
            return f"ended by signal {self._signal}"
        if time.monotonic() > self._until:
            return f"this host's own deadline of {self._seconds} s has passed"
        return ""
