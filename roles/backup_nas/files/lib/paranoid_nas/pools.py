# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``zpool status`` prints, as data. No I/O."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import Optional

DATE = r"(\w{3} +\w{3} +\d+ +\d\d:\d\d:\d\d +\d{4})"
_SCRUBBED = re.compile(rf"scrub (?:repaired \S+ in|completed after) .*? with \d+ errors on {DATE}")
_MEMBER = re.compile(r"^( *)(\S+)(?: +[A-Z]+(?: .*)?)?$")
_KIND = re.compile(r"(mirror|raidz|draid)(\d?)(?:[-:].*)?")


@dataclass(frozen=True)
class Vdev:
    """Disks that stand in for each other, by their names for ZFS; ``name`` is such as ``mirror-0``."""

    name: str
    disks: tuple[str, ...]

    @property
    def may_lose(self) -> int:
        """How many of its disks may fail at once without a loss of data."""
        found = _KIND.fullmatch(self.name)
        if not found:
            return 0
        return len(self.disks) - 1 if found[1] == "mirror" else int(found[2] or 1)


def last_scrub(status: str) -> Optional[int]:
    """Return when the last scrub ended, in seconds since 1970; None while another scan stands in its place.

    ZFS remembers one scan: a scrub that goes on or was cancelled, and a resilver, hide the scrub before them. It prints
    local time.
    """
    found = _SCRUBBED.search(status)
    return read_date(found[1]) if found else None


def read_date(text: str) -> Optional[int]:
    """Return a moment of local time, such as ``Thu Nov 26 06:00:00 2026``, in seconds since 1970."""
    try:
        return int(time.mktime(time.strptime(" ".join(text.split()), "%a %b %d %H:%M:%S %Y")))
    except (ValueError, OverflowError):
        return None


def list_vdevs(status: str) -> list[Vdev]:
    """Return the groups of disks of a pool, also those for logs and metadata, but no spares and no cache."""
    lines = status.expandtabs(8).partition("config:")[2].partition("errors:")[0].splitlines()
    members = [(len(found[1]), found[2]) for line in lines if (found := _MEMBER.match(line.rstrip()))]
    start = next((place for place, (_depth, name) in enumerate(members) if name == "NAME"), None)
    if start is None:
        return []
    outer, part = members[start][0], ""
    vdevs: list[tuple[str, list[str]]] = []
    for place, (depth, name) in enumerate(members[start + 1 :], start + 2):
        if depth <= outer:
            part = name
        elif part not in ("spares", "cache"):
            is_leaf = place >= len(members) or members[place][0] <= depth
            if depth == outer + 2:
                vdevs.append((name, [name] if is_leaf else []))
            elif is_leaf and vdevs:
                vdevs[-1][1].append(name)
    return [Vdev(name, tuple(disks)) for name, disks in vdevs]
