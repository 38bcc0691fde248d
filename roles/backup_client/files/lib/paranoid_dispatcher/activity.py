# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether processes are at work or merely there: proc(5), ``stat`` and ``io`` of each of them and of their children."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

LOOK_SECONDS = 3.0
# What a shell that waits in a loop stays below, and a Borg that only looks at files does not.
CPU_SHARE = 0.02
IO_BYTES = 16 * 1024
_IO_FIELDS = ("rchar", "wchar", "read_bytes", "write_bytes")


@dataclass(frozen=True)
class Sample:
    """Seconds of CPU (with those of children that were waited for) and bytes of input and output."""

    cpu: float
    io: int


class Activity:
    """Looks at processes now and then. Without such files nothing is ever seen at work."""

    def __init__(self) -> None:
        self._looked, self._samples = time.monotonic(), dict[int, Sample]()

    def has_moved(self, roots: Iterable[int]) -> bool:
        """Return whether ROOTS and their descendants have worked since the last look; not before LOOK_SECONDS."""
        now = time.monotonic()
        if now - self._looked < LOOK_SECONDS:
            return False
        samples = {pid: sample for root in roots for pid, sample in _tree(root)}
        cpu = io = 0.0
        for pid, sample in samples.items():
            before = self._samples.get(pid, Sample(0, 0) if self._samples else sample)
            cpu, io = cpu + sample.cpu - before.cpu, io + sample.io - before.io
        seconds, self._looked, self._samples = now - self._looked, now, samples
        return cpu >= CPU_SHARE * seconds or io >= IO_BYTES


def _tree(root: int) -> Iterator[tuple[int, Sample]]:
    """Yield ROOT and its descendants; one that ends meanwhile is left out."""
    waiting = [root]
    while waiting:
        pid = waiting.pop()
        with contextlib.suppress(OSError, ValueError, IndexError):
            own = Path("/proc") / str(pid)
            waiting.extend(int(child) for task in (own / "task").iterdir() for child in _children(task))
            yield pid, _sample(own)


def _children(task: Path) -> list[str]:
    with contextlib.suppress(OSError):
        return (task / "children").read_text("ascii").split()
    return []


def _sample(process: Path) -> Sample:
    # The name may hold blanks and brackets: the fields begin after the last bracket, with the third.
    fields = (process / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    ticks = sum(int(field) for field in fields[11:15])
    lines = (line.partition(": ") for line in (process / "io").read_text("ascii").splitlines())
    return Sample(
        ticks / os.sysconf("SC_CLK_TCK"), sum(int(value) for name, _sep, value in lines if name in _IO_FIELDS)
    )
