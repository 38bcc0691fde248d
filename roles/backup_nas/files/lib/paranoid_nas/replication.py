# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies of snapshots in another pool, here or fetched from another NAS.

What was deleted at the source stays at the copy until its own hold ends there, by the clock of the copy. Nothing is
ever received by force (``zfs recv -F`` would roll back, and destroy snapshots that the source lacks).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from typing import Optional

from paranoid_nas.asking import failure
from paranoid_nas.policy import Rules, Snapshot, grouped, is_own
from paranoid_nas.snapshots import hold_all
from paranoid_nas.storage import NasError, SilentError
from paranoid_nas.streams import Side, flow
from paranoid_nas.zfs import MARK, Zfs

Say = Callable[[str], None]
# The copy of the root itself, with what a lost server is made again from. No client has a name that begins so.
SERVER = "/_server"
_MOST_SILENT = 6  # of the datasets of one copy: what is not there today need not cost days
_SSH = {"BatchMode": "yes", "ConnectTimeout": "60", "ServerAliveInterval": "60", "ServerAliveCountMax": "5"}


def source_prefix(command: Sequence[str]) -> list[str]:
    """Return what reaches a source: an ssh asks nobody, and notices within five minutes that the source vanished.

    One that is there and hangs is noticed by who waits for it. What is set in the command itself stays.
    """
    if not command or os.path.basename(command[0]) != "ssh":
        return list(command)
    words = " ".join(command).lower()
    missing = [f"-o{name}={value}" for name, value in _SSH.items() if name.lower() not in words]
    return [command[0], *missing, *command[1:]]


def replicate(source: Zfs, root: str, target: Zfs, copy: str, now: float, rules: Rules, say: Say) -> list[str]:
    """Bring every dataset's new snapshots to the copy; return what failed, one line for each dataset."""
    _make_root(target, copy, root)
    there, failures = grouped(source.snapshots(root)), list[NasError]()
    for dataset in source.datasets(root):
        below = dataset[len(root) :] or SERVER
        try:
            _copy_dataset(source, there.get(dataset, []), target, f"{copy}{below}", say)
        except NasError as error:
            failures.append(error)
        if sum(isinstance(one, SilentError) for one in failures) == _MOST_SILENT:
            failures.append(NasError(f"{copy}: {_MOST_SILENT} hung, so the others wait for the next run"))
            break
    try:
        hold_all(target, copy, now, rules)
    except NasError as error:
        failures.append(error)
    return [str(one) for one in failures]


def _make_root(target: Zfs, copy: str, root: str) -> None:
    if not target.has(copy):
        options = ["canmount=off", "mountpoint=none", "readonly=on", "exec=off", "setuid=off", f"{MARK}=copy of {root}"]
        target.read("zfs", "create", *(word for one in options for word in ("-o", one)), copy)
    elif target.value(MARK, copy) != f"copy of {root}":
        raise NasError(f"{copy} exists and is no copy of {root}: name another dataset")


def newest_common(here: Sequence[Snapshot], there: Sequence[Snapshot]) -> Optional[Snapshot]:
    """Return the last snapshot here that both have: the same name, made at the same second."""
    known = {(one.name, one.created) for one in there}
    return next((one for one in reversed(here) if (one.name, one.created) in known), None)


def _copy_dataset(source: Zfs, every: Sequence[Snapshot], target: Zfs, copy: str, say: Say) -> None:
    """Bring the own ones of EVERY snapshot of a dataset, one by one: nobody would ever let those of others go there.

    The last that came is held at the source. The next copy begins there, however long the disk is not plugged in.
    """
    own = [one for one in every if is_own(one.name)]
    if not own:
        return
    tag = f"paranoid-copy-{hashlib.sha256(copy.encode()).hexdigest()[:8]}"
    if not target.has(copy):
        _send(source, ["zfs", "send", own[0].full], target, copy)
        source.hold(own[0].full, tag)
        say(f"copied {own[0].full} to {copy}")
    common = newest_common(every, target.snapshots(copy))
    if common is None:
        raise NasError(f"{copy} has no snapshot in common with {own[-1].dataset}: give the copy another name")
    missing = [one for one in every[every.index(common) + 1 :] if is_own(one.name)]
    for before, one in zip([common, *missing], missing):
        _send(source, ["zfs", "send", "-i", f"@{before.name}", one.full], target, copy)
        source.hold(one.full, tag)
        say(f"copied {one.full} to {copy}")
    if not missing:
        source.hold(own[-1].full, tag)
    for one in own[:-1]:
        if one.holds > 1 or one == common or one in missing:
            source.release(one.full, tag)


def _send(source: Zfs, send: list[str], target: Zfs, copy: str) -> None:
    """One stream; a failure of either side is one, whichever ends first. Both may have something to say of it."""
    receive = ["zfs", "recv", "-u", copy]
    sender, receiver = Side(send, source.prefix), Side(receive, target.prefix)
    flow(sender, receiver, target.patience)
    if receiver.code:
        raise failure(receive, b"; ".join(filter(None, (receiver.said.strip(), sender.said.strip()))))
    if sender.code:
        raise failure(send, sender.said)
