# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much of a file is read, against real files and Borg's real chunker."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from borg.chunker import Chunk, Chunker
from borg.constants import CHUNKER_PARAMS
from paranoid_borg import reading
from paranoid_borg.reading import MIB, Extent, Reader, extents

BLOCK = 4096


def chunker() -> Any:
    return Chunker(0, *CHUNKER_PARAMS[1:])


def content(path: Path, reader: Reader | None = None) -> bytes:
    """Return what the reader has of a file, holes as zeros."""
    with path.open("rb") as file:
        chunks = (reader or Reader(chunker())).chunkify(None, file.fileno())
        return b"".join(bytes(chunk.meta["size"]) if chunk.data is None else bytes(chunk.data) for chunk in chunks)


def write(path: Path, size: int, data: dict[int, bytes]) -> Path:
    """Make a file of a size, with data at these offsets."""
    with path.open("wb") as file:
        file.truncate(size)
        for offset, text in data.items():
            os.pwrite(file.fileno(), text, offset)
    return path


@pytest.mark.parametrize(
    ("size", "offsets"),
    [
        (0, []),
        (1, []),
        (MIB - 1, []),
        (MIB, []),
        (40 * MIB + 3, []),
        (40 * MIB, [0]),
        (40 * MIB, [40 * MIB - 1]),
        (40 * MIB, [MIB]),
        (40 * MIB + 5, [3 * MIB + 1, 3 * MIB + 2 * BLOCK, 20 * MIB - 1, 20 * MIB, 40 * MIB + 4]),
        (9 * MIB, [number * MIB for number in range(9)]),
        (9 * MIB, [number * 3 * BLOCK for number in range(300)]),
    ],
)
def test_a_file_with_holes_is_read_as_it_is(tmp_path: Path, size: int, offsets: list[int]) -> None:
    path = write(tmp_path / "file", size, dict.fromkeys(offsets, b"x"))
    assert content(path) == path.read_bytes()
    with path.open("rb") as file:
        found = list(extents(file.fileno(), size))
    assert [one.end for one in found[:-1]] == [one.begin for one in found[1:]], "there are gaps"
    assert (found[0].begin, found[-1].end) == (0, size) if size else not found
    assert all(one.begin < one.end for one in found)
    assert all(one.begin % MIB == one.end % MIB == 0 for one in found if not one.is_data)


def test_large_holes_are_not_read(tmp_path: Path) -> None:
    path = write(tmp_path / "file", 100 * MIB, {50 * MIB: b"x"})
    with path.open("rb") as file:
        found = list(extents(file.fileno(), 100 * MIB))
    assert found == [Extent(False, 0, 50 * MIB), Extent(True, 50 * MIB, 51 * MIB), Extent(False, 51 * MIB, 100 * MIB)]


def test_a_file_that_shrinks_ends(tmp_path: Path) -> None:
    path = write(tmp_path / "file", 100 * MIB, {0: b"x", 99 * MIB: b"y"})
    with path.open("rb+") as file:
        chunks = Reader(chunker()).chunkify(None, file.fileno())
        read = next(chunks).meta["size"]
        file.truncate(10)
        assert read + sum(chunk.meta["size"] for chunk in chunks) <= 100 * MIB


class Growing:
    """A chunker of a file that is longer after each chunk."""

    def __init__(self, path: Path, changes: bool) -> None:
        self._path, self._changes, self.read = path, changes, 0

    def chunkify(self, _fd: Any, _fh: int = -1) -> Iterator[Any]:
        """Never end."""
        while True:
            self.read += MIB
            if self._changes:
                os.utime(self._path, ns=(self.read, self.read))
            yield Chunk(bytes(MIB), size=MIB, allocation=0)


def test_a_file_that_grows_for_ever_is_read_to_its_size_and_a_little_more(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 3 * MIB)
    assert len(content(path, Reader(Growing(path, changes=True)))) == 3 * MIB + reading.GROWTH_MAX + MIB


TAKEN_BACK = b"\nROLLBACK; -- due to errors\n"


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (b"", "the dump is empty"),
        (b"-- dump", ""),
        (b"BEGIN TRANSACTION;" + TAKEN_BACK, "the dump takes itself back"),  # of a locked database
        (b"BEGIN TRANSACTION;" + TAKEN_BACK + b"COMMIT;\n", ""),  # the words in somebody's data
    ],
)
@pytest.mark.parametrize("piece", [1, 7, 4096])
def test_a_dump_of_nothing_is_none(said: bytes, words: str, piece: int) -> None:
    reading_end, writing_end = os.pipe()
    os.close(writing_end)
    with os.fdopen(reading_end, "rb") as pipe:
        chunks = Reader(Pieces(said, piece)).chunkify(pipe, pipe.fileno())
        if not words:
            assert b"".join(bytes(chunk.data or b"") for chunk in chunks) == said
        else:
            with pytest.raises(OSError, match=words):
                list(chunks)


class Pieces:
    """A chunker that cuts what is there into pieces of one size, and tells of zeros without holding them."""

    def __init__(self, said: bytes, size: int) -> None:
        self._pieces = [said[begin : begin + size] for begin in range(0, len(said), size)]

    def chunkify(self, _fd: object, _fh: int) -> Iterator[Any]:
        if self._pieces:
            yield Chunk(None, size=4096, allocation=1)
        for piece in self._pieces:
            yield Chunk(memoryview(piece), size=len(piece), allocation=0)


def test_one_that_goes_on_and_has_not_changed_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"")
    with pytest.raises(OSError, match="has not changed") as raised:
        content(path, Reader(Growing(path, changes=False)))
    assert raised.value.errno == errno.EFBIG


@pytest.mark.skipif(os.geteuid() != 0, reason="NOT TESTED: only root can give files away")
def test_each_user_has_its_own_holes_and_root_any(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "PIECES_MAX", 4)
    monkeypatch.setattr(reading, "ALL_PIECES_MAX", 9)
    reader = Reader(chunker())

    def refused(owner: int, holes: int) -> bool:
        path = write(tmp_path / f"{owner}", holes * 16 * MIB, {})
        os.chown(path, owner, owner)
        try:
            return len(content(path, reader)) != holes * 16 * MIB
        except OSError as exc:
            return exc.errno == errno.EFBIG

    assert [refused(1001, 5), refused(1001, 4), refused(1001, 1)] == [True, False, True]
    assert [refused(1002, 4), refused(1003, 2), refused(1003, 1)] == [False, True, False]
    assert not refused(0, 20)
