# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Directories in parts, and what counts as a dump of borgmatic's."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from borg.archive import BackupOSError
from paranoid_borg import main
from paranoid_borg.main import dump_pattern, list_directory


@pytest.mark.parametrize("number", [0, 1, 19, 20, 21, 40, 50])
def test_a_directory_is_listed_in_parts_each_name_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(main, "NAMES_AT_ONCE", 20)
    for name in range(number):
        (tmp_path / str(name)).touch()
    directory = os.open(tmp_path, os.O_RDONLY)
    listed = list(list_directory(path="/nowhere", fd=directory))
    os.close(directory)
    assert sorted(entry.name for entry in listed) == sorted(map(str, range(number)))
    inodes = [entry.inode() for entry in listed]
    assert inodes[:20] == sorted(inodes[:20])


class Broken:
    """A directory whose disk fails."""

    def __enter__(self) -> Broken:
        return self

    def __exit__(self, *raised: object) -> None:
        pass

    def __iter__(self) -> Iterator[object]:
        raise OSError(116, "Stale file handle")


def test_a_directory_that_cannot_be_read_to_its_end_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "scandir", lambda _path: Broken())
    with pytest.raises(BackupOSError, match="Stale file handle"):
        list(list_directory(path="/any"))


BELOW = "/run/it/borgmatic-a1b2/borgmatic"


@pytest.mark.parametrize(
    ("path", "is_dump"),
    [
        (f"{BELOW}/postgresql_databases/localhost/shop", True),
        (f"{BELOW}/mysql_databases/db.example.org:3306/all", True),
        (f"{BELOW}/sqlite_databases/localhost/a\nb", True),
        (f"{BELOW}/lvm_snapshots/0a1b/home/pipe", False),
        (f"{BELOW}/sqlite_databases/localhost/a/b", False),
        ("/run/it/borgmatic-a1b2/borgmatic/../../../home/x_databases/a/b", False),
        ("/home/run/it/borgmatic-a/borgmatic/x_databases/a/b", False),
        ("/run/itborgmatic-a/borgmatic/x_databases/a/b", False),
    ],
)
def test_only_borgmatics_own_pipes_are_dumps(path: str, is_dump: bool) -> None:
    assert bool(dump_pattern("/run/it/").fullmatch(path)) is is_dump
    assert not dump_pattern("").fullmatch(path)
