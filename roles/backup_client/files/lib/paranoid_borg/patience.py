# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A call on the source that gets no answer is given up: a signal interrupts it, and Borg warns of that file.

What the kernel itself cannot interrupt (a dead disk, NFS) stays for the server's deadlines.
"""

from __future__ import annotations

import contextlib
import errno
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any, Optional

from borg.archive import BackupIO

SECONDS = 300.0
LOOKS = 10  # within that time

_enter, _exit = BackupIO.__enter__, BackupIO.__exit__


class Patience:
    """Counts calls, all of which Borg makes within BackupIO; one that is still the same after SECONDS is stuck."""

    def __init__(self) -> None:
        self._begun = self._ended = 0
        self._stuck = 0
        self._waits = False

    def watch(self) -> None:
        """Watch the calls of this thread, the main one, from another."""
        BackupIO.__enter__ = lambda io: self._begin(io)
        BackupIO.__exit__ = lambda io, *raised: self._end(io, *raised)
        signal.signal(signal.SIGALRM, self._give_up)
        threading.Thread(target=self._look, args=(threading.get_ident(),), daemon=True).start()

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """Let calls take as long as they need: a dump that waits for its database."""
        self._waits = True
        try:
            yield
        finally:
            self._waits = False

    def _begin(self, io: Any) -> None:
        self._begun += 1
        _enter(io)

    def _end(self, io: Any, *raised: Any) -> None:
        self._ended = self._begun
        _exit(io, *raised)

    def _look(self, watched: int) -> None:
        seen, looks = 0, 0
        while True:
            threading.Event().wait(SECONDS / LOOKS)
            begun = self._begun
            looks = looks + 1 if begun == seen != self._ended and not self._waits else 0
            seen = begun
            if looks >= LOOKS:
                self._stuck, looks = begun, 0
                signal.pthread_kill(watched, signal.SIGALRM)

    def _give_up(self, _number: int, _frame: Optional[FrameType]) -> None:
        if self._stuck == self._begun != self._ended:
            raise OSError(errno.ETIMEDOUT, f"no answer for {SECONDS:.0f} s")
