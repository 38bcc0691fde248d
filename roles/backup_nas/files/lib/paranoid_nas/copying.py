# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All copies that are configured, each for itself: what its source does, or leaves out, is no other copy's matter."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import Any

from paranoid_nas.at_hand import zfs_of
from paranoid_nas.locks import BusyError, alone, for_copy, giving_way, on_disk, taking_away
from paranoid_nas.measuring import measure_arrived
from paranoid_nas.policy import DAY, Rules
from paranoid_nas.replication import replicate, source_prefix
from paranoid_nas.seen import add_copy, begin_attempt, end_attempt, note
from paranoid_nas.snapshots import release_expired
from paranoid_nas.storage import NasError, going_on
from paranoid_nas.zfs import Zfs

Say = Callable[[str], None]
Copy = Mapping[str, Any]
AGAIN = float(DAY)  # seconds after which copies are made once more while another is still at work
_WAIT = 300.0  # seconds for a disk that another run imports or exports


def copy_all(config: Mapping[str, Any], path: str, say: Say, is_daily: bool = False) -> list[str]:
    """Return what went wrong, in the order of the copies; they are made at the same time.

    In turn, one whose source sends a byte an hour would keep the others waiting for ever. The scheduler starts no
    second run beside this one, so the others are made anew each day for as long as that goes on. ``path`` is that of
    the configuration. A copy that another run is at work on is left to it. A daily run takes that for well: status says
    since when, and when it is late.
    """

    def make(copy: Copy) -> list[str]:
        wrong: list[str] = []
        with going_on(wrong):
            try:
                with alone(path, for_copy(copy["dataset"])):
                    wrong += _bring(config, path, copy, say)
            except BusyError as error:
                if not is_daily:
                    raise
                say(str(error))
        return wrong

    return [line for wrong in _make_each(config["copies"], make) for line in wrong]


def _make_each(copies: Sequence[Copy], make: Callable[[Copy], list[str]]) -> list[list[str]]:
    """Return for each copy what was wrong when it was last made."""
    wrong: dict[int, list[str]] = {}
    with ThreadPoolExecutor(max(len(copies), 1)) as threads:
        begun = time.monotonic()
        at_work = {threads.submit(make, copy): number for number, copy in enumerate(copies)}
        while at_work:
            done = wait(at_work, max(begun + AGAIN - time.monotonic(), 0), FIRST_COMPLETED).done
            wrong.update({at_work.pop(one): one.result() for one in done})
            if at_work and time.monotonic() >= begun + AGAIN:
                begun = time.monotonic()
                free = set(range(len(copies))) - set(at_work.values())
                at_work.update({threads.submit(make, copies[number]): number for number in sorted(free)})
    return [wrong[number] for number in range(len(copies))]


def _bring(config: Mapping[str, Any], path: str, copy: Copy, say: Say) -> list[str]:
    """Make one copy; a removable disk that is not plugged in is well, until status says that it is late."""
    zfs, name, wrong = zfs_of(config), copy["dataset"], list[str]()
    with going_on(wrong), _disk(path, zfs, copy) as is_there:
        if not is_there:
            say(f"{name.partition('/')[0]} is not plugged in")
            return []
        with going_on(wrong):
            note(path, lambda seen: begin_attempt(seen, name, time.time()))
        with going_on(wrong):
            wrong += _let_go(zfs, copy, say)
        wrong += _fill(config, path, copy, zfs, say)
    failure = wrong[0] if wrong else ""
    with going_on(wrong):
        note(path, lambda seen: end_attempt(seen, name, time.time(), failure))
    return wrong


def _let_go(zfs: Zfs, copy: Copy, say: Say) -> list[str]:
    """Let go what has had its time in a copy: here, as a removable disk is seen by nobody else."""
    if not zfs.has(copy["dataset"]):
        return []
    return release_expired(zfs, copy["dataset"], time.time(), Rules(int(copy["hold_days"])), say)


def _fill(config: Mapping[str, Any], path: str, copy: Copy, zfs: Zfs, say: Say) -> list[str]:
    source = zfs_of(config, source_prefix(copy.get("source_command") or ()))
    wrong: list[str] = []
    with going_on(wrong):
        rules = Rules(int(copy["hold_days"]))
        wrong += replicate(source, copy["source"], zfs, copy["dataset"], time.time(), rules, say)
        newest = measure_arrived(source, copy["source"], zfs, copy["dataset"])
        note(path, lambda seen: add_copy(seen, copy["dataset"], newest))
    return wrong


@contextmanager
def _disk(path: str, zfs: Zfs, copy: Copy) -> Iterator[bool]:
    """Have a copy's removable disk imported, if it is plugged in, until the last copy that lies there is done."""
    pool = copy["dataset"].partition("/")[0]
    if not copy.get("removable"):
        yield True
        return
    try:
        with alone(path, on_disk(pool), _WAIT):
            yield _plugged_in(zfs, pool)
    finally:
        with giving_way(), alone(path, taking_away(pool)):
            if _is_imported(zfs, pool):
                zfs.read("zpool", "export", pool)


def _plugged_in(zfs: Zfs, pool: str) -> bool:
    if _is_imported(zfs, pool):
        return True
    try:
        _import(zfs, pool)
    except NasError as error:
        if "no such pool" in str(error):
            return False
        if not _is_imported(zfs, pool):  # by another copy at the same time
            raise
    return True


def _import(zfs: Zfs, pool: str) -> None:
    """Import a pool, and mount nothing of it: a disk that somebody swapped names any directory of this machine."""
    try:
        zfs.read("zpool", "import", "-N", "-o", "cachefile=none", pool)
    except NasError as error:
        if "invalid option" not in str(error):
            raise
        zfs.read("zpool", "import", pool)  # Older ones do not know -N.


def _is_imported(zfs: Zfs, pool: str) -> bool:
    return pool in zfs.read("zpool", "list", "-H", "-o", "name").split()
