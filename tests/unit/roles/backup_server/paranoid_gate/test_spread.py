# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ids that lie together in Borg's index are refused; ids that are MACs never are."""

from __future__ import annotations

import os
import random
import struct
from collections.abc import Callable

import pytest
from borg.hashindex import NSIndex
from paranoid_gate.errors import Refused
from paranoid_gate.spread import SIZES, Spread

ATTACKS: dict[str, Callable[[int], int]] = {
    "the same first bytes": lambda _number: 0x01020304,
    "one bucket of the index as it is": lambda number: number % 60_000 * 65537,
    "one bucket of an index as it will be": lambda number: number % 1400 * 3065243,
    "side by side": lambda number: number,
    "side by side in turns": lambda number: number % 60_000 * 65537 + number // 60_000,
}


def accepted(spread: Spread, prefix: Callable[[int], int], count: int) -> int:
    """Return how many ids pass before the first that does not."""
    for number in range(count):
        try:
            spread.check(struct.pack("<I", prefix(number)) + bytes(28))
        except Refused:
            return number
    return count


@pytest.mark.parametrize("attack", ATTACKS)
def test_ids_that_lie_together_are_refused(attack: str) -> None:
    assert accepted(Spread(), ATTACKS[attack], 40_000) < 1000


@pytest.mark.parametrize("bits", range(3))
def test_honest_ids_do_not_hide_those_that_lie_together(bits: int) -> None:
    """Whoever mixes them in gets no more than twice their share and some."""
    spread, together = Spread(), 0
    for _ in range(100_000):
        spread.check(os.urandom(32))
    together = accepted(spread, lambda _number: bits << 24, 40_000)
    assert together < 1000


def test_no_macs_are_refused() -> None:
    bits = random.Random(1)
    spread = Spread()
    for _ in range(300_000):
        spread.check(bits.randbytes(32))


def test_the_index_grows_through_these_sizes() -> None:
    index, seen = NSIndex(), set()
    for number in range(400_000):
        index[struct.pack("<Q", number * 0x9E3779B97F4A7C15 % 2**64) + bytes(24)] = (0, 0)
        seen.add((index.size() - 18) // 40)
    assert [size for size in sorted(seen) if size >= SIZES[0]] == list(SIZES[:6])
