# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands zfs and zpool, as modules on a NAS run them. Python 3.9."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Optional

from ansible_collections.paranoid.backup.plugins.module_utils._nas.dataset import (
    Actual,
    Change,
    DatasetError,
    Property,
)

Run = Callable[[Sequence[str]], tuple[int, str, str]]  # exit code, standard output, standard error


class Zfs:
    """ZFS on this host. Each method raises DatasetError, with what the command said, if the command fails."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def pool(self, name: str) -> Optional[dict[str, str]]:
        """Return a pool's properties, None if it is not imported."""
        code, out, err = self._run(["zpool", "get", "all", name])
        if code:
            if "no such pool" in err:
                return None
            raise DatasetError(_said(f"zpool get all {name}", err or out))
        rows = [line.split(None, 3) for line in out.splitlines()[1:]]
        return {row[1]: row[2] for row in rows if len(row) > 2}

    def names(self, pool: str) -> list[str]:
        """Return the names of all datasets of a pool."""
        return self._read("zfs", "list", "-H", "-t", "filesystem,volume", "-o", "name", "-r", pool).splitlines()

    def properties(self, names: Sequence[str]) -> dict[str, Actual]:
        """Return the properties of datasets that exist."""
        found: dict[str, dict[str, Property]] = {name: {} for name in names}
        if names:
            out = self._read("zfs", "get", "-Hp", "-o", "name,property,value,source", "all", *names)
            for line in out.splitlines():
                parts = line.split("\t")
                if len(parts) == 4 and parts[0] in found:
                    found[parts[0]][parts[1]] = Property(parts[2], parts[3])
        return dict(found)

    def apply(self, change: Change) -> None:
        """Create or change a dataset, and have it mounted."""
        if change.create:
            options = [word for one in _assignments(change) for word in ("-o", one)]
            self._read("zfs", "create", *options, change.name)
            return
        for one in _assignments(change):
            self._read("zfs", "set", one, change.name)
        if change.mount:
            self._read("zfs", "mount", change.name)

    def _read(self, *argv: str) -> str:
        code, out, err = self._run(argv)
        if code:
            raise DatasetError(_said(" ".join(argv[:2]) + f" {argv[-1]}", err or out))
        return out


def _assignments(change: Change) -> list[str]:
    """Return a change as zfs takes it: a limit that it prints as 0 it wants to be called none."""
    limits = ("quota", "refquota", "reservation", "refreservation")
    pairs = change.properties.items()
    return [f"{name}={'none' if name in limits and value == '0' else value}" for name, value in pairs]


def _said(command: str, text: str) -> str:
    return f"{command}: {' '.join(text.split())[:300] or 'it failed and said nothing'}"


def refuse_hidden_files(name: str, mountpoint: str) -> None:
    """Raise DatasetError if a dataset would be mounted over files: OpenZFS would hide them (overlay=on)."""
    try:
        there = [entry for entry in os.scandir(mountpoint) if not _is_empty(entry)]
    except (FileNotFoundError, NotADirectoryError):
        return
    if there:
        raise DatasetError(
            f"{mountpoint} holds files that the dataset {name} would hide: move them away, run this again, "
            "and move them back into it"
        )


def _is_empty(entry: os.DirEntry[str]) -> bool:
    """Tell whether this is an empty directory, as mounting of a dataset below leaves it."""
    return entry.is_dir(follow_symlinks=False) and not os.listdir(entry.path)
