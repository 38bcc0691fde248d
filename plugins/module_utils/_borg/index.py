# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Borg's index, read without Borg: how many objects there are and where they lie.

The server's own Borg writes ``index.<transaction>`` at each commit: a header (``BORG_IDX``, entries, buckets, key
size, value size) and buckets of id, segment, offset.
Source: Borg 1.4, docs/internals/data-structures, "Index, hints and integrity", and ``_hashindex.c``.
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ansible_collections.paranoid.backup.plugins.module_utils._borg.errors import Unreadable
from ansible_collections.paranoid.backup.plugins.module_utils._common.files import directory_beneath, open_beneath

_HEADER = struct.Struct("<8siibb")
_BUCKET = struct.Struct("<32sII")
_UNUSED = 0xFFFFFFFE  # a segment number from here on marks an empty or a deleted bucket
_NEVER_USED = 0xFFFFFFFF
_BUCKETS_PER_READ = 16_384
_NAME = re.compile(r"index\.(\d{1,10})\Z")


@dataclass(frozen=True)
class Index:
    """An open index; ``transaction`` is from its name, ``objects`` and ``buckets`` from its header."""

    transaction: int
    objects: int
    buckets: int
    _descriptor: int

    def places(self) -> Iterator[tuple[bytes, int, int]]:
        """Yield id, segment and offset of every object; raise Unreadable or OSError."""
        for part in self._parts():
            for place in _BUCKET.iter_unpack(part):
                if place[1] < _UNUSED:
                    yield place

    def find(self, key: bytes) -> tuple[int, int] | None:
        """Return segment and offset of one object, None when it is not there; reads a few buckets."""
        start = int.from_bytes(key[:4], "little") % max(self.buckets, 1)
        for step in range(self.buckets):
            position = (start + step) % self.buckets
            bucket = os.pread(self._descriptor, _BUCKET.size, _HEADER.size + position * _BUCKET.size)
            if len(bucket) < _BUCKET.size:
                return None
            found, segment, offset = _BUCKET.unpack(bucket)
            if segment == _NEVER_USED:
                return None
            if found == key and segment < _UNUSED:
                return segment, offset
        return None

    def save(self, path: str) -> None:
        """Write a copy, which must not exist yet; it is on disk when this returns."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        with os.fdopen(os.open(path, flags, 0o600), "wb") as copy:
            copy.write(os.pread(self._descriptor, _HEADER.size, 0))
            for part in self._parts():
                copy.write(part)
            copy.flush()
            os.fsync(copy.fileno())

    def _parts(self) -> Iterator[bytes]:
        at, end = _HEADER.size, _HEADER.size + self.buckets * _BUCKET.size
        while at < end:
            part = os.pread(self._descriptor, min(end - at, _BUCKETS_PER_READ * _BUCKET.size), at)
            if not part or len(part) % _BUCKET.size:
                raise Unreadable(f"index.{self.transaction} is cut off")
            at += len(part)
            yield part


@contextmanager
def newest_index(repository: str) -> Iterator[Index | None]:
    """Keep the newest index open, None where there is none; raise Unreadable or OSError."""
    with directory_beneath(repository) as directory:
        numbers = [int(match[1]) for match in map(_NAME.match, os.listdir(directory)) if match]
    if not numbers:
        yield None
        return
    descriptor = open_beneath(repository, f"index.{max(numbers)}")
    try:
        yield _read_header(descriptor, max(numbers))
    finally:
        os.close(descriptor)


def _read_header(descriptor: int, transaction: int) -> Index:
    header = os.pread(descriptor, _HEADER.size, 0)
    if len(header) < _HEADER.size:
        raise Unreadable(f"index.{transaction} is cut off")
    magic, objects, buckets, key_size, value_size = _HEADER.unpack(header)
    if (magic, key_size, value_size) != (b"BORG_IDX", 32, 8) or not 0 <= objects <= buckets:
        raise Unreadable(f"index.{transaction} is no index of Borg 1.4")
    if os.fstat(descriptor).st_size != _HEADER.size + buckets * _BUCKET.size:
        raise Unreadable(f"index.{transaction} is cut off")
    return Index(transaction, objects, buckets, descriptor)
