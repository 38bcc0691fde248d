# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Take snapshots, hold them, and let those go whose time has ended."""

from __future__ import annotations

import time
from collections.abc import Callable

from paranoid_nas.policy import Rules, expired, is_due, own_snapshots, snapshot_name, unheld
from paranoid_nas.zfs import MARK, NasError, Zfs

Say = Callable[[str], None]


def take(zfs: Zfs, root: str, reason: str, now: float, rules: Rules, say: Say) -> None:
    """Take a snapshot of a dataset and all below it at one moment, and hold it; a daily one when it is due."""
    newest = max((one.created for one in own_snapshots(zfs.snapshots(root), root)), default=None)
    if reason != "daily" or is_due(newest, now):
        name = _free_name(zfs, root, now, reason)
        zfs.read("zfs", "snapshot", "-r", f"{root}@{name}")
        say(f"took {root}@{name}")
    hold_all(zfs, root, now, rules)


def _free_name(zfs: Zfs, root: str, now: float, reason: str) -> str:
    """Return a name that nothing below the root has, also when another was taken in this very second."""
    taken = {one.name for one in zfs.snapshots(root)}
    moments = (now + seconds for seconds in range(len(taken) + 1))
    return next(name for moment in moments if (name := snapshot_name(moment, reason)) not in taken)


def hold_all(zfs: Zfs, root: str, now: float, rules: Rules) -> None:
    """Hold every snapshot that is to stay, also one that an earlier run took before it was killed."""
    for one in unheld(zfs.snapshots(root), now, rules):
        zfs.hold(one.full)


def release_expired(zfs: Zfs, root: str, now: float, rules: Rules, say: Say) -> list[str]:
    """Release and destroy what has had its time; return what could not go, one line each."""
    gone = expired(zfs.snapshots(root), now, rules)
    return [line for one in gone if (line := _let_go(zfs, one.full, say))]


def _let_go(zfs: Zfs, snapshot: str, say: Say) -> str:
    try:
        zfs.release(snapshot)
        zfs.read("zfs", "destroy", snapshot)  # without -r and -R: nothing goes with it
    except NasError as error:
        return str(error)
    say(f"let {snapshot} go")
    return ""


def expose(zfs: Zfs, root: str, client: str, name: str) -> str:
    """Show a client's snapshot as a directory beside its repository, read-only; return the directory."""
    snapshot, clone = f"{root}/{client}@{name}", _clone(root, client)
    if not zfs.has(snapshot):
        names = [one.name for one in own_snapshots(zfs.snapshots(f"{root}/{client}"), f"{root}/{client}")]
        raise NasError(f"there is no snapshot {snapshot}: choose one of {', '.join(names) or 'none'}")
    if zfs.has(clone):
        conceal(zfs, root, client)
    above = zfs.read("zfs", "get", "-H", "-o", "value", "mountpoint", f"{root}/{client}").strip()
    place = f"{above}/snapshot"
    options = [f"mountpoint={place}", "readonly=on", "exec=off", "setuid=off", f"{MARK}=restore {client}"]
    zfs.read("zfs", "clone", *(word for one in options for word in ("-o", one)), snapshot, clone)
    return place


def conceal(zfs: Zfs, root: str, client: str) -> None:
    """Remove what ``expose`` made, and nothing else."""
    clone = _clone(root, client)
    if not zfs.has(clone):
        return
    if zfs.value(MARK, clone) != f"restore {client}":
        raise NasError(f"{clone} was not made for a restore of {client}: it stays")
    _destroy_soon(zfs, clone)


def _destroy_soon(zfs: Zfs, clone: str, tries: int = 20) -> None:
    """Destroy a dataset that somebody may have read until just now."""
    try:
        zfs.read("zfs", "destroy", clone)
    except NasError as error:
        if tries == 0 or "busy" not in str(error):
            raise
        time.sleep(0.5)
        _destroy_soon(zfs, clone, tries - 1)


def _clone(root: str, client: str) -> str:
    """Its name; beside the root, so that no snapshot of the root holds it."""
    return f"{root}-restore-{client}"
