# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real limit of memory: a control group of the kernel, which kills in it for want of memory."""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from waiting import wait_until

_FIRST, _SECOND = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")
_LIMITS = {  # of both versions of control groups: what is limited, and to what more than memory
    _FIRST: ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "memory.oom_control"),
    _SECOND: ("memory.max", "memory.swap.max", "memory.events"),
}


@dataclass(frozen=True)
class MemoryLimit:
    """A control group. ``place`` is its directory."""

    place: Path
    events: str

    def take(self, *pids: int) -> None:
        """Have it hold processes; what they start later is in it as well."""
        for pid in pids:
            (self.place / "cgroup.procs").write_text(str(pid))

    @property
    def entering(self) -> list[str]:
        """The words before a command that make it start in here."""
        return ["sh", "-c", f'echo $$ >{self.place}/cgroup.procs; exec "$@"', "sh"]

    @property
    def kills(self) -> int:
        """How many processes the kernel has killed in here."""
        found = re.search(r"^oom_kill (\d+)$", (self.place / self.events).read_text(), re.MULTILINE)
        return int(found[1]) if found else 0


@contextmanager
def memory_limit(size: int) -> Iterator[MemoryLimit]:
    """Yield a group whose processes have so many bytes together, and nothing to swap to."""
    base = _FIRST if _FIRST.is_dir() else _SECOND
    limit, swap, events = _LIMITS[base]
    place = base / f"paranoid-{uuid.uuid4().hex}"
    try:
        if base is _SECOND:
            (base / "cgroup.subtree_control").write_text("+memory")
        place.mkdir()
        (place / limit).write_text(str(size))
    except OSError as error:
        if place.is_dir():
            place.rmdir()
        pytest.skip(f"NOT TESTED: a limit of memory; this machine grants none ({error.strerror})")
    if (place / swap).exists():
        (place / swap).write_text(str(size if base is _FIRST else 0))
    try:
        yield MemoryLimit(place, events)
    finally:
        assert wait_until(lambda: not (place / "cgroup.procs").read_text(), 30), "processes are left in it"
        os.rmdir(place)
