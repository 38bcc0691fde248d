# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a run stands: from its record, the notes of its sessions, and how long things usually take. No I/O."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from paranoid_runner.records import FAILED_STATES, Record, Result

Usual = Mapping[tuple[str, str], float]  # seconds that a work on a client usually takes
Received = Mapping[str, int]  # bytes that the running session of a client has brought


@dataclass(frozen=True)
class Working:
    """A client at work. Seconds and bytes; None is what nobody knows. ``left`` is what is left if all is as usual."""

    client: str
    work: str
    seconds: float | None
    received: int | None
    left: float | None


@dataclass(frozen=True)
class Standing:
    """A run at one moment. ``seconds`` since it began; ``left``: until all are done, if all goes as usual."""

    run_id: str
    at: datetime
    seconds: float
    left: float | None
    waiting: int
    working: tuple[Working, ...]
    ended: tuple[Result, ...]
    total: int

    def count(self, *states: str) -> int:
        """Return how many ended so."""
        return sum(one.state in states for one in self.ended)

    @property
    def failed(self) -> tuple[Result, ...]:
        """Those that failed, in the order of the run."""
        return tuple(one for one in self.ended if one.state in FAILED_STATES)


def find_standing(record: Record, received: Received, usual: Usual, now: datetime) -> Standing:
    """Return how a run that goes on stands."""
    running = [one for one in record.results if one.state == "running"]
    waiting = [one for one in record.results if one.state == "planned"]
    working = tuple(_describe(one, received, usual, now) for one in running)
    return Standing(
        run_id=record.run_id,
        at=now,
        seconds=(now - record.started).total_seconds() if record.started else 0,
        left=_estimate(working, waiting, usual),
        waiting=len(waiting),
        working=working,
        ended=tuple(one for one in record.results if one.state not in ("running", "planned")),
        total=len(record.results),
    )


def find_rates(before: Standing | None, now: Standing) -> Mapping[str, float]:
    """Return bytes per second of each client that brought some, between two moments of a run."""
    if before is None or (seconds := (now.at - before.at).total_seconds()) <= 0:
        return {}
    old = {one.client: one.received for one in before.working if one.received is not None}
    pairs = [(one.client, one.received, old.get(one.client)) for one in now.working]
    return {name: max(0, new - was) / seconds for name, new, was in pairs if new is not None and was is not None}


def _describe(one: Result, received: Received, usual: Usual, now: datetime) -> Working:
    seconds = max(0.0, (now - one.began).total_seconds()) if one.began else None
    expected = usual.get((one.work, one.client))
    left = max(0.0, expected - seconds) if expected is not None and seconds is not None else None
    return Working(one.client, one.work, seconds, received.get(one.client), left)


def _estimate(working: Iterable[Working], waiting: Iterable[Result], usual: Usual) -> float | None:
    """Return the seconds until all are done, as many at once as now; None where too little is known.

    One that nobody knows takes as long as the others of this run do; one that is late is about to end.
    """
    current, coming = list(working), list(waiting)
    names = [*((one.work, one.client) for one in current), *((one.work, one.client) for one in coming)]
    known = [usual[name] for name in names if name in usual]
    if not current or 2 * len(known) < len(names):
        return None
    typical = statistics.median(known)
    left = [one.left if one.left is not None else max(0.0, typical - (one.seconds or 0)) for one in current]
    whole = sum(left) + sum(usual.get((one.work, one.client), typical) for one in coming)
    return max(*left, whole / len(current))
