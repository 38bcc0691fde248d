# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with a NAS, of what was measured. No I/O: the time is handed in."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Optional

from paranoid_nas.disks import Disk
from paranoid_nas.policy import DAY, Snapshot, grouped, is_own
from paranoid_nas.pools import Vdev
from paranoid_nas.seen import Attempt, days_until_full

_COUNT = re.compile(
    r"^[ \t]+(\S+)[ \t]+([A-Z]+)[ \t]+(\d\S*)[ \t]+(\d\S*)[ \t]+(\d\S*)(?:[ \t].*)?$", re.MULTILINE
)  # device, state, three counters, and what else it says of the device
_SCRUB = re.compile(
    r"scrub repaired (\S+) in .*? with (\d+) errors on (.+)|scrub completed after .*? with (\d+) errors on (.+)"
)
_ONE = {"snapshots": "snapshot", "copies": "copy"}
_NAMED = 5  # of the datasets in one line
_LIKE_HOURS = 60 * 24  # disks that ran for as long, give or take, came together
_LEEWAY = {"snapshots": 3600, "copies": DAY}  # seconds that the first one may take, and begin later than is known
_WORN_OUT = 90  # per cent of what a solid-state disk is made for
_LOSSY = {"sync": ("disabled", "standard"), "logbias": ("throughput", "latency")}


@dataclass(frozen=True)
class Limits:
    """After how many days something is late; how full a pool may be in per cent, and in how many days it may be full.

    ZFS slows down in a full pool, and nothing is left for what a compaction frees while snapshots hold it.
    """

    snapshot: float = 2
    copy: float = 8
    scrub: float = 40
    full_percent: float = 80
    full_days: float = 30

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> Limits:
        """Return those of a configuration; older ones have none, or not all."""
        return cls(**{name: float(raw[name]) for name in cls.__dataclass_fields__ if name in raw})


@dataclass(frozen=True)
class Pool:
    """A pool of ZFS, or a file system of btrfs, as it was measured; None is what could not be.

    ``faults`` is what it says itself of what is wrong, one line each. ``used`` and ``size`` are bytes, ``rate`` bytes a
    day, ``born`` and ``scrubbed`` seconds since 1970. ``unreadable`` is why nothing else is known.
    """

    name: str
    faults: tuple[str, ...] = ()
    capacity: str = ""
    used: Optional[int] = None
    size: Optional[int] = None
    rate: Optional[float] = None
    born: Optional[int] = None
    scrubbed: Optional[int] = None
    vdevs: tuple[Vdev, ...] = ()
    disks: tuple[Disk, ...] = ()
    unreadable: str = ""
    kind: str = "pool"
    how_to_scrub: str = "zpool scrub"

    @property
    def label(self) -> str:
        """Its name for people."""
        return f"{self.kind} {self.name}"

    @property
    def full_in_days(self) -> Optional[float]:
        """After how many days it is full if it goes on so; None if nobody knows, or it does not fill."""
        return days_until_full(self.rate, self.used, self.size)


@dataclass(frozen=True)
class Line:
    """Datasets that ``what`` should exist of, ``snapshots`` or ``copies``: when the newest of each was made.

    ``days`` is when one is late; ``due`` when the first of those that have none is made, in seconds since 1970;
    ``unreadable`` is why nothing is known; ``last`` is the last run for a copy.
    """

    what: str
    root: str
    newest: Mapping[str, Optional[int]]
    days: float
    unreadable: str = ""
    due: Mapping[str, float] = field(default_factory=dict)
    last: Optional[Attempt] = None

    def awaited(self, now: float) -> dict[str, float]:
        """Return when the first is due of each dataset that has none because it is too new; no day is far away."""
        missing = {name: self.due[name] for name in self.due if self.newest.get(name) is None}
        return {name: due for name, due in missing.items() if now - _LEEWAY[self.what] <= due <= now + 2 * DAY}


