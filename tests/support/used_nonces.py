# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which nonces encrypted what lies in a repository, read from its segments without a key.

Source: Borg 1.4, crypto/low_level.pyx: an object is type (1 byte), MAC (32), nonce (8), ciphertext; each nonce encrypts
16 bytes. Two different objects whose ranges overlap share keystream: their difference is that of their plaintexts.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from borg.repository import TAG_PUT, LoggedIO

_NONCE, _CIPHERTEXT, _BLOCK = slice(33, 41), 41, 16


class Encrypted(NamedTuple):
    """A range of nonces, the end not in it, and what they encrypted."""

    start: int
    end: int
    data: bytes


def encrypted(repository: Path) -> set[Encrypted]:
    """Return every object that was ever stored in these segments, superseded ones as well."""
    io = LoggedIO(str(repository), 500 * 1024 * 1024, 1000)
    try:
        return {
            _range(bytes(data))
            for number, _path in io.segment_iterator()
            for tag, _key, _offset, data in io.iter_objects(number, include_data=True)
            if tag == TAG_PUT
        }
    finally:
        io.close()


def overlaps(objects: set[Encrypted]) -> list[tuple[Encrypted, Encrypted]]:
    """Return pairs of different objects that share a nonce."""
    ordered = sorted(objects)
    return [(one, other) for one, other in pairwise(ordered) if other.start < one.end]


def _range(data: bytes) -> Encrypted:
    start = int.from_bytes(data[_NONCE], "big")
    return Encrypted(start, start - (_CIPHERTEXT - len(data)) // _BLOCK, data)
