# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of one client, read from the values that people write; what cannot be meant is named."""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, time, timedelta
from typing import Any

PREFIX = "backup_client_schedule_"
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY = timedelta(days=1)
LONGEST = 366 * DAY
UTC = zoneinfo.ZoneInfo("UTC")
_EVERY = re.compile(r"(\d{1,4}) ?(h|d|w)", re.ASCII)
_UNITS = {"h": timedelta(hours=1), "d": DAY, "w": 7 * DAY}
_WINDOW = re.compile(r"([01]\d|2[0-3]):([0-5]\d) ?- ?([01]\d|2[0-3]):([0-5]\d)", re.ASCII)
_DATES = re.compile(r"(\d{4}-\d\d-\d\d)(?: ?\.\. ?(\d{4}-\d\d-\d\d))?", re.ASCII)


class ScheduleError(Exception):
    """A rule that cannot be meant; the message is one line and names the variable."""


@dataclass(frozen=True)
class Schedule:
    """When a client is to be backed up.

    ``every`` is a number of hours below a day, or of whole days. A window opens on the weekdays ``days`` (0 is Monday)
    at ``opens`` in ``zone``, but not on the dates of ``blackout`` (first and last day each), and closes at ``closes``,
    on the next day if that is not later; equal times are a whole day. Within one window a failed backup is tried again
    ``retries`` times, after ``pause`` and then each time after twice as long. ``catch_up`` makes up for a window that
    was missed also outside of windows, but not on dates of ``blackout``. With ``spread`` its turn is at a time of its
    own, else when the window opens.
    """

    every: timedelta = DAY
    days: frozenset[int] = frozenset(range(7))
    opens: time = time(0)
    closes: time = time(0)
    zone: zoneinfo.ZoneInfo = UTC
    blackout: tuple[tuple[date, date], ...] = ()
    retries: int = 2
    pause: timedelta = timedelta(minutes=15)
    catch_up: bool = False
    spread: bool = False

    def allows(self, day: date) -> bool:
        """Whether a window may open on this day."""
        return day.weekday() in self.days and not self.blacks_out(day)

    def blacks_out(self, day: date) -> bool:
        """Whether nothing is to begin on this day."""
        return any(first <= day <= last for first, last in self.blackout)


def parse_schedule(values: Mapping[str, Any]) -> Schedule:
    """Return the schedule that these values make, by the variables' names without PREFIX; raises ScheduleError."""
    opens, closes = _parse_window(values.get("window", "00:00-00:00"))
    return Schedule(
        every=_parse_every(values.get("every", "1d")),
        days=_parse_days(values.get("days", [])),
        opens=opens,
        closes=closes,
        zone=_parse_zone(values.get("timezone", "UTC")),
        blackout=_parse_blackout(values.get("blackout", [])),
        retries=_parse_number(values.get("retries", 2), "retries", 0, 20),
        pause=timedelta(minutes=_parse_number(values.get("retry_minutes", 15), "retry_minutes", 1, 1440)),
        catch_up=_parse_flag(values.get("catch_up", False), "catch_up"),
        spread=_parse_flag(values.get("spread", False), "spread"),
    )


def _parse_every(value: Any) -> timedelta:
    found = _EVERY.fullmatch(str(value))
    every = int(found[1]) * _UNITS[found[2]] if found else timedelta()
    if not timedelta(hours=1) <= every <= LONGEST:
        raise _refuse("every", value, 'a time such as "6h", "1d" or "2w", from an hour to a year')
    if every > DAY and every % DAY:
        raise _refuse("every", value, "above a day a number of whole days")
    return every


def _parse_days(value: Any) -> frozenset[int]:
    names = _take_list("days", value)
    unknown = [name for name in names if str(name).lower()[:3] not in DAYS]
    if unknown:
        raise _refuse("days", unknown[0], f"a list of {', '.join(DAYS)}")
    return frozenset(DAYS.index(str(name).lower()[:3]) for name in names) or frozenset(range(7))


def _parse_window(value: Any) -> tuple[time, time]:
    found = _WINDOW.fullmatch(str(value).strip())
    if not found:
        raise _refuse("window", value, 'two times of day such as "22:00-06:00"')
    return time(int(found[1]), int(found[2])), time(int(found[3]), int(found[4]))


def _parse_zone(value: Any) -> zoneinfo.ZoneInfo:
    try:
        return zoneinfo.ZoneInfo(str(value))
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise _refuse("timezone", value, 'a name such as "Europe/Berlin"; is the package tzdata there?') from None


def _parse_blackout(value: Any) -> tuple[tuple[date, date], ...]:
    spans = []
    for text in _take_list("blackout", value):
        found = _DATES.fullmatch(str(text).strip())
        try:
            if not found:
                raise ValueError
            first, last = date.fromisoformat(found[1]), date.fromisoformat(found[2] or found[1])
        except ValueError:
            raise _refuse("blackout", text, 'dates such as "2026-12-24" or "2026-12-24..2027-01-01"') from None
        if last < first:
            raise _refuse("blackout", text, "the earlier date first")
        spans.append((first, last))
    return tuple(spans)


def _parse_number(value: Any, name: str, least: int, most: int) -> int:
    text = str(value)
    if isinstance(value, bool) or not re.fullmatch(r"\d{1,6}", text, re.ASCII) or not least <= int(text) <= most:
        raise _refuse(name, value, f"a whole number from {least} to {most}")
    return int(text)


def _parse_flag(value: Any, name: str) -> bool:
    if not isinstance(value, bool):
        raise _refuse(name, value, "true or false")
    return value


def _take_list(name: str, value: Any) -> Sequence[Any]:
    if isinstance(value, (str, Mapping)) or not isinstance(value, Sequence):
        raise _refuse(name, value, "a list")
    return value


def _refuse(name: str, value: Any, wanted: str) -> ScheduleError:
    shown = "".join(c if c.isprintable() else "?" for c in str(value))[:60]
    return ScheduleError(f'{PREFIX}{name} is "{shown}": it must be {wanted}')
