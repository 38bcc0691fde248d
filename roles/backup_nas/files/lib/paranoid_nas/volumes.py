# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the program ``btrfs`` prints, as data. No I/O."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Optional

from paranoid_nas.pools import DATE, read_date

_STAT = re.compile(r"^\[(.+)\]\.(\w+)\s+(\d+)$", re.MULTILINE)  # of btrfs device stats
_NONE_MISSING = re.compile(r"^\s*Device missing:\s+0$", re.MULTILINE)  # of btrfs filesystem usage -b
# Of btrfs scrub status; the second words of each are those of versions before 5.2.
_STARTED = re.compile(rf"^\s*scrub (?:started|resumed)(?::| at)\s+{DATE}", re.MULTILINE | re.IGNORECASE)
_FINISHED = re.compile(r"^Status:\s+finished$|and finished after", re.MULTILINE)
_BORN = re.compile(r"^\s*Creation time:\s+(\d.*\d)\s*$", re.MULTILINE)  # of btrfs subvolume show


def volume_problems(path: str, stats: str, usage: str) -> list[str]:
    """Return what is wrong with a file system: errors that were counted, and devices that are missing."""
    counted = _STAT.findall(stats)
    wrong = [f"{device} of btrfs {path} counted {count} {kind}" for device, kind, count in counted if int(count)]
    if not counted:
        wrong.append(f"errors of the devices of btrfs {path} cannot be told")
    return wrong if _NONE_MISSING.search(usage) else [f"a device of btrfs {path} is missing", *wrong]


def list_devices(stats: str) -> list[str]:
    """Return the devices of a file system."""
    return list(dict.fromkeys(device for device, _kind, _count in _STAT.findall(stats)))


def last_volume_scrub(status: str) -> Optional[int]:
    """Return when the last scrub began, in seconds since 1970; None if it did not come to its end, or none was."""
    found = _STARTED.findall(status) if _FINISHED.search(status) else []
    return read_date(found[-1]) if found else None


def volume_born(shown: str) -> Optional[int]:
    """Return when a subvolume was made, in seconds since 1970; None if that is not said."""
    found = _BORN.search(shown)
    try:
        return int(datetime.strptime(found[1], "%Y-%m-%d %H:%M:%S %z").timestamp()) if found else None
    except (ValueError, OverflowError):
        return None
