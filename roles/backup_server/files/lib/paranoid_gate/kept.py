# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a trim must leave, whatever its budget: the archives that stay, and all that came with them."""

from __future__ import annotations

import json
import os
from bisect import bisect_right
from dataclasses import dataclass

_LIMIT = 16 * 1024 * 1024  # bytes; 13,000 archives take 2 MiB
_Place = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Kept:
    """``archives`` are ids; ``intervals`` go from a segment and offset up to another, in order, without overlaps."""

    archives: frozenset[bytes] = frozenset()
    intervals: tuple[tuple[_Place, _Place], ...] = ()

    def objection(self, key: bytes, place: _Place) -> str:
        """Return why this object must stay, empty if nothing says so."""
        if key in self.archives:
            return "deleting an archive that stays"
        at = bisect_right(self.intervals, (place, (2**63, 0))) - 1
        if at >= 0 and place < self.intervals[at][1]:
            return "deleting what came with an archive that stays"
        return ""


def load_kept(descriptor: int) -> Kept:
    """Read what the engine wrote: ``{"archives": [id, …], "intervals": [[segment, offset, segment, offset], …]}``."""
    with os.fdopen(descriptor, "rb") as file:
        content = json.loads(file.read(_LIMIT))
    archives = frozenset(bytes.fromhex(one) for one in content["archives"])
    intervals = tuple(((first, at), (last, end)) for first, at, last, end in content["intervals"])
    return Kept(archives, intervals)
