# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A repository on the disk as Borg's server would write it, made without Borg: fast, and broken as one likes."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterable
from pathlib import Path

import msgpack

MANIFEST_ID = bytes(32)
CONFIG = "[repository]\nversion = 1\nsegments_per_dir = 1000\nmax_segment_size = 524288000\nid = " + "ab" * 32 + "\n"


def entry(tag: int, key: bytes = b"", data: bytes = b"") -> bytes:
    """Return one entry of a segment: 0 PUT, 1 DELETE, 2 COMMIT."""
    body = struct.pack("<IB", 9 + len(key) + len(data), tag) + key + data
    return struct.pack("<I", zlib.crc32(body)) + body


def key(number: int) -> bytes:
    """Return an id."""
    return struct.pack("<Q", number * 0x9E3779B97F4A7C15 % 2**64) + bytes(23) + b"k"


class FakeRepository:
    """A repository of which the test is the only writer. ``objects`` maps an id to segment, offset, size."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.objects: dict[bytes, tuple[int, int, int]] = {}
        self.compact: dict[int, int] = {}
        self.last = -1
        (path / "data").mkdir(parents=True)
        (path / "config").write_text(CONFIG)
        self.set_nonce(2**28)

    def segment(self, number: int) -> Path:
        """Return where a segment lies."""
        return self.path / "data" / str(number // 1000) / str(number)

    def set_nonce(self, value: int) -> None:
        """Write the nonce."""
        (self.path / "nonce").write_text(f"{value:016x}")

    def session(
        self,
        puts: Iterable[tuple[bytes, bytes]] = (),
        deletes: Iterable[bytes] = (),
        manifest: int = 500,
        commit: bool = True,
    ) -> int:
        """Write deletes, puts, a manifest of so many bytes and a commit as one session does; return its transaction."""
        with self._new() as out:
            for one in deletes:
                self._delete(out, one)
            for one, data in puts:
                if one in self.objects:
                    self._delete(out, one)
                self._put(out, one, data)
        if not commit:
            return self.last
        with self._new() as out:
            if MANIFEST_ID in self.objects:
                self._delete(out, MANIFEST_ID)
            self._put(out, MANIFEST_ID, os.urandom(manifest))
        with self._new() as out:
            out.write(entry(2))
        self.compact[self.last] = self.compact.get(self.last, 0) + 9
        self.write_index()
        return self.last

    def write_index(self) -> None:
        """Write index and hints of the last transaction, as Borg does after a commit."""
        for old in [*self.path.glob("index.*"), *self.path.glob("hints.*")]:
            old.unlink()
        buckets = max(1031, int(len(self.objects) / 0.7))
        table = [b"\0" * 32 + struct.pack("<II", 0xFFFFFFFF, 0)] * buckets
        for one, (segment, offset, _) in self.objects.items():
            position = int.from_bytes(one[:4], "little") % buckets
            while table[position][32:36] != b"\xff" * 4:
                position = (position + 1) % buckets
            table[position] = one + struct.pack("<II", segment, offset)
        head = struct.pack("<8siibb", b"BORG_IDX", len(self.objects), buckets, 32, 8)
        (self.path / f"index.{self.last}").write_bytes(head + b"".join(table))
        segments = dict.fromkeys(range(self.last + 1), 1)
        hints = {
            "version": 2,
            "segments": segments,
            "compact": self.compact,
            "storage_quota_use": 0,
            "shadow_index": {},
        }
        (self.path / f"hints.{self.last}").write_bytes(msgpack.packb(hints, use_bin_type=False))

    def _new(self) -> _Writer:
        self.last += 1
        place = self.segment(self.last)
        place.parent.mkdir(exist_ok=True)
        return _Writer(place)

    def _put(self, out: _Writer, one: bytes, data: bytes) -> None:
        content = entry(0, one, data)
        self.objects[one] = (self.last, out.write(content), len(content))

    def _delete(self, out: _Writer, one: bytes) -> None:
        segment, _, size = self.objects.pop(one)
        self.compact[segment] = self.compact.get(segment, 0) + size
        self.compact[self.last] = self.compact.get(self.last, 0) + 41
        out.write(entry(1, one))


class _Writer:
    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")
        self._file.write(b"BORG_SEG")

    def __enter__(self) -> _Writer:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, content: bytes) -> int:
        """Append, and return where."""
        offset = self._file.tell()
        self._file.write(content)
        return offset
