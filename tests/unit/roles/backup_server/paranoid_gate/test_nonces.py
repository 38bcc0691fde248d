# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nonces only move forward, by what the bytes that came can need, and 2^40 blocks."""

from __future__ import annotations

import pytest
from paranoid_gate.errors import Refused
from paranoid_gate.nonces import NonceGuard

START = 2**30
ROOM = 2**40


def refused(guard: NonceGuard, free: int, following: int, received: int = 0) -> bool:
    try:
        guard.check(free, following, received)
    except Refused:
        return True
    return False


@pytest.mark.parametrize(
    ("following", "expected"),
    [(-1, True), (0, True), (START, True), (START + 1, False), (START + ROOM, False), (START + ROOM + 1, True)],
)
def test_bounds(following: int, expected: bool) -> None:
    assert refused(NonceGuard(0), START, following) is expected


def test_the_room_is_for_the_connection_and_not_for_each_call() -> None:
    guard = NonceGuard(0)
    assert not refused(guard, START, START + ROOM)
    assert refused(guard, START + ROOM, START + ROOM + 1)


def test_what_came_in_makes_room_for_its_blocks() -> None:
    guard = NonceGuard(1000)
    assert refused(guard, START, START + ROOM + 2, 1000 + 31), "31 bytes are one block"
    assert not refused(guard, START, START + ROOM + 1, 1000 + 31)
    assert not refused(guard, START, START + ROOM + 2, 1000 + 32)


def test_even_a_huge_repository_does_not_come_near_the_end() -> None:
    guard = NonceGuard(0)
    assert refused(guard, START, 2**64 - 1, received=2**50), "a petabyte needs 2^46 blocks"


def test_a_refusal_says_from_where_to_where() -> None:
    with pytest.raises(Refused, match="moving the nonce from 7 to 5"):
        NonceGuard(0).check(7, 5, 0)


@pytest.mark.parametrize(
    ("following", "expected"),
    [(2**61, True), (2**61 + 1, False), (2**63, False), (2**63 + 2**62, False), (2**63 + 2**62 + 1, True)],
)
def test_a_client_leaps_to_where_its_clock_puts_it(following: int, expected: bool) -> None:
    assert refused(NonceGuard(0), START, following) is expected


def test_even_there_nonces_only_move_forward() -> None:
    assert refused(NonceGuard(0), 2**63 + 5, 2**63 + 5)
    assert not refused(NonceGuard(0), 2**63 + 5, 2**63 + 6)
    assert not refused(NonceGuard(0), 2**63 + 2**62, 2**63 + 2**62 + ROOM)
