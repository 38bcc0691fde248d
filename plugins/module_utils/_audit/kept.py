# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a trim must leave, whatever its budget: the archives that stay, and all that came with them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from ansible_collections.paranoid.backup.plugins.module_utils._audit.ownership import Interval, contains
from ansible_collections.paranoid.backup.plugins.module_utils._borg.index import Index


@dataclass(frozen=True)
class Kept:
    """``archives`` are the ids of those that stay, ``intervals`` where the objects lie that came with them."""

    archives: tuple[str, ...] = ()
    intervals: tuple[Interval, ...] = ()

    def to_json(self) -> bytes:
        """Return it as the gate reads it (`paranoid_gate.kept`)."""
        intervals = [[*first, *end] for first, end in self.intervals]
        return json.dumps({"archives": self.archives, "intervals": intervals}).encode()

    def count_lost(self, before: Index, lost: Iterable[bytes]) -> int:
        """Return how many of the objects that are ``lost`` had to stay; ``before`` is the index before they went."""
        archives = {bytes.fromhex(one) for one in self.archives}
        places = ((key, before.find(key)) for key in lost)
        return sum(key in archives or (place is not None and contains(self.intervals, place)) for key, place in places)
