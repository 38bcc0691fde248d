# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure a NAS: its pools, their disks, and how old the newest snapshot of every dataset and copy is."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, Optional

from paranoid_nas.asking import read
from paranoid_nas.at_hand import is_btrfs, storage_of
from paranoid_nas.disks import describe_disk
from paranoid_nas.health import (
    Limits,
    Line,
    Pool,
    judge,
    list_alike,
    list_at_work,
    list_awaited,
    list_late,
    list_unknown,
    lossy_problems,
    newest_ages,
    pool_problems,
)
from paranoid_nas.policy import is_own, next_daily
from paranoid_nas.pools import last_scrub, list_vdevs
from paranoid_nas.replication import SERVER
from paranoid_nas.seen import Seen, add_sample, add_scrub, growth
from paranoid_nas.storage import NasError, Storage, going_on
from paranoid_nas.volumes import last_volume_scrub, list_devices, volume_born, volume_problems
from paranoid_nas.zfs import Zfs

_LOSSY = "name,sync,logbias"
PATIENCE = 60.0  # seconds for all of it: a pool that is gone answers nothing, and a run of backups waits


def look(config: Mapping[str, Any], seen: Seen, now: float) -> dict[str, Any]:
    """Return what was measured, and under ``problems`` what somebody should look at, one line each.

    ``newest`` and ``measured`` are seconds since 1970 by this machine's clock; ``ages`` are seconds, of what is oldest
    among the newest, and None where one is missing; ``first_due`` says when there will be one of what is new. Of each
    of the ``lines``, snapshots and copies, ``late`` names the datasets of which one is; the root stands for all.
    """
    until, root = time.monotonic() + PATIENCE, str(config["dataset"])
    zfs = Zfs(until=until)
    limits = Limits.of(config.get("limits") or {})
    here = _list_pools(zfs)
    away = {one["dataset"].partition("/")[0] for one in config["copies"] if one.get("removable")} - here
    pools = [measure_volume(root, seen, until)] if is_btrfs(config) else []
    pools += [measure_pool(zfs, name, seen) for name in _pools(config) if name not in away]
    lines = _measure_lines(config, zfs, away, seen, limits)
    return {
        "schema": 1,
        "measured": int(now),
        "pools": {pool.name: _describe(pool) for pool in pools},
        "newest": {line.root: dict(line.newest) for line in lines},
        "ages": {
            "snapshot": _oldest([lines[0]], now),
            "copy": _oldest(lines[1:], now),
            "scrub": _age([pool.scrubbed for pool in pools], now),
        },
        "lines": [{"what": line.what, "root": line.root, "late": list_late(line, now)} for line in lines],
        "problems": judge(pools, lines, now, limits, _list_lossy(config, zfs, away)),
        "first_due": {name: int(due) for line in lines for name, due in line.awaited(now).items()},
        "remarks": [
            *list_awaited(lines, now),
            *list_at_work(lines),
            *(line for pool in pools for line in list_alike(pool)),
        ],
        "unknown": [line for pool in pools for line in list_unknown(pool)],
    }


def _measure_lines(config: Mapping[str, Any], zfs: Zfs, away: set[str], seen: Seen, limits: Limits) -> list[Line]:
    """Return the line of the snapshots and of each copy; of pools that are AWAY nothing is asked."""
    root, at = str(config["dataset"]), config.get("snapshot_at")
    lines = [_measure_snapshots(storage_of(config, zfs.until), root, limits.snapshot, at)]
    for copy in config["copies"]:
        days = float(copy.get("late_days") or limits.copy)
        is_away = copy["dataset"].partition("/")[0] in away
        line = _measure_copy(None if is_away else zfs, copy["dataset"], root, copy, days, seen, at)
        lines.append(replace(line, last=seen.attempts.get(copy["dataset"])))
    return lines


