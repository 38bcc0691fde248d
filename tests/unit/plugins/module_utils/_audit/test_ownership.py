# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""With which session an object came, against a model that remembers it, through any number of compactions."""

from __future__ import annotations

from ansible_collections.paranoid.backup.plugins.module_utils._audit.ownership import (
    UNKNOWN,
    Compaction,
    Ownership,
    Place,
    contains,
)
from hypothesis import given
from hypothesis import strategies as st


def test_segments_between_two_transactions_came_with_the_later_one() -> None:
    owners = Ownership((3, 7))
    assert [owners.session_of(segment, 8) for segment in (0, 3, 4, 7, 8)] == [3, 3, 7, 7, UNKNOWN]
    assert owners.intervals([7]) == (((4, 0), (8, 0)),)


def test_what_a_compaction_moved_before_there_were_notes_is_nobodys() -> None:
    notes = Ownership((3, 7)).after_compaction(7, 9, [((8, 8), None)], [8])
    assert Ownership((3, 7, 9), notes).session_of(8, 8) == UNKNOWN


class Model:
    """Objects with their place and the session that brought them; sessions and compactions as Borg does them."""

    def __init__(self) -> None:
        self.objects: dict[int, tuple[Place, int]] = {}
        self.transactions: list[int] = []
        self.owners = Ownership(())
        self.last = -1

    def session(self, sizes: list[int]) -> None:
        """One more session, with so many objects in each of its segments."""
        places = [(self.last + 1 + at, 8 + 50 * entry) for at, size in enumerate(sizes) for entry in range(size)]
        self.last += len(sizes) + 1
        for place in places:
            self.objects[len(self.objects)] = (place, self.last)
        self.transactions.append(self.last)
        self.owners = Ownership(tuple(self.transactions), self.owners.compactions)

    def compact(self, gone: set[int], width: int) -> None:
        """Delete objects, and move what is left of their segments into new ones of ``width`` objects."""
        deleted = [self.objects.pop(one) for one in sorted(self.objects)[:] if one in gone]
        emptied = {place[0] for place, _session in deleted}
        moved = sorted((place, one) for one, (place, _session) in self.objects.items() if place[0] in emptied)
        before, pairs = self.last, []
        for at, (old, one) in enumerate(moved):
            new = (before + 1 + at // width, 8 + 50 * (at % width))
            pairs.append((new, old))
            self.objects[one] = (new, self.objects[one][1])
        self.last = before + len(moved) // width + 2
        segments = {place[0] for place, _session in self.objects.values()}
        notes = self.owners.after_compaction(before, self.last, pairs, segments)
        self.transactions.append(self.last)
        self.owners = Ownership(tuple(self.transactions), notes)


STEPS = st.lists(
    st.one_of(
        st.lists(st.integers(0, 4), min_size=1, max_size=3),
        st.tuples(st.sets(st.integers(0, 30), max_size=12), st.integers(1, 5)),
    ),
    max_size=12,
)


@given(STEPS)
def test_the_session_of_an_object_is_known_for_ever(steps: list[list[int] | tuple[set[int], int]]) -> None:
    model = Model()
    for step in steps:
        model.session(step) if isinstance(step, list) else model.compact(*step)
        assert all(model.owners.session_of(*place) == session for place, session in model.objects.values())
        for wanted in model.transactions:
            intervals = model.owners.intervals([wanted])
            assert list(intervals) == sorted(intervals)
            for place, session in model.objects.values():
                assert contains(intervals, place) == (session == wanted)


def test_a_run_ends_where_the_next_one_begins_or_with_its_segment() -> None:
    owners = Ownership((2, 5, 9), (Compaction(5, 9, ((6, 8, 2), (6, 90, 5), (7, 8, 2), (8, 8, 5))),))
    assert owners.intervals([2]) == (((0, 0), (3, 0)), ((6, 8), (6, 90)), ((7, 8), (8, 0)))
    assert owners.intervals([5]) == (((3, 0), (6, 0)), ((6, 90), (7, 0)), ((8, 8), (9, 0)))
    assert [owners.session_of(6, 7), owners.session_of(9, 8)] == [UNKNOWN, UNKNOWN], "before and behind every run"