def judge(
    pools: Sequence[Pool], lines: Sequence[Line], now: float, limits: Limits, lossy: Sequence[str] = ()
) -> list[str]:
    """Return what somebody should look at, one line each, what is most urgent first; ``lossy`` is one of it."""
    readable = [pool for pool in pools if not pool.unreadable]
    return [
        *(f"{pool.label}: {pool.unreadable}" for pool in pools if pool.unreadable),
        *(line for pool in readable for line in pool.faults),
        *(line for pool in readable for disk in pool.disks for line in disk_problems(pool.label, disk)),
        *lossy,
        *(line for one in lines for line in line_problems(one, now)),
        *(line for pool in readable for line in room_problems(pool, limits)),
        *(line for pool in readable for line in scrub_problems(pool, now, limits.scrub)),
    ]


def pool_problems(pool: str, status: str) -> list[str]:
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
    scrubbed = _SCRUB.search(status)
    if scrubbed and (scrubbed[2] or scrubbed[4]) != "0":
        wrong.append(f"the last scrub of {pool} left {scrubbed[2] or scrubbed[4]} errors")
    elif scrubbed and scrubbed[1] and scrubbed[1] not in ("0", "0B"):
        wrong.append(f"the last scrub of {pool} repaired {scrubbed[1]}")
    return wrong


def lossy_problems(listed: str) -> list[str]:
    """Return a line for each property with which a power cut loses what was acknowledged, set here or inherited.

    ``listed`` is what ``zfs list -H -o name,sync,logbias`` prints. The middleware of a TrueNAS does not know logbias.
    """
    rows = [dict(zip(("name", *_LOSSY), line.split("\t"))) for line in listed.splitlines()]
    found = []
    for prop, (lossy, safe) in _LOSSY.items():
        names = [row["name"] for row in rows if row.get(prop) == lossy]
        if names:
            cure = f"zfs set {prop}={safe} {names[0]}"
            found.append(f"{prop}={lossy} of {_some(names)}: a power cut loses what was acknowledged ({cure})")
    return found


def room_problems(pool: Pool, limits: Limits) -> list[str]:
    """Return a line if a pool is too full, or soon will be; one whose size is not known is not well."""
    percent = pool.capacity.rstrip("%")
    if not percent.isdigit():
        return [f"how full {pool.label} is cannot be told"]
    if int(percent) >= limits.full_percent:
        return [f"{pool.label} is {percent} % full"]
    days = pool.full_in_days
    soon = days is not None and days < limits.full_days
    return [f"{pool.label} is {percent} % full, and full in {days:.0f} days if it goes on so"] if soon else []


def scrub_problems(pool: Pool, now: float, days: float) -> list[str]:
    """Return a line if a pool was not read from end to end for so many days; a new one has as many days."""
    if pool.scrubbed is None and pool.born is not None and -1 <= (now - pool.born) / DAY <= days:
        return []
    if pool.scrubbed is None:
        return [f"no scrub of {pool.label} was seen: {pool.how_to_scrub} {pool.name}, and have it done each month"]
    return late(f"scrubs of {pool.label}", pool.scrubbed, now, days)


def line_problems(line: Line, now: float) -> list[str]:
    """Return a line if the last run failed, and for each dataset whose newest is late, or why that cannot be told."""
    failed = f"{line.what} of {line.root}: the last run failed: {line.last.failure}" if line.last else ""
    late_ones = [text for lines in _find_late(line, now).values() for text in lines]
    return [failed, *late_ones] if line.last and line.last.failure else late_ones


def list_late(line: Line, now: float) -> list[str]:
    """Return the datasets whose newest is late; the root is all of them, where nothing can be told."""
    return list(_find_late(line, now))


def _find_late(line: Line, now: float) -> dict[str, list[str]]:
    if line.unreadable:
        return {line.root: [f"{line.what} of {line.root}: {line.unreadable}"]}
    if not line.newest:
        return {line.root: [f"{line.what} of {line.root}: there is none"]}
    there = {name: newest for name, newest in line.newest.items() if name not in line.awaited(now)}
    found = {name: late(f"{line.what} of {name}", newest, now, line.days) for name, newest in there.items()}
    return {name: lines for name, lines in found.items() if lines}


