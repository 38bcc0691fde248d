# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gate's report: JSON lines on a descriptor that the client never sees."""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass

_DETAIL_LIMIT = 300  # characters
_REFUSALS_SHOWN = 100  # kinds
_TICK = 1.0  # seconds between two lines of progress


@dataclass(slots=True)
class Counts:
    """What went through: bytes both ways, those of objects that were ``read``, and calls."""

    received: int = 0
    sent: int = 0
    read: int = 0
    put: int = 0
    delete: int = 0
    commits: int = 0
    manifests: int = 0
    refused: int = 0


class Report:
    """Writes events; a thread of its own writes progress, also while one long call keeps the gate busy."""

    def __init__(self, fd: int) -> None:
        self.counts = Counts()
        self.is_busy = False
        self._fd = fd
        self._ended = threading.Event()
        self._last_progress = (0, 0)
        self._recorded: set[tuple[str, str]] = set()
        self._thread: threading.Thread | None = None

    def start(self, on_tick: Callable[[], None]) -> None:
        """Begin to write progress, and call ``on_tick`` once a second."""
        self._thread = threading.Thread(target=self._run, args=(on_tick,), daemon=True)
        self._thread.start()

    def record_open(self) -> None:
        """Record that the client has opened the repository."""
        self._write({"event": "open"})

    def record_begin(self, first_segment: int) -> None:
        """Record that the client begins to write: what it stores lies in segments from this one on."""
        self._write({"event": "begin", "first_segment": first_segment})

    def record_refusal(self, policy: str, call: str, detail: str) -> None:
        """Count a refused call, and record each kind once, as long as there are few."""
        self.counts.refused += 1
        if (call, detail) not in self._recorded and len(self._recorded) < _REFUSALS_SHOWN:
            self._recorded.add((call, detail))
            self._write({"event": "refused", "policy": policy, "call": call[:64], "detail": detail[:_DETAIL_LIMIT]})

    def record_commit(self, transaction: int) -> None:
        """Record a transaction that is on the disk."""
        self.counts.commits += 1
        self._write({"event": "commit", "transaction": transaction})

    def record_end(self, reason: str | None, detail: str) -> None:
        """Write the last line."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
        self._write({"event": "end", "reason": reason, "detail": detail[:_DETAIL_LIMIT], **asdict(self.counts)})

    def _run(self, on_tick: Callable[[], None]) -> None:
        while not self._ended.wait(_TICK):
            now = (self.counts.received, self.counts.sent)
            if self.is_busy or now != self._last_progress:
                self._last_progress = now
                self._write({"event": "progress", "received": now[0], "sent": now[1]})
            on_tick()

    def _write(self, event: dict[str, object]) -> None:
        # If nobody is left to read it, the gate dies by its parent's death, not by this.
        with contextlib.suppress(OSError):
            os.write(self._fd, json.dumps(event).encode() + b"\n")
