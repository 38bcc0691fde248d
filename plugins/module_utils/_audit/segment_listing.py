# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be read of a repository without a key: its segments by directory, its config, its nonce."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

from ansible_collections.paranoid.backup.plugins.module_utils._audit.baseline import Directory
from ansible_collections.paranoid.backup.plugins.module_utils._borg.segments import (
    File,
    directories,
    ends_with_commit,
    files,
)
from ansible_collections.paranoid.backup.plugins.module_utils._common.files import read_beneath

_FILE_LIMIT = 64 * 1024  # bytes of config and nonce
_NONCE = re.compile(rb"[0-9a-fA-F]{1,16}\Z")
_PARTIAL_CHECK = b"last_segment_checked = "  # what `borg check --max-duration` keeps in the config


class Listing:
    """The segments since a baseline, and which older ones have changed, reading as little of the disk as possible."""

    def __init__(self, repository: str, known: Sequence[Directory], transaction: int) -> None:
        self.changed: list[str] = []
        self._new: list[File] = []
        self._unchanged: list[Directory] = []
        self._listed: dict[int, tuple[int, list[File]]] = {}
        before = {directory.number: directory for directory in known}
        last = max(before, default=-1)
        for directory in directories(repository):
            number, mtime = directory.number, directory.mtime
            old = before.pop(number, None)
            if old is not None and old.mtime == mtime and number != last:
                self._unchanged.append(old)
                continue
            found = files(repository, directory)
            self._listed[number] = (mtime, found)
            self._new += [file for file in found if file.number > transaction]
            self._compare(old, _directory(number, mtime, found, transaction))
        self.changed += [f"directory {number} of segments is gone" for number in sorted(before)]
        self._new.sort()

    def committed(self) -> list[File]:
        """Return the new segments up to the last commit."""
        for position in range(len(self._new), 0, -1):
            if ends_with_commit(self._new[position - 1]):
                return self._new[:position]
        return []

    def directories(self, transaction: int) -> tuple[Directory, ...]:
        """Return what to remember of all directories, up to ``transaction``."""
        listed = [_directory(number, mtime, found, transaction) for number, (mtime, found) in self._listed.items()]
        kept = self._unchanged + [directory for directory in listed if directory.count]
        return tuple(sorted(kept, key=lambda directory: directory.number))

    def _compare(self, old: Directory | None, now: Directory) -> None:
        old = old or _directory(now.number, 0, (), 0)
        if now.digest != old.digest:
            self.changed.append(
                f"older segments in directory {now.number} have changed: {now.count} of {now.size} bytes, "
                f"were {old.count} of {old.size} bytes"
            )


def config_digest(repository: str) -> str:
    """Return a digest of the config, but for the mark of a partial `borg check`; raise OSError."""
    lines = read_beneath(repository, "config", limit=_FILE_LIMIT).split(b"\n")
    kept = [line for line in lines if line and not line.startswith(_PARTIAL_CHECK)]
    return hashlib.sha256(b"\n".join(kept)).hexdigest()


def free_nonce(repository: str) -> int | None:
    """Return the first nonce that is not reserved, None before the first; raise OSError or ValueError."""
    try:
        found = read_beneath(repository, "nonce", limit=_FILE_LIMIT).strip()
    except FileNotFoundError:
        return None
    if not _NONCE.match(found):
        raise ValueError("its nonce is not a number of at most 16 hexadecimal digits")
    return int(found, 16)


def _directory(number: int, mtime: int, found: Sequence[File], transaction: int) -> Directory:
    older = [file for file in found if file.number <= transaction]
    listing = "".join(f"{file.number} {file.size}\n" for file in older)
    digest = hashlib.sha256(listing.encode()).hexdigest()
    return Directory(number, mtime, len(older), sum(file.size for file in older), digest)
