# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file systems that are mounted, and their sizes."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass

from paranoid_system.asking import Asker, NoAnswer, read_lines

MOUNTS_MAX = 1_000
NETWORK = frozenset({"nfs", "nfs4", "cifs", "smb3", "ceph", "glusterfs", "9p", "afs"})
_OWN = frozenset(
    {"ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "ufs", "f2fs", "jfs", "vfat", "overlay", "bcachefs", "exfat"}
)  # A look at one of these cannot hang on a network or on another user's program.
_ESCAPED = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True)
class FileSystem:
    """A mounted file system; ``size`` in bytes, 0 where that was not asked."""

    path: str
    device: str
    kind: str
    size: int = 0


def list_file_systems(asker: Asker) -> list[FileSystem]:
    """Return what is mounted and holds files that stay; NoAnswer if that is not known."""
    try:
        found = parse_mountinfo(read_lines("/proc/self/mountinfo"))
    except NoAnswer:
        found = parse_mount_p(asker.ask(["mount", "-p"]))
    return [measure(one) for one in found[:MOUNTS_MAX] if one.kind in NETWORK or os.path.isdir(one.path)]


def parse_mountinfo(lines: Iterable[str]) -> list[FileSystem]:
    """Parse /proc/self/mountinfo (proc(5)); of one mount point the last counts."""
    found: dict[str, FileSystem] = {}
    for line in lines:
        before, separator, after = line.partition(" - ")
        words, rest = before.split(" "), after.split(" ")
        if separator and len(words) >= 6 and len(rest) >= 2 and rest[0] in _OWN | NETWORK:
            path = _unescape(words[4])
            found[path] = FileSystem(path, _unescape(rest[1]), rest[0])
    return list(found.values())


def parse_mount_p(lines: Iterable[str]) -> list[FileSystem]:
    """Parse ``mount -p`` of FreeBSD, which has the form of fstab."""
    fields = (line.split() for line in lines)
    return [
        FileSystem(words[1], words[0], words[2]) for words in fields if len(words) >= 4 and words[2] in _OWN | NETWORK
    ]


def measure(one: FileSystem) -> FileSystem:
    """Add the size, where to ask cannot hang."""
    if one.kind in NETWORK:
        return one
    try:
        found = os.statvfs(one.path)
    except OSError:
        return one
    return FileSystem(one.path, one.device, one.kind, found.f_blocks * found.f_frsize)


def _unescape(text: str) -> str:
    return _ESCAPED.sub(lambda match: chr(int(match[1], 8)), text)
