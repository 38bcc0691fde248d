# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The quota counts whole blocks, with what the next commit writes; some of the disk stays free."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from borg.repository import Repository
from paranoid_gate.quota import Space

BLOCK = 4096
COMMIT = 3 * BLOCK  # index, hints and log each begin another block
MIB = 2**20


class Disk:
    """A disk of so many blocks; ``looks`` counts how often somebody asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, blocks: int, free: int) -> None:
        self.blocks, self.free, self.looks = blocks, free, 0
        self.files, self.free_files = 0, 0  # as file systems that make inodes as they need them say
        monkeypatch.setattr(os, "statvfs", self._statvfs)

    def _statvfs(self, _path: str) -> os.statvfs_result:
        self.looks += 1
        root_only = self.free + 1000
        return os.statvfs_result(
            (
                BLOCK,
                BLOCK,
                self.blocks,
                root_only,
                self.free,
                self.files,
                self.free_files + 1000,
                self.free_files,
                0,
                255,
            )
        )


def fits(path: Path, quota: int, size: int, **more: int) -> bool:
    space = Space(str(path), quota)
    space.measure()
    try:
        space.charge(size, **more)
    except Repository.StorageQuotaExceeded:
        return False
    return True


def test_files_are_counted_in_whole_blocks(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep/one").write_bytes(b"x")
    (tmp_path / "two").write_bytes(bytes(BLOCK + 1))
    used = 3 * BLOCK + COMMIT
    assert fits(tmp_path, used + 10, 10)
    assert not fits(tmp_path, used + 9, 10)


@pytest.mark.parametrize("more", [{"new_files": 2}, {"index": 2 * BLOCK}])
def test_new_files_and_a_grown_index_count(tmp_path: Path, more: dict[str, int]) -> None:
    assert fits(tmp_path, COMMIT + 2 * BLOCK + 5, 5, **more)
    assert not fits(tmp_path, COMMIT + 2 * BLOCK + 4, 5, **more)


def test_charges_add_up_and_what_is_refused_does_not_count(tmp_path: Path) -> None:
    space = Space(str(tmp_path), COMMIT + 100)
    space.measure()
    space.charge(60)
    with pytest.raises(Repository.StorageQuotaExceeded):
        space.charge(41)
    space.charge(40)
    with pytest.raises(Repository.StorageQuotaExceeded):
        space.charge(1)


def test_the_index_is_charged_as_it_is_and_not_again_each_time(tmp_path: Path) -> None:
    space = Space(str(tmp_path), COMMIT + 100)
    space.measure()
    for _ in range(20):
        space.charge(1, index=80)
    with pytest.raises(Repository.StorageQuotaExceeded):
        space.charge(1, index=80)


@pytest.mark.parametrize(
    ("blocks", "reserve"),
    [(1000 * 50, 1000), (2**40, 2**30 // BLOCK)],
    ids=["2 % of a small disk", "1 GiB of a large one"],
)
def test_the_reserve_stays_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, blocks: int, reserve: int) -> None:
    disk = Disk(monkeypatch, blocks, reserve)
    Space(str(tmp_path), None).charge(1)
    disk.free = reserve - 1
    with pytest.raises(Repository.InsufficientFreeSpaceError):
        Space(str(tmp_path), None).charge(1)


@pytest.mark.parametrize(("files", "reserve"), [(1000 * 50, 1000), (2**40, 2**17)])
def test_some_inodes_stay_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: int, reserve: int) -> None:
    disk = Disk(monkeypatch, 2**40, 2**40)
    disk.files, disk.free_files = files, reserve + 2
    space = Space(str(tmp_path), None)
    space.charge(1, new_files=2)
    disk.free_files = reserve - 1
    with pytest.raises(Repository.InsufficientFreeSpaceError, match=f"{reserve} inodes"):
        space.charge(1, new_files=2)


def test_the_memory_of_objects_is_within_the_quota(tmp_path: Path) -> None:
    assert fits(tmp_path, 100_000, 1, objects=100_000 // 512)
    assert not fits(tmp_path, 100_000, 1, objects=100_000 // 512 + 1)


def test_the_disk_is_looked_at_again_every_8_mib_and_sooner_when_it_is_almost_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(monkeypatch, 50_000, 1_000_000)
    space = Space(str(tmp_path), 2**40)
    for _ in range(33):
        space.charge(MIB)
    assert 4 <= disk.looks <= 5
    disk.free = 1000 + 2 * MIB // BLOCK
    for _ in range(8):
        space.charge(MIB)
    looks = disk.looks
    disk.free = 999
    with pytest.raises(Repository.InsufficientFreeSpaceError):
        for _ in range(3):
            space.charge(MIB)
    assert disk.looks == looks + 1


def test_without_a_quota_a_fifth_of_what_others_leave_stays_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often its client comes back; a second that floods the disk leaves a fifth of that again."""
    disk = Disk(monkeypatch, 100_000, 100_000)
    for left in (20_000, 4_000):
        space = Space(str(tmp_path), None)
        for _ in range(3):
            with pytest.raises(Repository.StorageQuotaExceeded, match="four fifths of what others leave"):
                while True:
                    space.charge(100 * BLOCK)
                    disk.free -= 100
        assert left - 8 * MIB // BLOCK <= disk.free <= left
    Space(str(tmp_path), 2**40).charge(MIB)  # who has a quota goes on


@pytest.mark.parametrize(("used", "fits"), [(3_990, True), (4_100, False)])
def test_the_share_counts_what_the_repository_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, used: int, fits: bool
) -> None:
    (tmp_path / "segment").write_bytes(bytes(used * BLOCK))
    Disk(monkeypatch, 50_000, 1_000)
    space = Space(str(tmp_path), None)
    space.measure()
    if fits:
        space.charge(1)
    else:
        with pytest.raises(Repository.StorageQuotaExceeded):
            space.charge(1)
