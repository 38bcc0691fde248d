# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much of a file is read: its size when it was opened, little more, and no holes.

A file that grows as fast as it is read has no end, and one that is all holes has one that nobody lives to see.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from borg.chunker import CH_HOLE, Chunk

MIB = 2**20
GROWTH_MAX = 64 * MIB  # what is read beyond the size that a file had
ROLLBACK = b"\nROLLBACK; -- due to errors\n"  # sqlite3's last words of a dump that it could not make
HOLE_PIECES = (16 * MIB, MIB)  # of at most 20 MiB (MAX_DATA_SIZE), in few sizes: Borg remembers ten hashes of zeros
PIECES_MAX = 2**18  # in all files of one user: 4 TiB, two seconds, 100 MB of memory; root's own files have no limit
ALL_PIECES_MAX = 16 * PIECES_MAX  # of all users together, for one may have many numbers (subuid)


class Reader:
    """Borg's chunker, with an end."""

    def __init__(self, chunker: Any) -> None:
        self._chunker = chunker
        self._pieces: dict[int, int] = {}

    def chunkify(self, fd: Any, fh: int = -1) -> Iterator[Any]:
        """Yield the chunks of the open file FH; OSError (EFBIG) if it has no end."""
        found = os.fstat(fh)
        if not stat.S_ISREG(found.st_mode):
            yield from _whole(self._chunker.chunkify(fd, fh))
        elif found.st_size - found.st_blocks * 512 < MIB:
            yield from _limited(self._chunker.chunkify(fd, fh), fh, found)
        else:
            yield from self._sparse(fh, found)

    def _sparse(self, fh: int, found: os.stat_result) -> Iterator[Any]:
        found_pieces = (number for extent in extents(fh, found.st_size) for _size, number in extent.pieces)
        self._count(found.st_uid, sum(found_pieces))
        for extent in extents(fh, found.st_size):
            if extent.is_data:
                yield from self._chunker.chunkify(_Part(fh, extent.begin, extent.end))
            for size, number in extent.pieces:
                yield from (Chunk(None, size=size, allocation=CH_HOLE) for _turn in range(number))

    def _count(self, owner: int, pieces: int) -> None:
        if owner == 0 or not pieces:
            return
        before = self._pieces.get(owner, 0)
        if before + pieces > PIECES_MAX or sum(self._pieces.values()) + pieces > ALL_PIECES_MAX:
            raise OSError(errno.EFBIG, f"the files of user {owner} have too many holes")
        self._pieces[owner] = before + pieces


@dataclass(frozen=True)
class Extent:
    """A part of a file, in bytes; what is no data is a hole, which begins and ends at a whole MiB."""

    is_data: bool
    begin: int
    end: int

    @property
    def pieces(self) -> tuple[tuple[int, int], ...]:
        """The sizes in which a hole is stored, and how many of each."""
        if self.is_data:
            return ()
        large, small = HOLE_PIECES
        size = self.end - self.begin
        return (large, size // large), (small, size % large // small)


def extents(fh: int, size: int) -> Iterator[Extent]:
    """Yield all SIZE bytes of the open file FH in order, holes of at least a MiB apart from the rest."""
    begin = position = 0
    while begin < size:
        hole = _seek(fh, position, os.SEEK_HOLE, size)
        position = _seek(fh, hole, os.SEEK_DATA, size)
        first, last = -(-hole // MIB) * MIB, position // MIB * MIB
        if first < last or position >= size:
            first = min(first, size) if first < last else size
            if begin < first:
                yield Extent(True, begin, first)
            if first < last:
                yield Extent(False, first, last)
            begin = max(first, last)


def _seek(fh: int, position: int, whence: int, size: int) -> int:
    try:
        return min(os.lseek(fh, position, whence), size)
    except OSError as exc:
        if exc.errno != errno.ENXIO:
            raise
        return size


class _Part:
    """A file object that is a part of an open file."""

    def __init__(self, fh: int, begin: int, end: int) -> None:
        self._fh, self._position, self._end = fh, begin, end

    def read(self, size: int) -> bytes:
        data = os.pread(self._fh, min(size, self._end - self._position), self._position)
        self._position += len(data)
        return data


def _whole(chunks: Iterable[Any]) -> Iterator[Any]:
    """Yield the CHUNKS of a dump; OSError at its end if it brings nothing back.

    Each dump begins with words of its own; an empty one comes of a broken wrapper. That of a SQLite database which is
    locked or damaged ends with a rollback of all before it, and the exit code of sqlite3 3.40 is 0 all the same.
    """
    is_empty, tail = True, b""
    for chunk in chunks:
        is_empty, tail = False, (tail + bytes(chunk.data[-len(ROLLBACK) :] if chunk.data else b""))[-len(ROLLBACK) :]
        yield chunk
    if is_empty:
        raise OSError(errno.ENODATA, "the dump is empty: what makes it ended without an error, and wrote nothing")
    if tail == ROLLBACK:
        raise OSError(errno.ENODATA, "the dump takes itself back: sqlite3 found its database locked or damaged")


def _limited(chunks: Iterable[Any], fh: int, found: os.stat_result) -> Iterator[Any]:
    """Yield CHUNKS up to a bit more than the file's size; a file that changed meanwhile is one of Borg's warnings."""
    left = found.st_size + GROWTH_MAX
    for chunk in chunks:
        yield chunk
        left -= chunk.meta["size"]
        if left < 0:
            if os.fstat(fh).st_ctime_ns == found.st_ctime_ns:
                raise OSError(errno.EFBIG, f"it goes on after {found.st_size} bytes, and has not changed")
            return
