# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a trim may delete: objects and bytes exactly, of archives a bound on disaster."""

from __future__ import annotations

import pytest
from paranoid_gate.errors import Refused
from paranoid_gate.policy import Budget
from paranoid_gate.trim import TrimBudget


def test_objects_are_counted_exactly() -> None:
    trim = TrimBudget(Budget(objects=2, bytes=100))
    for key in (b"a", b"b"):
        trim.spend(key, 1)
    with pytest.raises(Refused, match="deleting more than 2 objects or 100 bytes"):
        trim.spend(b"c", 1)


@pytest.mark.parametrize(("limit", "passes"), [(69, False), (70, True)])
def test_bytes_are_counted_exactly(limit: int, passes: bool) -> None:
    trim = TrimBudget(Budget(objects=9, bytes=limit))
    trim.spend(b"a", 30)
    if passes:
        trim.spend(b"b", 40)
    else:
        with pytest.raises(Refused):
            trim.spend(b"b", 40)
        trim.spend(b"c", 39)


def test_bytes_of_all_objects_add_up() -> None:
    trim = TrimBudget(Budget(objects=9, bytes=70))
    for key in (b"a", b"b"):
        trim.spend(key, 30)
    with pytest.raises(Refused):
        trim.spend(b"c", 11)
    trim.spend(b"d", 10)


def test_what_was_deleted_is_not_stored_again() -> None:
    trim = TrimBudget(Budget(objects=1, bytes=1))
    trim.check_new(b"a")
    trim.spend(b"a", 1)
    with pytest.raises(Refused, match="storing again what this connection has deleted"):
        trim.check_new(b"a")
    trim.check_new(b"b")


@pytest.mark.parametrize(("archives", "floor"), [(0, 500), (1, 436), (2, 372), (9, 0)])
def test_a_manifest_may_lose_half_of_what_the_budget_leaves(archives: int, floor: int) -> None:
    trim = TrimBudget(Budget(objects=1, archives=archives))
    trim.begin(1000)
    trim.check_manifest(floor)
    if floor:
        with pytest.raises(Refused, match=f"a manifest that loses more than {archives} archives"):
            trim.check_manifest(floor - 1)


def test_without_a_budget_a_manifest_may_have_any_size() -> None:
    trim = TrimBudget(Budget())
    assert trim.is_empty
    trim.begin(1000)
    trim.check_manifest(0)
    assert not TrimBudget(Budget(objects=1)).is_empty
