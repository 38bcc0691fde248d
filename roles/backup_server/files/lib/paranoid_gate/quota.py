# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much a connection may still write: the repository's quota and the room that stays free on the disk."""

from __future__ import annotations

import os

from borg.helpers import format_file_size
from borg.repository import Repository

_BLOCK = 4096  # bytes that the smallest file costs
_LOOK_EVERY = 8 * 1024 * 1024  # bytes written between two looks at the disk; fifty gates may write at once
_RESERVE_LIMIT = 1024 * 1024 * 1024  # bytes
_RESERVE_SHARE = 50  # one part in so many of the disk
_FREE_SHARE = 5  # one part in so many of what the other repositories leave; it stays free where no quota is set
_FILE_RESERVE = 128 * 1024  # files: what fifty gates may begin between two looks
_OBJECT_SIZE = 512  # bytes of memory that an object costs whoever opens the repository, also after it was deleted


class Space:
    """Counts what is written; raises Borg's own errors, which its client shows as one line.

    A repository without a quota may take four fifths of what the others leave on the disk, however often its client
    comes back. That stops an honest one where a disk should be enlarged, and a flood leaves room to all others.
    """

    def __init__(self, path: str, quota: int | None) -> None:
        self._path = path
        self._quota = quota
        self._used = 0
        self._until_look = 0

    def measure(self) -> None:
        """Count what lies there now, each file in whole blocks; index, hints and log will each begin another one."""
        self._used = 3 * _BLOCK
        for directory, _folders, names in os.walk(self._path):
            for name in names:
                size = os.lstat(os.path.join(directory, name)).st_size
                self._used += -(-size // _BLOCK) * _BLOCK

    def charge(self, size: int, new_files: int = 0, index: int = 0, objects: int = 0) -> None:
        """Count ``size`` bytes that are about to be written, in ``new_files`` files of their own.

        ``index`` is by how many bytes the index has grown since ``measure``: each commit writes it anew. ``objects``
        is how many there are and were: their memory may not exceed the quota either. Objects of honest clients are
        larger than that, so that only floods of empty ones are told.
        """
        needed = size + new_files * _BLOCK
        after = max(self._used + needed + index, objects * _OBJECT_SIZE)
        if self._quota is not None and after > self._quota:
            raise Repository.StorageQuotaExceeded(format_file_size(self._quota), format_file_size(after))
        self._until_look -= needed
        if self._until_look <= 0:
            self._look()
        self._used += needed

    def _look(self) -> None:
        disk = os.statvfs(self._path)
        free = disk.f_bavail * disk.f_frsize
        reserve = min(_RESERVE_LIMIT, disk.f_blocks * disk.f_frsize // _RESERVE_SHARE)
        if free < reserve:
            raise Repository.InsufficientFreeSpaceError(format_file_size(reserve), format_file_size(free))
        share = (self._used + free) // _FREE_SHARE * (_FREE_SHARE - 1)
        if self._quota is None and self._used > share:
            which = f"{format_file_size(share)}, four fifths of what others leave, as none is set"
            raise Repository.StorageQuotaExceeded(which, format_file_size(self._used))
        self._until_look = min(_LOOK_EVERY, max(free - reserve, _BLOCK))
        if not disk.f_files:
            return  # this file system makes inodes as it needs them
        kept = min(_FILE_RESERVE, disk.f_files // _RESERVE_SHARE)
        if disk.f_favail < kept:
            raise Repository.InsufficientFreeSpaceError(f"{kept} inodes", f"{disk.f_favail} inodes")
        self._until_look = min(self._until_look, max(disk.f_favail - kept, 1) * _BLOCK)
