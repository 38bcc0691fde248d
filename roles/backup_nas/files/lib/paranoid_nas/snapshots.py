# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Take snapshots, hold them, and let those go whose time has ended."""

from __future__ import annotations

from collections.abc import Callable

from paranoid_nas.policy import Rules, expired, is_due, lacks_snapshot, own_snapshots, snapshot_name, unheld
from paranoid_nas.storage import NasError, SilentError, Storage

Say = Callable[[str], None]


def take(storage: Storage, root: str, reason: str, now: float, rules: Rules, say: Say) -> None:
    """Take a snapshot of a dataset and all below it at one moment, and hold it; a daily one when it is due."""
    there = storage.snapshots(root)
    moments = [one.created for one in own_snapshots(there, root)]
    if reason != "daily" or is_due(moments, now) or lacks_snapshot(there, storage.datasets(root)):
        name = _free_name(storage, root, now, reason)
        storage.take(root, name)
        say(f"took {root}@{name}")
    hold_all(storage, root, now, rules)


def _free_name(storage: Storage, root: str, now: float, reason: str) -> str:
    """Return a name that nothing below the root has, also when another was taken in this very second."""
    taken = {one.name for one in storage.snapshots(root)}
    moments = (now + seconds for seconds in range(len(taken) + 1))
    return next(name for moment in moments if (name := snapshot_name(moment, reason)) not in taken)


def hold_all(storage: Storage, root: str, now: float, rules: Rules) -> None:
    """Hold every snapshot that is to stay, also one that an earlier run took before it was killed."""
    for one in unheld(storage.snapshots(root), now, rules):
        storage.hold(one.full)


def release_expired(storage: Storage, root: str, now: float, rules: Rules, say: Say) -> list[str]:
    """Release and destroy what has had its time; return what could not go, one line each.

    SilentError ends it: a pool that hangs would cost as long for each.
    """
    gone = expired(storage.snapshots(root), now, rules)
    return [line for one in gone if (line := _let_go(storage, one.full, say))]


def _let_go(storage: Storage, snapshot: str, say: Say) -> str:
    try:
        storage.destroy(snapshot)
    except SilentError:
        raise
    except NasError as error:
        return str(error)
    say(f"let {snapshot} go")
    return ""


def expose(storage: Storage, root: str, client: str, name: str) -> str:
    """Show a client's snapshot as a directory beside its repository, read-only; return the directory."""
    dataset = f"{root}/{client}"
    if dataset not in storage.datasets(root):
        raise NasError(f"there is no {dataset}: name a client of this NAS")
    there = storage.snapshots(dataset)
    if (dataset, name) not in {(one.dataset, one.name) for one in there}:
        names = [one.name for one in own_snapshots(there, dataset)]
        raise NasError(f"there is no snapshot {dataset}@{name}: choose one of {', '.join(names) or 'none'}")
    storage.hide(root, client)
    return storage.show(root, client, name)
