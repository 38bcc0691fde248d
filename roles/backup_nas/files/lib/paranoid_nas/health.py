# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the NAS is: pools, and the ages of snapshots, copies and scrubs, as measured and not as planned."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Optional

from paranoid_nas.policy import DAY, Snapshot, own_snapshots
from paranoid_nas.zfs import NasError, Zfs

_COUNT = re.compile(
    r"^[ \t]+(\S+)[ \t]+([A-Z]+)[ \t]+(\d\S*)[ \t]+(\d\S*)[ \t]+(\d\S*)[ \t]*$", re.MULTILINE
)  # device, state, three counters
_SCRUB = re.compile(
    r"scrub repaired (\S+) in .*? with (\d+) errors on (.+)|scrub completed after .*? with (\d+) errors on (.+)"
)
_FULL = 80  # per cent: ZFS slows down, and nothing is left for what a compaction frees


@dataclass(frozen=True)
class Limits:
    """After how many days something is late."""

    snapshot: int = 2
    copy: int = 8
    scrub: int = 40


def pool_problems(pool: str, status: str, capacity: str) -> list[str]:
    """Return what is wrong with a pool, of what ``zpool status`` prints."""
    found = re.search(r"^\s*state: (\S+)", status, re.MULTILINE)
    state = found[1] if found else "unknown"
    wrong = [] if state == "ONLINE" else [f"pool {pool} is {state}"]
    errors = re.search(r"^errors: (.+)", status, re.MULTILINE)
    if errors and errors[1] != "No known data errors":
        wrong.append(f"pool {pool}: {errors[1]}")
    for device, _state, *counts in _COUNT.findall(status):
        if any(count != "0" for count in counts):
            wrong.append(f"{device} of pool {pool} had {' '.join(counts)} errors of reading, writing and checksums")
    if capacity.rstrip("%").isdigit() and int(capacity.rstrip("%")) >= _FULL:
        wrong.append(f"pool {pool} is {capacity.rstrip('%')} % full")
    scrubbed = _SCRUB.search(status)
    if scrubbed and (scrubbed[2] or scrubbed[4]) != "0":
        wrong.append(f"the last scrub of {pool} left {scrubbed[2] or scrubbed[4]} errors")
    elif scrubbed and scrubbed[1] and scrubbed[1] not in ("0", "0B"):
        wrong.append(f"the last scrub of {pool} repaired {scrubbed[1]}")
    return wrong


def late(what: str, newest: Optional[int], now: float, days: int) -> list[str]:
    """Return a line if the newest of something is older than that many days, missing, or from the future."""
    if newest is None:
        return [f"{what}: there is none"]
    age = (now - newest) / DAY
    if age > days:
        return [f"{what}: the newest is {age:.1f} days old"]
    return [f"{what}: the newest is {-age:.1f} days ahead of the clock"] if age < -1 else []


def newest_ages(snapshots: Iterable[Snapshot], datasets: Sequence[str]) -> dict[str, Optional[int]]:
    """Return when the newest own snapshot of each dataset was made."""
    everything = list(snapshots)
    own = {dataset: own_snapshots(everything, dataset) for dataset in datasets}
    return {dataset: found[-1].created if found else None for dataset, found in own.items()}


def look(zfs: Zfs, root: str, copies: Sequence[str], now: float, limits: Limits) -> dict[str, Any]:
    """Return what was measured, and under ``problems`` what somebody should look at, one line each."""
    problems: list[str] = []
    pools = {}
    for pool in dict.fromkeys(name.partition("/")[0] for name in (root, *copies)):
        try:
            capacity = zfs.read("zpool", "list", "-H", "-o", "capacity", pool).strip()
            wrong = pool_problems(pool, zfs.read("zpool", "status", pool), capacity)
        except NasError as error:
            capacity, wrong = "", [str(error)]
        pools[pool] = {"capacity": capacity, "problems": wrong}
        problems += wrong
    ages: dict[str, Any] = {}
    for name, days, kind in [(root, limits.snapshot, "snapshots"), *((one, limits.copy, "copies") for one in copies)]:
        try:
            datasets = [one for one in zfs.datasets(name) if one != name]
            found = newest_ages(zfs.snapshots(name), datasets)
        except NasError as error:
            problems.append(str(error))
            continue
        ages[name] = found
        for dataset, newest in found.items():
            problems += late(f"{kind} of {dataset}", newest, now, days)
    return {"schema": 1, "measured": int(now), "pools": pools, "newest": ages, "problems": problems}
