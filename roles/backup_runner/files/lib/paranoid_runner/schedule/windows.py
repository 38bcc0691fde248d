# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The windows of a schedule on the calendar, as moments in UTC, and a client's chances in them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from paranoid_runner.schedule.rules import DAY, LONGEST, Schedule

SPREAD = 0.75  # Turns lie in this part of a window: what fails at the last of them can still be tried again.


@dataclass(frozen=True)
class Window:
    """One window: the local day on which it opens, and both ends in UTC."""

    day: date
    opens: datetime
    closes: datetime


@dataclass(frozen=True)
class Chance:
    """A time, in UTC, from which on a client is started once, and until which it is tried again."""

    begins: datetime
    ends: datetime
    window: Window


def find_window(schedule: Schedule, day: date) -> Window:
    """Return the window that opens on a day, whether or not it may.

    Where the clock is put forward, a time of day that does not exist is as much later (PEP 495, fold 0); a window that
    would close before it opens then is as long as on other days. Where it is put back, the first of two equal times
    counts.
    """
    later = DAY if schedule.closes <= schedule.opens else timedelta()
    opens = _to_utc(day, schedule.opens, schedule.zone)
    closes = _to_utc(day + later, schedule.closes, schedule.zone)
    if closes <= opens:
        closes = opens + (datetime.combine(day + later, schedule.closes) - datetime.combine(day, schedule.opens))
    return Window(day, opens, closes)


def list_windows(schedule: Schedule, first: date) -> Iterator[Window]:
    """Yield the windows that may open from a day on, for a year and what ``every`` can add to it."""
    for number in range(2 * LONGEST.days):
        day = first + number * DAY
        if schedule.allows(day):
            yield find_window(schedule, day)


def find_day(schedule: Schedule, moment: datetime) -> date:
    """Return the day of the window that opened last by a moment, whether or not it was allowed."""
    day = moment.astimezone(schedule.zone).date() + DAY
    while find_window(schedule, day).opens > moment:
        day -= DAY
    return day


def find_counted(schedule: Schedule, moment: datetime) -> date:
    """Return the day of the window that what was done at a moment counts for: the last that was allowed by then.

    So what a person did, or what made up for a window, on another day of the week keeps the next window from nothing.
    """
    last = find_day(schedule, moment)
    days = (last - number * DAY for number in range(LONGEST.days))
    return next(filter(schedule.allows, days), last)


def list_chances(schedule: Schedule, client: str, window: Window) -> Iterator[Chance]:
    """Yield a client's chances in a window: one, or below a day as many as fit; if spread, by its name alone."""
    step = min(schedule.every, window.closes - window.opens)
    share = find_share(client) * SPREAD if schedule.spread else 0.0
    offset = timedelta(seconds=int(share * step.total_seconds()))
    begins = window.opens + offset
    while begins < window.closes:
        ends = min(begins + schedule.every, window.closes) if schedule.every < DAY else window.closes
        yield Chance(begins, ends, window)
        begins = ends


def find_share(client: str) -> float:
    """Return a number from 0 to 1 that is always the same for a name, and spread evenly over names."""
    return int.from_bytes(hashlib.sha256(client.encode("utf-8", "surrogateescape")).digest()[:8], "big") / 2**64


def _to_utc(day: date, moment: time, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, moment, zone).astimezone(UTC)
