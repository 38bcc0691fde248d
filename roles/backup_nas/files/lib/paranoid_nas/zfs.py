# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands zfs and zpool, here or on another NAS."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Optional

from paranoid_nas.asking import PATIENCE, read
from paranoid_nas.policy import Snapshot
from paranoid_nas.storage import SNAPSHOT, NasError

TAG = "paranoid-backup"  # of the hold on each snapshot
MARK = "paranoid.backup:for"


class Zfs:
    """ZFS of one machine; ``prefix`` is put before each command, such as ssh and its options.

    ``until`` is the moment of ``time.monotonic`` at which all of them must have answered; where it is None, each of
    them may take ``patience`` seconds.
    """

    def __init__(self, prefix: Sequence[str] = (), until: Optional[float] = None, patience: float = PATIENCE) -> None:
        self.prefix = list(prefix)
        self.until = until
        self.patience = patience

    def read(self, *argv: str) -> str:
        """What a command says; NasError if it fails, SilentError if that takes too long."""
        until = time.monotonic() + self.patience if self.until is None else self.until
        return read(argv, until, self.prefix)

    def has(self, name: str) -> bool:
        """Tell whether a dataset exists; NasError if that cannot be told."""
        try:
            self.read("zfs", "list", "-H", "-o", "name", name)
        except NasError as error:
            if "does not exist" in str(error):
                return False
            raise
        return True

    def datasets(self, root: str) -> list[str]:
        """Return the names of a dataset and all below it."""
        return self.read("zfs", "list", "-H", "-t", "filesystem", "-o", "name", "-r", root).splitlines()

    def snapshots(self, root: str) -> list[Snapshot]:
        """Return the snapshots of a dataset and of all below it."""
        out = self.read("zfs", "get", "-rHp", "-o", "name,property,value", "creation,userrefs", root)
        found: dict[str, dict[str, str]] = {}
        for line in out.splitlines():
            name, prop, value = line.split("\t")[:3]
            if "@" in name:
                found.setdefault(name, {})[prop] = value
        return [_snapshot(name, about) for name, about in found.items()]

    def born(self, dataset: str) -> Optional[int]:
        """Return when a dataset was made, in seconds since 1970."""
        said = self.read("zfs", "get", "-Hp", "-o", "value", "creation", dataset).strip()
        return int(said) if said.isdigit() else None

    def value(self, prop: str, name: str) -> Optional[str]:
        """Return the value of a property that was set on this very dataset; None if it was not."""
        value, source = self.read("zfs", "get", "-Hp", "-o", "value,source", prop, name).rstrip("\n").split("\t")
        return value if source == "local" else None

    def hold(self, snapshot: str, tag: str = TAG) -> None:
        """Hold a snapshot; one that is held already stays so."""
        try:
            self.read("zfs", "hold", tag, snapshot)
        except NasError as error:
            if "already exists" not in str(error):
                raise

    def take(self, root: str, name: str) -> None:
        """Take a snapshot of a dataset and all below it, at one moment."""
        self.read("zfs", "snapshot", "-r", f"{root}@{name}")

    def destroy(self, snapshot: str) -> None:
        """Release and destroy a snapshot, without -r and -R: nothing goes with it."""
        self.release(snapshot)
        self.read("zfs", "destroy", snapshot)

    def show(self, root: str, client: str, name: str) -> str:
        """Clone a snapshot beside the root, so that no snapshot of the root holds it, and mount it read-only.

        The directory above is the server's, whose root may put a link in its place at any moment, and the clone would
        be mounted over what that leads to. So nobody can write there while that is looked at and done.
        """
        above = self.read("zfs", "get", "-H", "-o", "value", "mountpoint", f"{root}/{client}").strip()
        place = f"{above}/{SNAPSHOT}"
        options = [f"mountpoint={self._without_altroot(root, place)}", "readonly=on", "exec=off", "setuid=off"]
        words = [word for one in (*options, f"{MARK}=restore {client}") for word in ("-o", one)]
        make_place(above)
        with self._unwritable(f"{root}/{client}"):
            check_place(place)
            self.read("zfs", "clone", *words, f"{root}/{client}@{name}", _clone(root, client))
        return place

    def _without_altroot(self, root: str, path: str) -> str:
        """Return a path as the property has to be set: ZFS puts before it what the pool was imported with (TrueNAS)."""
        altroot = self.read("zpool", "list", "-H", "-o", "altroot", root.partition("/")[0]).strip().rstrip("/")
        return path[len(altroot) :] if altroot != "-" and path.startswith(f"{altroot}/") else path

    @contextmanager
    def _unwritable(self, dataset: str) -> Iterator[None]:
        before = self.value("readonly", dataset)
        self.read("zfs", "set", "readonly=on", dataset)
        try:
            yield
        finally:
            if before is None:
                self.read("zfs", "inherit", "readonly", dataset)
            else:
                self.read("zfs", "set", f"readonly={before}", dataset)

    def hide(self, root: str, client: str) -> None:
        """Destroy the clone, and nothing else."""
        clone = _clone(root, client)
        if not self.has(clone):
            return
        if self.value(MARK, clone) != f"restore {client}":
            raise NasError(f"{clone} was not made for a restore of {client}: it stays")
        self._destroy_soon(clone)

    def _destroy_soon(self, clone: str, tries: int = 20) -> None:
        """Destroy a dataset that somebody may have read until just now."""
        try:
            self.read("zfs", "destroy", clone)
        except NasError as error:
            if tries == 0 or "busy" not in str(error):
                raise
            time.sleep(0.5)
            self._destroy_soon(clone, tries - 1)

    def release(self, snapshot: str, tag: str = TAG) -> None:
        """Release a snapshot; one that is not held stays so."""
        try:
            self.read("zfs", "release", tag, snapshot)
        except NasError as error:
            if "no such tag" not in str(error) and "does not exist" not in str(error):
                raise


def make_place(above: str) -> None:
    """Make the directory where a snapshot is shown; NasError where the dataset is locked, or not mounted."""
    if not os.path.ismount(above):
        raise NasError(f"{above} is not mounted: unlock or mount its dataset")
    try:
        os.mkdir(f"{above}/{SNAPSHOT}", 0o755)
    except FileExistsError:
        return
    except OSError as error:
        raise NasError(f"{above}/{SNAPSHOT}: {error.strerror}") from None


def check_place(place: str) -> None:
    """Raise NasError unless this is an empty directory and no link."""
    try:
        is_empty = stat.S_ISDIR(os.lstat(place).st_mode) and not os.listdir(place)
    except OSError as error:
        raise NasError(f"{place}: {error.strerror}") from None
    if not is_empty:
        raise NasError(f"{place} is no empty directory, and nothing is mounted there: move it away")


def _snapshot(name: str, about: dict[str, str]) -> Snapshot:
    dataset, own = name.split("@", 1)
    holds = about.get("userrefs", "0")
    return Snapshot(dataset, own, int(about["creation"]), int(holds) if holds.isdigit() else 0)


def _clone(root: str, client: str) -> str:
    return f"{root}-restore-{client}"
