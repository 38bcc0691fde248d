# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""As much of msgpack as Borg's hints need: maps, raw bytes and integers."""

from __future__ import annotations

import struct

_INTEGERS = {0xCC: ">B", 0xCD: ">H", 0xCE: ">I", 0xCF: ">Q", 0xD0: ">b", 0xD1: ">h", 0xD2: ">i", 0xD3: ">q"}
_LENGTHS = {0xD9: ">B", 0xDA: ">H", 0xDB: ">I", 0xC4: ">B", 0xC5: ">H", 0xC6: ">I"}


class Msgpack:
    """Reads values one after the other; raises IndexError, ValueError or struct.error for anything else."""

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
        """Skip an integer, raw bytes, or a map of integers."""
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
