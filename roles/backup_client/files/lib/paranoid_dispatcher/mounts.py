# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which directories are mount points now, and which /etc/fstab wants to be."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_ESCAPE = re.compile(r"\\([0-7]{3})")
_PLACEHOLDER = "autofs"  # stands at a mount point until something is mounted over it


@dataclass(frozen=True)
class Mounts:
    """``now``: what is mounted; ``wanted``: what /etc/fstab mounts by itself."""

    now: frozenset[str]
    wanted: tuple[str, ...]

    @classmethod
    def read(cls, proc: Path = Path("/proc/self/mountinfo"), fstab: Path = Path("/etc/fstab")) -> Mounts:
        """Read both from the system; what is not there counts as empty."""
        return cls(_mounted(_lines(proc)), _wanted(_lines(fstab)))

    def has(self, path: str) -> bool:
        """Whether something is mounted at PATH; bind mounts count, too."""
        return path in self.now or os.path.ismount(path)

    def wanted_below(self, sources: Iterable[str]) -> list[str]:
        """Return what fstab mounts below one of SOURCES."""
        roots = [path.rstrip("/") + "/" for path in sources]
        return [path for path in self.wanted if any(path.startswith(root) for root in roots)]


def is_apart(path: str) -> bool:
    """Tell whether PATH lies on another file system than /."""
    try:
        return os.lstat(path).st_dev != os.lstat("/").st_dev
    except OSError:
        return False


def _lines(path: Path) -> list[str]:
    try:
        return path.read_bytes().decode("utf-8", "surrogateescape").split("\n")
    except OSError:
        return []


def _mounted(lines: Iterable[str]) -> frozenset[str]:
    """Return the mount points of /proc/self/mountinfo (proc(5)): field 5; the type follows a field of its own, '-'."""
    last: dict[str, str] = {}
    for fields in map(str.split, lines):
        if "-" in fields[6:] and len(fields) > fields.index("-", 6) + 1:
            last[_unescape(fields[4])] = fields[fields.index("-", 6) + 1]
    return frozenset(path for path, kind in last.items() if kind != _PLACEHOLDER)


def _wanted(lines: Iterable[str]) -> tuple[str, ...]:
    """Return the mount points of fstab(5): field 2, unless the options (field 4) leave it to somebody."""
    rows = [line.split() for line in lines if not line.lstrip().startswith("#")]
    wanted = [row[1] for row in rows if len(row) > 3 and "noauto" not in row[3].split(",")]
    return tuple(dict.fromkeys(_unescape(path) for path in wanted if path.startswith("/")))


def _unescape(field: str) -> str:
    return _ESCAPE.sub(lambda match: chr(int(match[1], 8)), field)
