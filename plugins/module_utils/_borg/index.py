# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Borg's index and hints, read without Borg: how many objects there are, where they lie, and what is freeable.

Both files are written by the server's own Borg at each commit, named after the transaction. The index is a header
(``BORG_IDX``, entries, buckets, key size, value size) and buckets of id, segment, offset; the hints are a msgpack map.
Source: Borg 1.4, docs/internals/data-structures, "Index, hints and integrity", and ``_hashindex.c``.
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Iterator
from typing import NamedTuple, Optional

_HEADER = struct.Struct("<8siibb")
_BUCKET = struct.Struct("<32sII")
_UNUSED = 0xFFFFFFFE  # a segment number from here on marks an empty or a deleted bucket
_NEVER_USED = 0xFFFFFFFF
_BUCKETS_PER_READ = 16_384
_HINTS_LIMIT = 16 * 1024 * 1024  # bytes of hints that are looked at; `compact` comes before the part that grows
_INTEGERS = {0xCC: ">B", 0xCD: ">H", 0xCE: ">I", 0xCF: ">Q", 0xD0: ">b", 0xD1: ">h", 0xD2: ">i", 0xD3: ">q"}
_LENGTHS = {0xD9: ">B", 0xDA: ">H", 0xDB: ">I", 0xC4: ">B", 0xC5: ">H", 0xC6: ">I"}
_NAME = re.compile(r"index\.(\d{1,10})\Z")


class Unreadable(Exception):
    """The index or the hints are not what Borg writes; the message is one line."""


class Head(NamedTuple):
    """An index's header; ``transaction`` is from its name."""

    path: str
    transaction: int
    objects: int
    buckets: int


def index_head(repository: str) -> Optional[Head]:
    """Return the newest index's header, None where there is none; raise Unreadable or OSError."""
    numbers = [int(match[1]) for match in map(_NAME.match, os.listdir(repository)) if match]
    if not numbers:
        return None
    path = os.path.join(repository, f"index.{max(numbers)}")
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        head = os.read(descriptor, _HEADER.size)
        size = os.fstat(descriptor).st_size
    finally:
        os.close(descriptor)
    if len(head) < _HEADER.size:
        raise Unreadable(f"{os.path.basename(path)} is cut off")
    magic, objects, buckets, key_size, value_size = _HEADER.unpack(head)
    if (magic, key_size, value_size) != (b"BORG_IDX", 32, 8) or not 0 <= objects <= buckets:
        raise Unreadable(f"{os.path.basename(path)} is no index of Borg 1.4")
    if size != _HEADER.size + buckets * _BUCKET.size:
        raise Unreadable(f"{os.path.basename(path)} is cut off")
    return Head(path, max(numbers), objects, buckets)


def index_places(head: Head) -> Iterator[tuple[bytes, int, int]]:
    """Yield id, segment and offset of every object; raise Unreadable or OSError."""
    for part in _parts(head):
        for place in _BUCKET.iter_unpack(part):
            if place[1] < _UNUSED:
                yield place


def index_find(head: Head, key: bytes) -> Optional[tuple[int, int]]:
    """Return segment and offset of one object, None when it is not there; reads a few buckets."""
    start = int.from_bytes(key[:4], "little") % max(head.buckets, 1)
    descriptor = os.open(head.path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        for step in range(head.buckets):
            position = (start + step) % head.buckets
            bucket = os.pread(descriptor, _BUCKET.size, _HEADER.size + position * _BUCKET.size)
            if len(bucket) < _BUCKET.size:
                return None
            found, segment, offset = _BUCKET.unpack(bucket)
            if segment == _NEVER_USED:
                return None
            if found == key and segment < _UNUSED:
                return segment, offset
        return None
    finally:
        os.close(descriptor)


def freeable_bytes(repository: str, transaction: int) -> Optional[int]:
    """Return what the next compaction could free, None without hints for this transaction; raise Unreadable."""
    try:
        path = os.path.join(repository, f"hints.{transaction}")
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        content = file.read(_HINTS_LIMIT)
    try:
        return _freeable(_Msgpack(content))
    except (IndexError, ValueError, struct.error):
        raise Unreadable(f"hints.{transaction} is no hints file of Borg 1.4") from None


def _parts(head: Head) -> Iterator[bytes]:
    with open(head.path, "rb") as file:
        file.seek(_HEADER.size)
        left = head.buckets
        while left > 0:
            part = file.read(min(left, _BUCKETS_PER_READ) * _BUCKET.size)
            if not part or len(part) % _BUCKET.size:
                raise Unreadable(f"{os.path.basename(head.path)} is cut off")
            left -= len(part) // _BUCKET.size
            yield part


def _freeable(hints: _Msgpack) -> int:
    for _pair in range(hints.map_length()):
        name = hints.value()
        if name == b"compact":
            return sum(max(0, hints.pair()[1]) for _pair in range(hints.map_length()))
        hints.skip()
    raise ValueError("no compact")


class _Msgpack:
    """As much of msgpack as hints need: maps, raw bytes and integers; raises IndexError, ValueError, struct.error."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    def map_length(self) -> int:
        """Read the head of a map."""
        first = self._byte()
        if 0x80 <= first <= 0x8F:
            return first & 0x0F
        if first in (0xDE, 0xDF):
            return self._number(">H" if first == 0xDE else ">I")
        raise ValueError("no map")

    def pair(self) -> tuple[int, int]:
        """Read two integers."""
        key, value = self.value(), self.value()
        if isinstance(key, bytes) or isinstance(value, bytes):
            raise ValueError("no integer")
        return key, value

    def value(self) -> int | bytes:
        """Read an integer or raw bytes."""
        first = self._byte()
        if first <= 0x7F:
            return first
        if first >= 0xE0:
            return first - 0x100
        if first in _INTEGERS:
            return self._number(_INTEGERS[first])
        if 0xA0 <= first <= 0xBF:
            return self._raw(first & 0x1F)
        if first in _LENGTHS:
            return self._raw(self._number(_LENGTHS[first]))
        raise ValueError("unknown type")

    def skip(self) -> None:
        """Pass over an integer, raw bytes, or a map of integers."""
        first = self._content[self._at]
        if 0x80 <= first <= 0x8F or first in (0xDE, 0xDF):
            for _pair in range(self.map_length()):
                self.pair()
        else:
            self.value()

    def _byte(self) -> int:
        self._at += 1
        return self._content[self._at - 1]

    def _raw(self, length: int) -> bytes:
        if self._at + length > len(self._content):
            raise IndexError
        self._at += length
        return self._content[self._at - length : self._at]

    def _number(self, form: str) -> int:
        number: int = struct.unpack_from(form, self._content, self._at)[0]
        self._at += struct.calcsize(form)
        return number
