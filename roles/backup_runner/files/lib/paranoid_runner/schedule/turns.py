# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a client's next turn is, and why: from its rules, what has happened so far, and what the clock says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from paranoid_runner.schedule.rules import DAY, LONGEST, Schedule
from paranoid_runner.schedule.windows import Chance, find_counted, find_day, list_chances, list_windows

LONGEST_PAUSE = timedelta(hours=4)


@dataclass(frozen=True)
class Past:
    """What has happened to a client, in UTC and in the order in which it happened.

    ``succeeded`` is when the last good work ended, None where there was none yet; ``failed`` is when each failed one
    since then ended. ``took`` is how many seconds the last good ones took.
    """

    succeeded: datetime | None = None
    failed: tuple[datetime, ...] = ()
    took: tuple[float, ...] = ()


@dataclass(frozen=True)
class Turn:
    """``at`` is when a client is to be started, at most now where it is due, None where never; ``why`` is a phrase."""

    at: datetime | None
    why: str

    def is_due(self, now: datetime) -> bool:
        """Whether it is to be started now."""
        return self.at is not None and self.at <= now


def find_turn(schedule: Schedule, client: str, past: Past, now: datetime) -> Turn:
    """Return the next turn. A clock that was put back makes what lies ahead of it unknown, and the client due again."""
    last = past.succeeded if past.succeeded and past.succeeded <= now else None
    failed = [moment for moment in past.failed if moment <= now]
    missed: Chance | None = None
    for chance in _list_chances(schedule, client, last, now):
        if chance.ends <= now:
            tried = any(chance.begins <= moment < chance.ends for moment in failed)
            missed = None if tried or not last else chance
            continue
        turn = _catch_up(schedule, missed, chance, failed, now) or _take(schedule, missed, chance, failed, last)
        if turn:
            return turn
    return Turn(None, "no window opens within a year: look at days and blackout")


def find_deadline(schedule: Schedule, client: str, last: datetime | None, now: datetime) -> datetime | None:
    """Return when the turn that follows a success is over, or the first from ``now`` on; None where it never comes."""
    ends = (chance.ends for chance in _list_chances(schedule, client, last, now))
    return next((moment for moment in ends if moment > (last or now)), None)


def _list_chances(schedule: Schedule, client: str, last: datetime | None, now: datetime) -> Iterator[Chance]:
    """Yield the chances of a client that come after its last success, or from the window of now on.

    Of a success that is years ago, as one is by a clock that was wrong, those of the last year are enough.
    """
    if last and schedule.every >= DAY:
        first = find_counted(schedule, last) + schedule.every
    else:
        first = find_day(schedule, last or now)
    first = max(first, find_day(schedule, now) - LONGEST)
    for window in list_windows(schedule, first):
        for chance in list_chances(schedule, client, window):
            if not last or schedule.every >= DAY or chance.begins >= last + schedule.every / 2:
                yield chance


def _catch_up(
    schedule: Schedule, missed: Chance | None, chance: Chance, failed: list[datetime], now: datetime
) -> Turn | None:
    """Return the turn outside of any window that makes up for one that was missed, where the rules want that."""
    if not (schedule.catch_up and missed and now < chance.window.opens):
        return None
    since = [moment for moment in failed if moment >= missed.ends]
    at = _find_time(schedule, now, since)
    if not at or at >= chance.window.opens or schedule.blacks_out(at.astimezone(schedule.zone).date()):
        return None
    return Turn(at, _explain(since, missed, schedule))


def _take(
    schedule: Schedule, missed: Chance | None, chance: Chance, failed: list[datetime], last: datetime | None
) -> Turn | None:
    """Return the turn that a chance gives, None when it was tried often enough."""
    is_late = not last or (missed and missed.window != chance.window)
    begins = chance.window.opens if is_late else chance.begins
    since = [moment for moment in failed if moment >= begins]
    at = _find_time(schedule, begins, since)
    if not at or at >= chance.ends:
        return None
    if not last and not since:
        return Turn(at, "it has never been done")
    return Turn(at, _explain(since, missed, schedule) or f"its turn in the window of {chance.window.day}")


def _find_time(schedule: Schedule, begins: datetime, failed: list[datetime]) -> datetime | None:
    """Return when to start after so many failures, None after too many."""
    if len(failed) > schedule.retries:
        return None
    if not failed:
        return begins
    return max(begins, failed[-1] + min(schedule.pause * (1 << len(failed) - 1), LONGEST_PAUSE))


def _explain(failed: list[datetime], missed: Chance | None, schedule: Schedule) -> str:
    if failed:
        return f"it failed; try {len(failed) + 1} of {schedule.retries + 1}"
    return f"it missed the window of {missed.window.day}" if missed else ""