def list_awaited(lines: Iterable[Line], now: float) -> list[str]:
    """Return what has no snapshot or copy yet because it is new, one line for each moment at which they are due."""
    groups: dict[str, list[str]] = {}
    for line in lines:
        for name, due in line.awaited(now).items():
            when = time.strftime("%Y-%m-%d %H:%M", time.localtime(due))
            groups.setdefault(f"first {_ONE[line.what]} due {when}", []).append(name)
    return [f"{what}: {_some(names)}" for what, names in groups.items()]


def list_at_work(lines: Iterable[Line]) -> list[str]:
    """Return a line for each copy whose last run has not ended: it is at work, or was killed."""
    begun = ((line, line.last.began) for line in lines if line.last and line.last.ended is None)
    since = [(line, time.strftime("%Y-%m-%d %H:%M", time.localtime(began))) for line, began in begun]
    return [f"{line.what} of {line.root}: at work since {when}, or cut off" for line, when in since]


def disk_problems(pool: str, disk: Disk) -> list[str]:
    """Return what a disk says of itself that somebody should know before it fails."""
    where, smart = f"disk {disk.label} of {pool}", disk.smart
    found = (
        (smart.passed is False, f"{where} says that it is failing (SMART): replace it"),
        (bool(smart.bad_sectors), f"{where} could not read {smart.bad_sectors} of its sectors (SMART)"),
        ((smart.worn or 0) >= _WORN_OUT, f"{where} is worn to {smart.worn} % (SMART)"),
    )
    return [line for is_so, line in found if is_so]


def late(what: str, newest: Optional[int], now: float, days: float) -> list[str]:
    """Return a line if the newest of something is older than that many days, missing, or from the future."""
    if newest is None:
        return [f"{what}: there is none"]
    age = (now - newest) / DAY
    if age > days:
        return [f"{what}: the newest is {age:.1f} days old"]
    return [f"{what}: the newest is {-age:.1f} days ahead of the clock"] if age < -1 else []


def list_alike(pool: Pool) -> list[str]:
    """Return a line for each group of disks that loses data if those of one model and age fail together.

    That is no fault of today's; disks of one batch fail in the same weeks. Whose age is not known counts as alike.
    """
    by_name = {disk.name: disk for disk in pool.disks}
    found = []
    for vdev in pool.vdevs:
        disks = [by_name[name] for name in vdev.disks if name in by_name and by_name[name].model]
        like = max(([two for two in disks if _are_alike(one, two)] for one in disks), key=len, default=[])
        if vdev.may_lose and len(like) > vdev.may_lose:
            age = "" if like[0].smart.hours is None else f", {like[0].smart.hours // 24} days in use"
            found.append(
                f"{vdev.name} of {pool.label}: {len(like)} of {len(vdev.disks)} disks are of one model and age "
                f"({like[0].model}{age}), and it may lose {vdev.may_lose}"
            )
    return found


def list_unknown(pool: Pool) -> list[str]:
    """Return what could not be measured of the disks of a pool, one line for each reason."""
    groups: dict[str, list[str]] = {}
    for disk in pool.disks:
        if disk.smart.unknown:
            groups.setdefault(disk.smart.unknown, []).append(disk.label)
    return [f"SMART of {', '.join(names)} of {pool.label}: {why}" for why, names in groups.items()]


def newest_ages(snapshots: Iterable[Snapshot], datasets: Sequence[str]) -> dict[str, Optional[int]]:
    """Return when the newest own snapshot of each dataset was made."""
    own = grouped(one for one in snapshots if is_own(one.name))
    return {dataset: max((one.created for one in own.get(dataset, ())), default=None) for dataset in datasets}


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _are_alike(one: Disk, two: Disk) -> bool:
    hours = (one.smart.hours, two.smart.hours)
    same_age = None in hours or abs((hours[0] or 0) - (hours[1] or 0)) <= _LIKE_HOURS
    return one.model == two.model and same_age
