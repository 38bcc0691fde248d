# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""With which session each stored object came, known without any key: by where it lies.

A session only adds segments, so what lies in the segments between two transactions came with the later one. A
compaction moves objects, in the order in which they lay: of each compaction a note keeps from where to where the
objects in its segments came with the same session. There are never more such runs than there were before, so the note
stays small.

What came with a session whose archive stays is needed by that archive: Borg stores an object when an archive needs it,
and takes back what it stored in vain. So a trim may delete only what came with other sessions.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

Place = tuple[int, int]  # segment and offset
Interval = tuple[Place, Place]  # from the first place on, up to the second, which is no longer in it
UNKNOWN = -1  # the session of an object that a compaction moved before there were notes


@dataclass(frozen=True)
class Compaction:
    """One compaction: the last transaction ``before`` it, its own ``transaction``, and its runs.

    Each run is a segment, an offset in it, and the transaction of the session with which the objects came that lie
    there and behind it, up to the next run.
    """

    before: int
    transaction: int
    runs: tuple[tuple[int, int, int], ...]


@dataclass(frozen=True)
class Ownership:
    """``transactions`` are those of sessions and compactions, in order; ``compactions`` what is noted of these."""

    transactions: tuple[int, ...]
    compactions: tuple[Compaction, ...] = ()

    def session_of(self, segment: int, offset: int) -> int:
        """Return the transaction of the session with which the object at this place came, or UNKNOWN."""
        moved = self._compaction_of(segment)
        if moved is not None:
            at = bisect_right(moved.runs, (segment, offset, _END)) - 1
            return moved.runs[at][2] if at >= 0 and moved.runs[at][0] == segment else UNKNOWN
        at = bisect_left(self.transactions, segment)
        return self.transactions[at] if at < len(self.transactions) else UNKNOWN

    def intervals(self, sessions: Iterable[int]) -> tuple[Interval, ...]:
        """Return where everything lies that came with these sessions, in order."""
        wanted = set(sessions)
        own = [
            ((before + 1, 0), (transaction + 1, 0))
            for before, transaction in pairwise((-1, *self.transactions))
            if transaction in wanted and self._compaction_of(transaction) is None
        ]
        moved = [part for compaction in self.compactions for part in _run_intervals(compaction, wanted)]
        return tuple(sorted([*own, *moved]))

    def after_compaction(
        self, before: int, transaction: int, moved: Iterable[tuple[Place, Place | None]], segments: Iterable[int]
    ) -> tuple[Compaction, ...]:
        """Return the notes after one more compaction, without those of segments that are gone.

        ``moved`` are the new and the old places of the objects in its segments, in the order of the new ones;
        ``segments`` are all that there are now.
        """
        runs: list[tuple[int, int, int]] = []
        for (segment, offset), old in moved:
            session = UNKNOWN if old is None else self.session_of(*old)
            if not runs or runs[-1][0] != segment or runs[-1][2] != session:
                runs.append((segment, offset, session))
        there = set(segments)
        notes = (*self.compactions, Compaction(before, transaction, tuple(runs)))
        kept = (Compaction(one.before, one.transaction, _runs_in(one, there)) for one in notes)
        return tuple(one for one in kept if one.runs)

    def _compaction_of(self, segment: int) -> Compaction | None:
        return next((one for one in self.compactions if one.before < segment <= one.transaction), None)


_END = 2**63


def contains(intervals: Sequence[Interval], place: Place) -> bool:
    """Tell whether a place lies in one of these intervals, which are in order and do not overlap."""
    at = bisect_right(intervals, (place, (_END, _END))) - 1
    return at >= 0 and place < intervals[at][1]


def _run_intervals(compaction: Compaction, wanted: set[int]) -> Iterable[Interval]:
    for at, (segment, offset, session) in enumerate(compaction.runs):
        if session in wanted:
            following = compaction.runs[at + 1] if at + 1 < len(compaction.runs) else None
            is_same = following is not None and following[0] == segment
            yield (segment, offset), (following[:2] if following and is_same else (segment + 1, 0))


def _runs_in(compaction: Compaction, segments: set[int]) -> tuple[tuple[int, int, int], ...]:
    return tuple(run for run in compaction.runs if run[0] in segments)
