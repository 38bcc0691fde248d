# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which directories are mount points now, and which /etc/fstab or systemd want to be."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_ESCAPE = re.compile(r"\\([0-7]{3})")
_PLACEHOLDER = "autofs"  # stands at a mount point until something is mounted over it
_UNITS = ("*.wants/*.mount", "*.requires/*.mount", "*.wants/*.automount", "*.requires/*.automount")


@dataclass(frozen=True)
class Mounts:
    """``now``: what is mounted, and not hidden by another mount; ``wanted``: what the system mounts by itself.

    At what is ``waiting`` something is mounted as soon as it is entered.
    """

    now: frozenset[str]
    wanted: tuple[str, ...]
    waiting: frozenset[str] = frozenset()

    @classmethod
    def read(
        cls,
        proc: Path = Path("/proc/self/mountinfo"),
        fstab: Path = Path("/etc/fstab"),
        units: Path = Path("/etc/systemd/system"),
    ) -> Mounts:
        """Read all from the system; what is not there counts as empty."""
        kinds = _mounted(_lines(proc))
        waiting = frozenset(path for path, kind in kinds.items() if kind == _PLACEHOLDER)
        wanted = dict.fromkeys([*_wanted(_lines(fstab)), *_wanted_by_units(units)])
        return cls(frozenset(kinds) - waiting, tuple(wanted), waiting)

    def has(self, path: str) -> bool:
        """Whether something is mounted at PATH; bind mounts count, too."""
        return path in self.now or os.path.ismount(path)

    def misses(self, path: str) -> bool:
        """Whether nothing is mounted at PATH, nor will be when it is entered; fstab(5) may name it by a link."""
        places = {path, os.path.realpath(path)}
        return not any(place in self.waiting or self.has(place) for place in places)

    def wanted_below(self, sources: Iterable[str]) -> list[str]:
        """Return what the system mounts below one of SOURCES."""
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


def _mounted(lines: Iterable[str]) -> dict[str, str]:
    """Return mount points and their types, of those that a path leads to, from /proc/self/mountinfo (proc(5)).

    Its fields are the mount, the one it is mounted on, two others, and the mount point; the type follows a field '-'.
    """
    on: dict[tuple[str, str], str] = {}
    kinds: dict[str, tuple[str, str]] = {}
    for fields in map(str.split, lines):
        if "-" in fields[6:] and len(fields) > fields.index("-", 6) + 1:
            on[fields[1], _unescape(fields[4])] = fields[0]
            kinds[fields[0]] = _unescape(fields[4]), fields[fields.index("-", 6) + 1]
    roots = [mount for (below, path), mount in on.items() if path == "/" and below not in kinds]
    found: dict[str, str] = {}
    for path, _kind in kinds.values():
        point, kind = kinds.get(_reached(path, roots[0] if roots else "", on), ("", ""))
        if point == path:
            found[path] = kind
    return found


def _reached(path: str, mount: str, on: dict[tuple[str, str], str]) -> str:
    """Return the mount that the kernel comes to when it follows PATH from the root MOUNT."""
    parts = [part for part in path.split("/") if part]
    for end in range(len(parts) + 1):
        step = "/" + "/".join(parts[:end])
        while (mount, step) in on:
            mount = on[mount, step]
    return mount


def _wanted(lines: Iterable[str]) -> list[str]:
    """Return the mount points of fstab(5): field 2, unless the options (field 4) leave it to somebody."""
    rows = [line.split() for line in lines if not line.lstrip().startswith("#")]
    wanted = [row[1] for row in rows if len(row) > 3 and "noauto" not in row[3].split(",")]
    return [_unescape(path) for path in wanted if path.startswith("/")]


def _wanted_by_units(folder: Path) -> list[str]:
    """Return the mount points of units of systemd.mount(5) that somebody enabled; one with specifiers is left out."""
    lines = (line for pattern in _UNITS for path in sorted(folder.glob(pattern)) for line in _lines(path))
    named = (line.partition("=")[2].strip() for line in lines if line.replace(" ", "").startswith("Where="))
    return [path for path in named if path.startswith("/") and "%" not in path]


def _unescape(field: str) -> str:
    return _ESCAPE.sub(lambda match: chr(int(match[1], 8)), field)
