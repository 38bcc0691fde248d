# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ids must be spread over Borg's index as MACs are: it looks one bucket after the other for an id.

An id's place is its first four bytes modulo the number of buckets. Ids that are chosen so that they share a place, or
lie side by side, at the size that the index has now or will grow to make each call read all of them.
"""

from __future__ import annotations

import random
from array import array

from paranoid_gate.errors import Refused

# What Borg's index grows through. Below, a crowd costs less than a second, above, memory ends first.
SIZES = (
    *(32771, 65537, 131101, 262147, 445649, 757607, 1287917, 2189459, 3065243, 4291319, 6007867, 8410991),
    *(11775359, 16485527, 23079703, 27695653, 33234787, 39881729, 47858071, 57429683),
)
_BINS = 4096  # parts of the index that are counted apart
_SAMPLE_BITS = 2  # one id in four is counted; which one, nobody can foretell
_ALLOWANCE = 48  # ids in one part, beyond twice the mean


class Spread:
    """Counts a connection's new ids by where they lie; raises Refused when too many lie together.

    A part that honest ids fill to ``mean`` on average refuses more than ``48 + 2 * mean``. By Chernoff's bound that
    happens with a probability below 1e-26 whatever the mean (it is worst near 24), below 1e-14 for all parts and sizes
    and a million ids. A hostile client gets some 200 ids together, beyond twice its fair share.
    """

    def __init__(self) -> None:
        self._counted = 0
        self._tables = [(size, array("I", bytes(4 * _BINS))) for size in SIZES]

    def check(self, key: bytes) -> None:
        """Count a new id, or refuse it."""
        if random.getrandbits(_SAMPLE_BITS):
            return
        self._counted += 1
        prefix = int.from_bytes(key[:4], "little")
        limit = _ALLOWANCE + 2 * self._counted // _BINS
        for size, bins in self._tables:
            place = prefix % size * _BINS // size
            bins[place] += 1
            if bins[place] > limit:
                raise Refused("ids that no MAC would give: too many lie together in the index")