def measure_pool(zfs: Zfs, name: str, seen: Seen) -> Pool:
    """Return a pool as it is."""
    try:
        status = zfs.read("zpool", "status", name)
        capacity = zfs.read("zpool", "list", "-H", "-o", "capacity", name).strip()
        numbers = zfs.read("zfs", "get", "-Hp", "-o", "value", "used,available,creation", name).split()
        used, free, born = map(int, numbers)
    except (NasError, ValueError) as error:
        return Pool(name, unreadable=str(error))
    try:
        vdevs = list_vdevs(zfs.read("zpool", "status", "-P", name))
    except NasError:  # Older ones do not know -P.
        vdevs = list_vdevs(status)
    until = zfs.until or time.monotonic() + PATIENCE
    disks = [describe_disk(disk, until) for vdev in vdevs for disk in vdev.disks]
    return Pool(
        name,
        tuple(pool_problems(name, status)),
        capacity,
        used,
        used + free,
        growth(seen.samples.get(name, [])),
        born,
        _newer(last_scrub(status), seen.scrubs.get(name)),
        tuple(vdevs),
        tuple(disks),
    )


def measure_volume(path: str, seen: Seen, until: float) -> Pool:
    """Return the file system of btrfs that a subvolume is in, as it is."""
    try:
        stats = read(["btrfs", "device", "stats", path], until)
        usage = read(["btrfs", "filesystem", "usage", "-b", path], until)
        shown = read(["btrfs", "subvolume", "show", path], until)
        scrubbed = _newer(_volume_scrub(path, until), seen.scrubs.get(path))
        used, size = _volume_room(path)
    except NasError as error:
        return Pool(path, unreadable=str(error), kind="btrfs")
    return Pool(
        path,
        tuple(volume_problems(path, stats, usage)),
        f"{100 * used // max(size, 1)}%",
        used,
        size,
        growth(seen.samples.get(path, [])),
        volume_born(shown),
        scrubbed,
        disks=tuple(describe_disk(device, until) for device in list_devices(stats)),
        kind="btrfs",
        how_to_scrub="btrfs scrub start",
    )


def remember_pools(config: Mapping[str, Any], seen: Seen, now: float) -> Seen:
    """Note how full each pool is, and when its scrub ended, for the days to come; NasError if that cannot be told."""
    until = time.monotonic() + PATIENCE
    if is_btrfs(config):
        path = config["dataset"]
        seen = add_sample(seen, path, now, _volume_room(path)[0])
        seen = add_scrub(seen, path, _volume_scrub(path, until))
    zfs = Zfs(until=until)
    here = _list_pools(zfs)
    for name in _pools(config):
        if name in here:
            seen = add_sample(seen, name, now, int(zfs.read("zfs", "get", "-Hp", "-o", "value", "used", name)))
            seen = add_scrub(seen, name, last_scrub(zfs.read("zpool", "status", name)))
    return seen


def measure_arrived(source: Zfs, root: str, target: Zfs, copy: str) -> dict[str, Optional[int]]:
    """Return the newest that a copy has of each dataset of its source that has a snapshot, while both can be asked."""
    there = {one.dataset for one in source.snapshots(root) if is_own(one.name)}
    expected = [_place(copy, root, dataset) for dataset in source.datasets(root) if dataset in there]
    return newest_ages(target.snapshots(copy), expected)


def _volume_room(path: str) -> tuple[int, int]:
    """Return bytes in use and in all."""
    try:
        space = os.statvfs(path)
    except OSError as error:
        raise NasError(f"{path}: {error.strerror}") from None
    return (space.f_blocks - space.f_bavail) * space.f_frsize, space.f_blocks * space.f_frsize


def _volume_scrub(path: str, until: float) -> Optional[int]:
    return last_volume_scrub(read(["btrfs", "scrub", "status", path], until))


def _newer(*moments: Optional[int]) -> Optional[int]:
    return max((one for one in moments if one is not None), default=None)


