# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""btrfs: a subvolume for each client, and read-only snapshots of it in a directory that the server does not see.

There is no hold: root of this machine deletes one by a slip. Each subvolume's snapshot is of one moment, but not all of
the same. Calls are those of linux/btrfs.h: the program would follow a link that root of the server has put where a
snapshot is shown, and delete what it leads to.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import Optional

from paranoid_nas.asking import read
from paranoid_nas.policy import Snapshot, is_own
from paranoid_nas.storage import SNAPSHOT, NasError
from paranoid_nas.volumes import volume_born

SERVER = "_server"  # the root's own snapshots; no client has a name that begins so
_SNAP_CREATE_V2, _SNAP_DESTROY = 0x50009417, 0x5000940F  # _IOW(0x94, 23), _IOW(0x94, 15), of 4096 bytes
_RDONLY = 1 << 1
_TOP_INODE = 256  # of every subvolume (BTRFS_FIRST_FREE_OBJECTID)
_STEP = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


@contextmanager
def opened(path: str) -> Iterator[int]:
    """A directory that is no link."""
    try:
        here = os.open(path, _STEP)
    except OSError as error:
        raise NasError(f"{path}: {error.strerror}") from None
    try:
        yield here
    finally:
        os.close(here)


def is_subvolume(path: str) -> bool:
    """Tell whether a directory of btrfs is a subvolume, and no link to one."""
    try:
        return os.lstat(path).st_ino == _TOP_INODE
    except FileNotFoundError:
        return False


class Btrfs:
    """btrfs of this machine below ``top``; a dataset is a subvolume, called by its path."""

    def __init__(self, top: str, until: Optional[float] = None) -> None:
        self.top = top
        self.until = until  # when the program ``btrfs`` must have answered (``time.monotonic``)
        self.kept = f"{top}-snapshots"  # beside it, where no server looks

    def datasets(self, root: str) -> list[str]:
        """Return a subvolume and those that lie in it."""
        with opened(root) as here:
            names = sorted(os.listdir(here))
        return [root, *(path for name in names if is_subvolume(path := f"{root}/{name}"))]

    def snapshots(self, root: str) -> list[Snapshot]:
        """Return them by their own names, which have the moment, also those of a dataset that is gone."""
        if not os.path.lexists(self.kept):
            return []
        with opened(self.kept) as here:
            names = sorted(os.listdir(here))
        datasets = [self.top if name == SERVER else f"{self.top}/{name}" for name in names]
        below = [one for one in datasets if f"{one}/".startswith(f"{root}/")]
        return [snapshot for one in below for snapshot in _listed(one, self._place(one))]

    def born(self, dataset: str) -> Optional[int]:
        """Return when a subvolume was made."""
        return volume_born(read(["btrfs", "subvolume", "show", dataset], self.until))

    def take(self, root: str, name: str) -> None:
        """The root's comes last: a run that was killed before it is done again."""
        for dataset in reversed(self.datasets(root)):
            place = self._place(dataset)
            for path in (self.kept, place):
                _make(path)
            _snapshot(dataset, place, name)

    def hold(self, snapshot: str) -> None:
        """Nothing of the kind is there."""

    def destroy(self, snapshot: str) -> None:
        """Delete one that is in its place."""
        dataset, _at, name = snapshot.partition("@")
        _destroy(self._place(dataset), name)

    def show(self, root: str, client: str, name: str) -> str:
        """A snapshot of the snapshot: what is shown there can be deleted, and the snapshot stays."""
        place = f"{root}/{client}"
        _snapshot(f"{self._place(place)}/{name}", place, SNAPSHOT)
        return f"{place}/{SNAPSHOT}"

    def hide(self, root: str, client: str) -> None:
        """What lies there is deleted if it is a read-only subvolume; a link is not followed."""
        place = f"{root}/{client}"
        if not os.path.lexists(f"{place}/{SNAPSHOT}"):
            return
        if not is_subvolume(f"{place}/{SNAPSHOT}") or os.access(f"{place}/{SNAPSHOT}", os.W_OK):
            raise NasError(f"{place}/{SNAPSHOT} was not made for a restore of {client}: it stays")
        _destroy(place, SNAPSHOT)

    def _place(self, dataset: str) -> str:
        return f"{self.kept}/{dataset[len(self.top) + 1 :] or SERVER}"


def _make(path: str) -> None:
    if not os.path.lexists(path):
        try:
            os.mkdir(path, 0o700)
        except FileExistsError:  # A snapshot before a maintenance may be taken beside the daily one.
            return
        except OSError as error:
            raise NasError(f"{path}: {error.strerror}") from None


def _listed(dataset: str, place: str) -> list[Snapshot]:
    with opened(place) as here:
        names = sorted(name for name in os.listdir(here) if is_own(name) and is_subvolume(f"{place}/{name}"))
    return [Snapshot(dataset, name, _moment(name), 1) for name in names]


def _moment(name: str) -> int:
    when = datetime.strptime(name.split("-")[1], "%Y%m%dT%H%M%SZ")
    return int(when.replace(tzinfo=timezone.utc).timestamp())


def _snapshot(source: str, place: str, name: str) -> None:
    with opened(source) as what, opened(place) as where:
        call = struct.pack("=qQQ4Q4040s", what, 0, _RDONLY, 0, 0, 0, 0, name.encode())
        _ioctl(where, _SNAP_CREATE_V2, call, f"{place}/{name}")


def _destroy(place: str, name: str) -> None:
    with opened(place) as where:
        _ioctl(where, _SNAP_DESTROY, struct.pack("=q4088s", 0, name.encode()), f"{place}/{name}")


def _ioctl(where: int, call: int, arguments: bytes, what: str) -> None:
    try:
        fcntl.ioctl(where, call, bytearray(arguments))  # Python copies no more than 1 KiB of bytes
    except OSError as error:
        reason = "it is not on btrfs" if error.errno == errno.ENOTTY else error.strerror
        raise NasError(f"{what}: {reason}") from None
