# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Borg's segment files, read without Borg and without a key: which there are, and what the headers of one say.

A segment is ``BORG_SEG`` and entries of CRC-32, size, tag (little endian, 9 bytes), then for PUT and DELETE the
object's id (32 bytes), then for PUT its data. Size counts the whole entry, the CRC all that follows it.
Source: Borg 1.4, docs/internals/data-structures, "Segments". Files are read with pread, never mapped: a file that
shrinks meanwhile must not end the process by SIGBUS.
"""

from __future__ import annotations

import errno
import os
import stat
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

from ansible_collections.paranoid.backup.plugins.module_utils._borg.errors import Broken
from ansible_collections.paranoid.backup.plugins.module_utils._common.files import directory_beneath, open_beneath

PUT, DELETE, COMMIT = 0, 1, 2
MANIFEST_ID = bytes(32)
PUT_HEADER = 41  # bytes before an object's data
MAX_ENTRY = 20 * 1024 * 1024  # bytes
_MAGIC = b"BORG_SEG"
_HEADER = struct.Struct("<IIB")
_ENTRY = struct.Struct("<IIB32s")  # with an id, or what follows a COMMIT
_PADDING = bytes(_ENTRY.size - _HEADER.size)
_MIN_SIZE = {PUT: PUT_HEADER, DELETE: PUT_HEADER, COMMIT: _HEADER.size}
_MAX_SIZE = {PUT: MAX_ENTRY, DELETE: PUT_HEADER, COMMIT: _HEADER.size}
_COMMIT_ENTRY = _HEADER.pack(zlib.crc32(struct.pack("<IB", _HEADER.size, COMMIT)), _HEADER.size, COMMIT)
_WINDOW = 256 * 1024  # bytes per read, but where one entry is longer
_MAX_NUMBER = 2**32 - 1


# One entry: tag, id (empty for COMMIT), offset, size with the entry's header. No class: there are millions.
Entry = tuple[int, bytes, int, int]


class File(NamedTuple):
    """One segment file; ``names`` lead to it from ``repository``."""

    number: int
    size: int
    repository: str
    names: tuple[str, ...]


class SegmentDirectory(NamedTuple):
    """One directory of segments, such as ``data/0``, and when a file last came to it or went (ns)."""

    number: int
    name: str
    mtime: int


def directories(repository: str) -> list[SegmentDirectory]:
    """Return the directories that hold segments, in order; raise OSError, also for what is no directory."""
    result = []
    with directory_beneath(repository, "data") as data, os.scandir(data) as found:
        for entry in found:
            if not _is_number(entry.name):
                continue
            status = entry.stat(follow_symlinks=False)
            if not stat.S_ISDIR(status.st_mode):
                path = os.path.join(repository, "data", entry.name)
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
            result.append(SegmentDirectory(int(entry.name), entry.name, status.st_mtime_ns))
    return sorted(result)


def files(repository: str, directory: SegmentDirectory) -> list[File]:
    """Return the segments of one directory in order; raise Broken for one that is not a plain file, or OSError."""
    result = []
    with directory_beneath(repository, "data", directory.name) as segments, os.scandir(segments) as found:
        for entry in found:
            if not _is_number(entry.name):
                continue
            status = entry.stat(follow_symlinks=False)
            if not stat.S_ISREG(status.st_mode):
                raise Broken(int(entry.name), 0, "not a plain file")
            names = ("data", directory.name, entry.name)
            result.append(File(int(entry.name), status.st_size, repository, names))
    return sorted(result)


def entries(file: File, whole: bool = False) -> Iterator[Entry]:
    """Yield the entries of a segment; raise Broken where it stops making sense, or OSError.

    Reads headers only, and with ``whole`` everything, checking each entry's CRC. Holds a window or one entry.
    """
    descriptor = open_beneath(file.repository, *file.names)
    try:
        if os.pread(descriptor, len(_MAGIC), 0) != _MAGIC:
            raise Broken(file.number, 0, "no segment of Borg")
        start, window = len(_MAGIC), _WINDOW
        while start < file.size:
            buffer, length = _window(descriptor, file, start, window)
            at, size, last, room = 0, 0, len(buffer) - PUT_HEADER, file.size - start
            while at <= last:
                crc, size, tag, key = _ENTRY.unpack_from(buffer, at)
                if tag == COMMIT:
                    key = b""
                if size > room - at or not _MIN_SIZE.get(tag, 0) <= size <= _MAX_SIZE.get(tag, -1):
                    raise _nonsense(file, start + at, tag, size)
                if whole:
                    if at + size > length:
                        break
                    if zlib.crc32(buffer[at + 4 : at + size]) != crc:
                        raise Broken(file.number, start + at, "wrong checksum")
                yield tag, key, start + at, size
                at += size
            start += at
            window = max(_WINDOW, size) if whole else _WINDOW if size < _WINDOW else PUT_HEADER
    finally:
        os.close(descriptor)


def read_object(repository: str, key: bytes, number: int, offset: int, limit: int) -> bytes:
    """Return an object's data, at most ``limit`` bytes; raise Broken when it is not at this place, or OSError.

    The segment's directory is searched for: how many one holds is said by the config, which is its user's.
    """
    for directory in reversed(directories(repository)):
        with suppress(FileNotFoundError):
            descriptor = open_beneath(repository, "data", directory.name, str(number))
            break
    else:
        raise Broken(number, 0, "the file is not there")
    try:
        header = os.pread(descriptor, PUT_HEADER, offset)
        if len(header) < PUT_HEADER:
            raise Broken(number, offset, "the file ends inside an entry")
        crc, size, tag, found = _ENTRY.unpack(header)
        if (tag, found) != (PUT, key) or not PUT_HEADER <= size <= PUT_HEADER + limit:
            raise Broken(number, offset, f"not the object that should be here (tag {tag}, {size} bytes)")
        data = os.pread(descriptor, size - PUT_HEADER, offset + PUT_HEADER)
        if zlib.crc32(header[4:] + data) != crc:
            raise Broken(number, offset, "wrong checksum")
        return data
    finally:
        os.close(descriptor)


def ends_with_commit(file: File) -> bool:
    """Tell whether a segment's last entry is a COMMIT, as it is in every whole transaction; raise OSError."""
    descriptor = open_beneath(file.repository, *file.names)
    try:
        return os.pread(descriptor, len(_COMMIT_ENTRY), max(0, file.size - len(_COMMIT_ENTRY))) == _COMMIT_ENTRY
    finally:
        os.close(descriptor)


def _window(descriptor: int, file: File, start: int, window: int) -> tuple[bytes, int]:
    """Return the next bytes and their number; at the end of the file padded, so that a COMMIT unpacks as others do."""
    length = min(window, file.size - start)
    buffer = os.pread(descriptor, length, start)
    if len(buffer) < length or length < _HEADER.size:
        raise Broken(file.number, start, "the file ends inside an entry")
    return (buffer + _PADDING if start + length == file.size else buffer), length


def _nonsense(file: File, offset: int, tag: int, size: int) -> Broken:
    if _MIN_SIZE.get(tag, 0) <= size <= _MAX_SIZE.get(tag, -1):
        return Broken(file.number, offset, "the file ends inside an entry")
    return Broken(file.number, offset, f"no entry of Borg (tag {tag}, {size} bytes)")


def _is_number(name: str) -> bool:
    return name.isascii() and name.isdigit() and len(name) <= 10 and int(name) <= _MAX_NUMBER
