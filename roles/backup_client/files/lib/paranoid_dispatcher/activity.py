# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether processes are at work or merely there: proc(5), ``stat`` and ``io`` of each of them and of their children.

Where there are no such files (FreeBSD), ps(1) is asked.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

LOOK_SECONDS = 3.0
# What a shell that waits in a loop stays below, and a Borg that only looks at files does not.
CPU_SHARE = 0.02
IO_BYTES = 16 * 1024
_IO_FIELDS = ("rchar", "wchar", "read_bytes", "write_bytes")
_PROC = Path("/proc")
# FreeBSD's ps(1): all processes, with the time of children that were waited for; blocks that were read and written.
_PS = ("ps", "-axS", "-o", "pid=", "-o", "ppid=", "-o", "time=", "-o", "inblk=", "-o", "oublk=")
_PS_SECONDS = 10.0
_BLOCK = 512


@dataclass(frozen=True)
class Sample:
    """Seconds of CPU (with those of children that were waited for) and bytes of input and output."""

    cpu: float
    io: int


class Activity:
    """Looks at processes now and then.

    Where nothing can be seen, all counts as at work: hooks and sessions have limits of their own.
    """

    def __init__(self) -> None:
        self._looked, self._samples = time.monotonic(), dict[int, Sample]()

    def has_moved(self, roots: Iterable[int]) -> bool:
        """Return whether ROOTS and their descendants have worked since the last look; not before LOOK_SECONDS."""
        now = time.monotonic()
        if now - self._looked < LOOK_SECONDS:
            return False
        samples = _look(roots)
        if samples is None:
            self._looked = now
            return True
        cpu = io = 0.0
        for pid, sample in samples.items():
            before = self._samples.get(pid, Sample(0, 0) if self._samples else sample)
            cpu, io = cpu + sample.cpu - before.cpu, io + sample.io - before.io
        seconds, self._looked, self._samples = now - self._looked, now, samples
        return cpu >= CPU_SHARE * seconds or io >= IO_BYTES


def _look(roots: Iterable[int]) -> Optional[dict[int, Sample]]:
    """Return ROOTS and their descendants, None where nothing tells of them."""
    if _children(_PROC / "self/task" / str(os.getpid())) is not None:
        return {pid: sample for root in roots for pid, sample in _tree(root)}
    return _ask_ps(roots)


def _tree(root: int) -> Iterator[tuple[int, Sample]]:
    """Yield ROOT and its descendants; one that ends meanwhile is left out."""
    waiting = [root]
    while waiting:
        pid = waiting.pop()
        with contextlib.suppress(OSError, ValueError, IndexError):
            own = _PROC / str(pid)
            waiting.extend(int(child) for task in (own / "task").iterdir() for child in _children(task) or ())
            yield pid, _sample(own)


def _children(task: Path) -> Optional[list[str]]:
    with contextlib.suppress(OSError):
        return (task / "children").read_text("ascii").split()
    return None


def _sample(process: Path) -> Sample:
    # The name may hold blanks and brackets: the fields begin after the last bracket, with the third.
    fields = (process / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    ticks = sum(int(field) for field in fields[11:15])
    lines = [line.partition(": ") for line in _io_of(process).splitlines()]
    moved = sum(int(value) for name, _sep, value in lines if name in _IO_FIELDS)
    return Sample(ticks / os.sysconf("SC_CLK_TCK"), moved)


def _io_of(process: Path) -> str:
    with contextlib.suppress(FileNotFoundError):  # a kernel that does not count it
        return (process / "io").read_text("ascii")
    return ""


def _ask_ps(roots: Iterable[int]) -> Optional[dict[int, Sample]]:
    clean = {"PATH": "/usr/bin:/bin", "LC_ALL": "C"}
    with contextlib.suppress(OSError, ValueError, subprocess.SubprocessError):
        done = subprocess.run(_PS, env=clean, capture_output=True, timeout=_PS_SECONDS, check=True, cwd="/")
        return _read_ps(done.stdout.decode("ascii", "replace"), roots)
    return None


def _read_ps(text: str, roots: Iterable[int]) -> dict[int, Sample]:
    samples: dict[int, Sample] = {}
    children: dict[int, list[int]] = {}
    for line in text.splitlines():
        number, parent, spent, read, written = line.split()
        samples[int(number)] = Sample(_seconds(spent), _BLOCK * (int(read) + int(written)))
        children.setdefault(int(parent), []).append(int(number))
    waiting, found = list(roots), dict[int, Sample]()
    while waiting:
        pid = waiting.pop()
        if pid in samples:
            found[pid] = samples.pop(pid)
            waiting.extend(children.get(pid, ()))
    return found


def _seconds(spent: str) -> float:
    """Return what ps calls time: minutes, seconds and hundredths (12:34.56), or days and hours before them."""
    days, _sep, clock = spent.rpartition("-")
    total = 24.0 * int(days or 0)
    for part in clock.split(":"):
        total = total * 60 + float(part)
    return total
