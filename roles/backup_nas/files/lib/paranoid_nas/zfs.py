# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands zfs and zpool, here or on another NAS."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from typing import Optional

from paranoid_nas.policy import Snapshot

TAG = "paranoid-backup"  # of the hold on each snapshot
MARK = "paranoid.backup:for"


class NasError(Exception):
    """Something could not be done: one line for a person."""


def failure(argv: Sequence[str], said: bytes) -> NasError:
    """Return an error with what a command said, in one line."""
    text = " ".join(said.decode("utf-8", "replace").split())
    return NasError(f"{' '.join(argv[:2])} {argv[-1]}: {text[:300] or 'it failed and said nothing'}")


class Zfs:
    """ZFS of one machine; ``prefix`` is put before each command, such as ssh and its options."""

    def __init__(self, prefix: Sequence[str] = ()) -> None:
        self.prefix = list(prefix)

    def read(self, *argv: str) -> str:
        """What a command says; NasError if it fails."""
        environment = {**os.environ, "LC_ALL": "C"}
        done = subprocess.run([*self.prefix, *argv], capture_output=True, check=False, env=environment)
        if done.returncode:
            raise failure(argv, done.stderr or done.stdout)
        return done.stdout.decode("utf-8", "replace")

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

    def release(self, snapshot: str, tag: str = TAG) -> None:
        """Release a snapshot; one that is not held stays so."""
        try:
            self.read("zfs", "release", tag, snapshot)
        except NasError as error:
            if "no such tag" not in str(error) and "does not exist" not in str(error):
                raise


def _snapshot(name: str, about: dict[str, str]) -> Snapshot:
    dataset, own = name.split("@", 1)
    holds = about.get("userrefs", "0")
    return Snapshot(dataset, own, int(about["creation"]), int(holds) if holds.isdigit() else 0)
