# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client's own band: how many files and bytes its archives usually hold, and whether a new one holds far fewer.

What is usual is the highest level at which the archives stayed for a while: the largest median of neighbours among
them. One that was large for a day does not raise it, and archives that shrink in small steps do not lower it: each step
is compared with the highest level of all, until a person, or the operator's own change, begins anew.

===================  ====================================================
archives so far      what is usual
===================  ====================================================
1, 2                 the larger one
3 to 6               the largest median of three neighbours
7 and more           the largest median of seven neighbours
===================  ====================================================
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median_low

_WIDE, _NARROW = 7, 3


@dataclass(frozen=True)
class Size:
    """What an archive holds, as its client counted."""

    files: int
    bytes: int


@dataclass(frozen=True)
class Band:
    """An archive is far too small with less than ``percent`` of the usual files or bytes; 0: none is.

    A client that usually has less than ``min_files`` or ``min_bytes`` is not judged by these. So many of the last
    ``archives`` are looked at.
    """

    percent: int = 50
    min_files: int = 20
    min_bytes: int = 1024 * 1024
    archives: int = 400


def find_shrinkage(earlier: Sequence[Size], now: Size, band: Band) -> str:
    """Say in what ``now`` is far below ``earlier``, oldest first; empty if it is not, or nothing is earlier."""
    last = earlier[-band.archives :] if band.archives > 0 else ()
    if not last or band.percent <= 0:
        return ""
    files, size = usual([one.files for one in last]), usual([one.bytes for one in last])
    found = []
    if files >= band.min_files and now.files * 100 < files * band.percent:
        found.append(f"{now.files} files instead of {files}")
    if size >= band.min_bytes and now.bytes * 100 < size * band.percent:
        found.append(f"{_format_bytes(now.bytes)} instead of {_format_bytes(size)}")
    return ", ".join(found)


def usual(counts: Sequence[int]) -> int:
    """Return the highest level at which ``counts``, of which there is at least one, stayed for a while."""
    if len(counts) < _NARROW:
        return max(counts)
    width = _WIDE if len(counts) >= _WIDE else _NARROW
    return max(median_low(counts[start : start + width]) for start in range(len(counts) - width + 1))


def _format_bytes(count: int) -> str:
    size, units = float(count), ["TB", "GB", "MB", "kB"]
    unit = "B"
    while size >= 1000 and units:
        size, unit = size / 1000, units.pop()
    return f"{size:.0f} {unit}" if unit == "B" or size >= 100 else f"{size:.1f} {unit}"