def _measure_snapshots(storage: Storage, root: str, days: float, at: Optional[str]) -> Line:
    try:
        datasets = storage.datasets(root)
        newest = newest_ages(storage.snapshots(root), [one for one in datasets if one != root] or datasets)
        due = _first_due(storage, {name: name for name, moment in newest.items() if moment is None}, at)
    except NasError as error:
        return Line("snapshots", root, {}, days, str(error))
    return Line("snapshots", root, newest, days, due=due)


def _list_lossy(config: Mapping[str, Any], zfs: Zfs, away: Collection[str]) -> list[str]:
    """Return a line for each property that loses data, of datasets that are here; what cannot be read has its line."""
    own = [] if is_btrfs(config) else [config["dataset"]]
    roots = [*own, *(copy["dataset"] for copy in config["copies"])]
    found: list[str] = []
    for root in (one for one in roots if one.partition("/")[0] not in away):
        with going_on([]):  # as a ZFS that does not know these properties
            found += lossy_problems(zfs.read("zfs", "list", "-H", "-t", "filesystem", "-o", _LOSSY, "-r", root))
    return found


def _first_due(storage: Storage, datasets: Mapping[str, str], at: Optional[str]) -> dict[str, float]:
    """Return when the first snapshot of each dataset was due after it was made; by the names that they are given."""
    born = {name: storage.born(dataset) for name, dataset in datasets.items()}
    return {name: next_daily(moment, at) for name, moment in born.items() if moment is not None}


def _measure_copy(
    zfs: Optional[Zfs], copy: str, root: str, settings: Mapping[str, Any], days: float, seen: Seen, at: Optional[str]
) -> Line:
    """Measure a copy, or say what the last run saw of one whose disk is not plugged in (``zfs`` is None).

    What a copy should have is what its source has: a client that never came there is missed.
    """
    expected, here = dict(seen.copies.get(copy, {})), dict[str, str]()
    if zfs is None:
        return Line("copies", copy, expected, days)
    try:
        if settings.get("source", root) == root and not settings.get("source_command"):
            here = {_place(copy, root, dataset): dataset for dataset in zfs.datasets(root)}
            expected = dict.fromkeys(here)
        names = list(expected) or [one for one in zfs.datasets(copy) if one != copy]
        newest = newest_ages(zfs.snapshots(copy), names)
        missing = {name: here[name] for name in names if newest[name] is None and name in here}
        return Line("copies", copy, newest, days, due=_first_due(zfs, missing, at))
    except NasError as error:
        return Line("copies", copy, {}, days, str(error))


def _place(copy: str, root: str, dataset: str) -> str:
    """Return where the copy of a dataset lies."""
    return f"{copy}{dataset[len(root) :] or SERVER}"


def _pools(config: Mapping[str, Any]) -> list[str]:
    """Return the pools of ZFS of this NAS and of its copies."""
    own = [] if is_btrfs(config) else [config["dataset"]]
    datasets = [*own, *(copy["dataset"] for copy in config["copies"])]
    return list(dict.fromkeys(name.partition("/")[0] for name in datasets))


def _list_pools(zfs: Zfs) -> set[str]:
    try:
        return set(zfs.read("zpool", "list", "-H", "-o", "name").split())
    except NasError:  # Each pool says so by itself.
        return set()


def _oldest(lines: list[Line], now: float) -> Optional[int]:
    if any(line.unreadable or not line.newest for line in lines):
        return None
    present = [(line.newest, line.awaited(now)) for line in lines]
    return _age([moment for newest, new in present for name, moment in newest.items() if name not in new], now)


def _age(moments: list[Optional[int]], now: float) -> Optional[int]:
    known = [moment for moment in moments if moment is not None]
    return int(now - min(known)) if known and len(known) == len(moments) else None


def _describe(pool: Pool) -> dict[str, Any]:
    return {
        "capacity": pool.capacity,
        "used": pool.used,
        "size": pool.size,
        "full_in_days": None if pool.full_in_days is None else round(pool.full_in_days, 1),
        "disks": [
            {
                "name": disk.label,
                "healthy": disk.smart.passed,
                "hours": disk.smart.hours,
            }
            for disk in pool.disks
        ],
    }
