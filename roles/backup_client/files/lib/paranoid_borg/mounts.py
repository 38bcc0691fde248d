# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""File systems that an unprivileged user serves (FUSE): they may hang, or have no end, and root may not enter them."""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import select
import sys
from dataclasses import dataclass

_STUB_INODE, _BTRFS = 2, 0x9123683E
MOUNTINFO = "/proc/self/mountinfo"  # proc(5)
_USER = re.compile(rb"(?:^|,)user_id=(\d+)(?:,|$)")


@dataclass(frozen=True)
class Served:
    """Where users' file systems are mounted (path to user), and the devices that stat(2) shows there."""

    points: dict[str, int]
    devices: dict[int, int]


class Mounts:
    """This host's mounts, read again whenever they change; the kernel tells by poll(2)."""

    def __init__(self, source: str = MOUNTINFO) -> None:
        self._poll, self._file, self.served = select.poll(), -1, Served({}, {})
        with contextlib.suppress(FileNotFoundError):
            self._file = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
            self._poll.register(self._file, select.POLLERR | select.POLLPRI)
            self.served = parse(self._read())

    def refresh(self) -> Served:
        """Return what users serve now."""
        if self._file >= 0 and self._poll.poll(0):
            self.served = parse(self._read())
        return self.served

    def _read(self) -> bytes:
        """Read the whole table, which must come from one position on: the kernel hands it out in pages."""
        os.lseek(self._file, 0, os.SEEK_SET)
        return b"".join(iter(lambda: os.read(self._file, 65536), b""))


def is_stub(directory: int) -> bool:
    """Whether an open directory stands for a subvolume of btrfs that a snapshot has not taken along.

    It has inode 2 (BTRFS_EMPTY_SUBVOL_DIR_OBJECTID, Linux, fs/btrfs/inode.c), as no directory of btrfs else has; other
    file systems may, so the kind is asked for (statfs(2)).
    """
    if os.fstat(directory).st_ino != _STUB_INODE or not sys.platform.startswith("linux"):
        return False
    told = ctypes.create_string_buffer(256)
    done = ctypes.CDLL(None, use_errno=True).fstatfs(directory, told)
    return bool(done == 0 and ctypes.c_long.from_buffer(told).value & 0xFFFFFFFF == _BTRFS)


def parse(mountinfo: bytes) -> Served:
    """Find FUSE mounts of other users than root."""
    points, devices = {}, {}
    for line in mountinfo.splitlines():
        before, _sep, after = line.partition(b" - ")
        fields, kind = before.split(b" "), after.split(b" ")
        user = _USER.search(kind[-1])
        if kind[0].startswith(b"fuse") and user and int(user[1]):
            points[os.fsdecode(_plain(fields[4]))] = int(user[1])
            devices[os.makedev(*map(int, fields[2].split(b":")))] = int(user[1])
    return Served(points, devices)


def _plain(escaped: bytes) -> bytes:
    return re.sub(rb"\\([0-7]{3})", lambda octal: bytes([int(octal[1], 8)]), escaped)
