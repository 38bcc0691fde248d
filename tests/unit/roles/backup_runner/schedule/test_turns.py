# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of turns as a table, and two years lived through in four time zones."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paranoid_runner.schedule.rules import Schedule, ScheduleError, parse_schedule
from paranoid_runner.schedule.turns import LONGEST_PAUSE, Past, Turn, find_turn
from paranoid_runner.schedule.windows import find_day, find_share, find_window, list_chances, list_windows

BERLIN, NEW_YORK = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")
LORD_HOWE, AUCKLAND = (
    ZoneInfo("Australia/Lord_Howe"),
    ZoneInfo("Pacific/Auckland"),
)  # half an hour; seasons turned round
ZONES = [BERLIN, NEW_YORK, LORD_HOWE, AUCKLAND]
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NIGHTS = Schedule(opens=time(22), closes=time(6), spread=True)


def at(text: str, zone: ZoneInfo | None = None) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone or UTC).astimezone(UTC)


def begins(schedule: Schedule, day: str, client: str = "web1") -> datetime:
    """Return a client's own time in the window of a day."""
    return next(iter(list_chances(schedule, client, find_window(schedule, date.fromisoformat(day))))).begins


def turn(schedule: Schedule, now: str, succeeded: str = "", failed: tuple[str, ...] = ()) -> Turn:
    past = Past(at(succeeded) if succeeded else None, tuple(at(one) for one in failed))
    return find_turn(schedule, "web1", past, at(now))


# A night of NIGHTS belongs to the day on which it begins; web1's own time in it is constant.
@pytest.mark.parametrize(
    ("rules", "now", "succeeded", "day"),
    [
        ({}, "2026-11-26 12:00", "2026-11-26 03:00", "2026-11-26"),
        ({}, "2026-11-26 23:59", "2026-11-26 03:00", "2026-11-26"),
        ({}, "2026-11-26 12:00", "2026-11-26 11:00", "2026-11-26"),  # by hand at noon: the night comes all the same
        ({}, "2026-11-26 23:00", "2026-11-26 22:30", "2026-11-27"),  # by hand within the window: it counts
        ({"every": 2 * DAY}, "2026-11-26 12:00", "2026-11-26 03:00", "2026-11-27"),
        ({"every": 7 * DAY}, "2026-12-29 12:00", "2026-12-29 03:00", "2027-01-04"),
        ({"days": frozenset({0, 3})}, "2026-11-27 12:00", "2026-11-27 03:00", "2026-11-30"),
        ({"days": frozenset({6})}, "2028-02-28 12:00", "2028-02-28 03:00", "2028-03-05"),  # over a leap day
        ({"blackout": ((date(2026, 12, 24), date(2027, 1, 1)),)}, "2026-12-24 12:00", "2026-12-24 03:00", "2027-01-02"),
        ({}, "2028-02-29 12:00", "2028-02-29 03:00", "2028-02-29"),
        # A Sunday's, by hand on Wednesday, or made up for on Tuesday: the next Sunday comes all the same.
        ({"every": 7 * DAY, "days": frozenset({6})}, "2026-11-25 12:00", "2026-11-25 11:00", "2026-11-29"),
        ({"every": 7 * DAY, "days": frozenset({6})}, "2026-11-24 12:00", "2026-11-24 11:00", "2026-11-29"),
        ({"every": 14 * DAY, "days": frozenset({6})}, "2026-11-24 12:00", "2026-11-24 11:00", "2026-12-06"),
    ],
)
def test_when_the_next_night_is(rules: dict[str, object], now: str, succeeded: str, day: str) -> None:
    schedule = replace(NIGHTS, **rules)  # type: ignore[arg-type] # a table of fields
    found = turn(schedule, now, succeeded)
    assert found == Turn(begins(schedule, day), f"its turn in the window of {day}")


def test_a_new_client_has_its_turn_as_soon_as_a_window_is_open() -> None:
    why = "it has never been done"
    assert turn(NIGHTS, "2026-11-26 12:00") == Turn(at("2026-11-26 22:00"), why)
    assert turn(NIGHTS, "2026-11-27 05:59") == Turn(at("2026-11-26 22:00"), why)
    assert turn(NIGHTS, "2026-11-27 05:59").is_due(at("2026-11-27 05:59"))
    assert turn(NIGHTS, "2026-11-27 06:00") == Turn(at("2026-11-27 22:00"), why)


def test_a_missed_window_is_made_up_for_when_the_next_one_opens_or_at_once() -> None:
    found = turn(NIGHTS, "2026-11-27 12:00", "2026-11-26 03:00")
    assert found == Turn(at("2026-11-27 22:00"), "it missed the window of 2026-11-26")
    at_once = replace(NIGHTS, catch_up=True)
    found = turn(at_once, "2026-11-27 12:00", "2026-11-26 03:00")
    assert found == Turn(at("2026-11-27 12:00"), "it missed the window of 2026-11-26")
    found = turn(at_once, "2026-11-27 12:01", "2026-11-26 03:00", ("2026-11-27 12:00",))
    assert found == Turn(at("2026-11-27 12:15"), "it failed; try 2 of 3")
    assert turn(at_once, "2026-11-26 12:00", "2026-11-26 03:00").at == begins(at_once, "2026-11-26"), "nothing missed"


def test_what_failed_is_tried_again_with_growing_pauses_and_only_within_the_window() -> None:
    schedule = replace(NIGHTS, retries=3)
    own = begins(schedule, "2026-11-26")
    failed: list[datetime] = []
    pauses = []
    now = own
    while (found := find_turn(schedule, "web1", Past(at("2026-11-26 03:00"), tuple(failed)), now)).at:
        if found.at >= at("2026-11-27 06:00"):
            break
        now = max(found.at, now)
        pauses += [now - failed[-1]] if failed else []
        failed.append(now)
    assert pauses == [timedelta(minutes=15), timedelta(minutes=30), timedelta(minutes=60)]
    assert found.at == begins(schedule, "2026-11-27"), "then the next night, at its own time"


def test_pauses_have_an_end() -> None:
    schedule = Schedule(retries=20, pause=timedelta(minutes=600), spread=True)
    failed = begins(schedule, "2026-11-26") + timedelta(minutes=1)
    assert find_turn(schedule, "web1", Past(None, (failed,)), failed).at == failed + LONGEST_PAUSE


def test_a_retry_that_would_come_after_the_window_waits_for_the_next() -> None:
    found = turn(NIGHTS, "2026-11-27 05:50", "2026-11-26 03:00", ("2026-11-27 05:50",))
    assert found.at == begins(NIGHTS, "2026-11-27")


def test_several_times_a_day() -> None:
    schedule = Schedule(every=6 * HOUR, opens=time(8), closes=time(20), spread=True)
    day = [chance.begins for chance in list_chances(schedule, "web1", find_window(schedule, date(2026, 11, 26)))]
    assert day[1] - day[0] == 6 * HOUR and day[-1] < at("2026-11-26 20:00")
    done = Past(day[0] + timedelta(minutes=5))
    assert find_turn(schedule, "web1", done, day[0] + HOUR).at == day[1]
    # A try that was late stands for its own turn, and from half of the way on for the next one as well.
    for hours, is_next in ((2.9, True), (3.1, False)):
        ended = day[0] + hours * HOUR
        assert (find_turn(schedule, "web1", Past(ended), ended).at == day[1]) is is_next
    late = Past(day[1] - timedelta(minutes=10))  # a retry that went well: the next one is not ten minutes later
    assert find_turn(schedule, "web1", late, day[1]).at == begins(schedule, "2026-11-27")


def test_a_clock_that_was_put_back_makes_a_client_due_again() -> None:
    schedule = Schedule()
    found = turn(schedule, "2026-11-26 23:59", "2027-11-26 03:00", ("2027-11-26 04:00",))
    assert found == Turn(at("2026-11-26 00:00"), "it has never been done")
    assert found.is_due(at("2026-11-26 23:59"))


def test_a_clock_that_is_a_year_ahead_asks_for_one_backup_and_no_more() -> None:
    found = turn(NIGHTS, "2027-11-26 23:00", "2026-11-26 03:00")
    assert found.at == at("2027-11-26 22:00")
    assert not turn(NIGHTS, "2027-11-26 23:30", "2027-11-26 23:10").is_due(at("2027-11-26 23:30"))


@pytest.mark.parametrize("succeeded", ["2020-01-01 03:00", "1970-01-01 00:00", "2024-11-20 03:00", "2025-11-20 03:00"])
@pytest.mark.parametrize("rules", [{}, {"every": 7 * DAY, "days": frozenset({6})}, {"every": 366 * DAY}])
def test_a_success_of_a_clock_that_was_years_behind_is_no_last_one(succeeded: str, rules: dict[str, object]) -> None:
    """A machine without a battery for its clock begins in 1970, backs up, and is then told the time."""
    schedule = replace(NIGHTS, **rules)  # type: ignore[arg-type] # a table of fields
    found = turn(schedule, "2026-11-26 22:30", succeeded)
    assert found.at and found.at <= at("2026-11-29 22:00"), found
    assert found.why.startswith("it missed the window of 2026-11-2"), found


def test_nothing_is_made_up_for_on_a_day_of_the_blackout() -> None:
    schedule = replace(NIGHTS, catch_up=True, blackout=((date(2026, 12, 24), date(2026, 12, 26)),))
    missed = "it missed the window of 2026-12-23"
    assert turn(schedule, "2026-12-24 12:00", "2026-12-23 03:00") == Turn(at("2026-12-27 22:00"), missed)
    assert turn(schedule, "2026-12-27 00:30", "2026-12-23 03:00") == Turn(at("2026-12-27 00:30"), missed)


def test_rules_that_never_open_a_window_are_told() -> None:
    found = turn(replace(NIGHTS, blackout=((date(2026, 1, 1), date(2030, 1, 1)),)), "2026-11-26 12:00")
    assert found.at is None and "blackout" in found.why and not found.is_due(at("2026-11-26 12:00"))


@pytest.mark.parametrize(
    ("zone", "window", "day", "opens", "closes"),
    [
        # Berlin, 2026-03-29 02:00 becomes 03:00; 2026-10-25 03:00 becomes 02:00.
        (BERLIN, (time(22), time(6)), "2026-03-28", "2026-03-28 21:00", "2026-03-29 04:00"),
        (BERLIN, (time(22), time(6)), "2026-10-24", "2026-10-24 20:00", "2026-10-25 05:00"),
        (BERLIN, (time(2, 15), time(2, 45)), "2026-03-29", "2026-03-29 01:15", "2026-03-29 01:45"),
        (BERLIN, (time(2, 30), time(3)), "2026-03-29", "2026-03-29 01:30", "2026-03-29 02:00"),
        (BERLIN, (time(2, 30), time(3, 30)), "2026-10-25", "2026-10-25 00:30", "2026-10-25 02:30"),
        # New York, 2026-03-08 02:00 becomes 03:00; 2026-11-01 02:00 becomes 01:00.
        (NEW_YORK, (time(0), time(0)), "2026-03-08", "2026-03-08 05:00", "2026-03-09 04:00"),
        (NEW_YORK, (time(0), time(0)), "2026-11-01", "2026-11-01 04:00", "2026-11-02 05:00"),
        # Lord Howe's clock moves by half an hour: 2026-04-05 back, 2026-10-04 forward, both at 02:00.
        (LORD_HOWE, (time(1), time(3)), "2026-04-05", "2026-04-04 14:00", "2026-04-04 16:30"),
        (LORD_HOWE, (time(1), time(3)), "2026-10-04", "2026-10-03 14:30", "2026-10-03 16:00"),
        (AUCKLAND, (time(23), time(4)), "2026-09-26", "2026-09-26 11:00", "2026-09-26 15:00"),
    ],
)
def test_windows_where_the_clock_changes(
    zone: ZoneInfo, window: tuple[time, time], day: str, opens: str, closes: str
) -> None:
    schedule = Schedule(opens=window[0], closes=window[1], zone=zone)
    found = find_window(schedule, date.fromisoformat(day))
    assert (found.opens, found.closes) == (at(opens), at(closes))


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("window", [("22:00", "06:00"), ("00:00", "00:00"), ("02:10", "02:50"), ("01:00", "03:00")])
@pytest.mark.parametrize("spread", [False, True])
def test_two_years_bring_one_backup_for_each_window(zone: ZoneInfo, window: tuple[str, str], spread: bool) -> None:
    opens, closes = map(time.fromisoformat, window)
    schedule = Schedule(opens=opens, closes=closes, zone=zone, spread=spread)
    done: list[datetime] = []
    now = at("2026-01-01 00:00")
    while now < at("2028-03-02 00:00"):
        found = find_turn(schedule, "db1", Past(done[-1] if done else None), now)
        assert found.at is not None
        now = max(now, found.at)
        done.append(now)
        now += timedelta(minutes=1)
    days = [find_day(schedule, moment) for moment in done]
    assert all(later - earlier == DAY for earlier, later in pairwise(days))
    for moment, day in zip(done, days, strict=True):
        assert find_window(schedule, day).opens <= moment < find_window(schedule, day).closes


@given(st.text(max_size=30), st.integers(0, 23), st.integers(1, 24), st.dates(date(2020, 1, 1), date(2040, 1, 1)))
def test_a_chance_lies_in_its_window_and_follows_from_the_name(name: str, hour: int, hours: int, day: date) -> None:
    schedule = Schedule(opens=time(hour), closes=time((hour + hours) % 24), zone=BERLIN, spread=True)
    window = find_window(schedule, day)
    (chance,) = list_chances(schedule, name, window)
    assert window.opens <= chance.begins < chance.ends == window.closes
    assert list(list_chances(schedule, name, window)) == [chance]


def test_without_spreading_all_of_a_window_have_their_turn_when_it_opens() -> None:
    """One run, and so one mail."""
    schedule = replace(NIGHTS, spread=False)
    past = Past(at("2026-11-26 03:00"))
    turns = {find_turn(schedule, name, past, at("2026-11-26 12:00")) for name in ("web1", "db1", "x")}
    assert turns == {Turn(at("2026-11-26 22:00"), "its turn in the window of 2026-11-26")}


def test_turns_are_spread_evenly() -> None:
    shares = [find_share(f"host{number}.example.org") for number in range(1000)]
    tenths = [sum(place / 10 <= share < (place + 1) / 10 for share in shares) for place in range(10)]
    assert min(tenths) > 70 and max(tenths) < 140, tenths


def test_only_windows_that_may_open_are_listed() -> None:
    schedule = replace(NIGHTS, days=frozenset({5}), blackout=((date(2026, 11, 28), date(2026, 11, 28)),))
    windows = list_windows(schedule, date(2026, 11, 26))
    assert [next(windows).day.isoformat() for _number in range(2)] == ["2026-12-05", "2026-12-12"]


def test_what_people_write() -> None:
    values = {
        "every": "1w",
        "days": ["Mon", "friday"],
        "window": "22:00-06:00",
        "timezone": "Europe/Berlin",
        "blackout": ["2026-12-24..2027-01-01", "2026-05-01"],
        "retries": "4",
        "retry_minutes": 30,
        "catch_up": True,
        "spread": True,
    }
    spans = ((date(2026, 12, 24), date(2027, 1, 1)), (date(2026, 5, 1), date(2026, 5, 1)))
    half = timedelta(minutes=30)
    wanted = Schedule(7 * DAY, frozenset({0, 4}), time(22), time(6), BERLIN, spans, 4, half, True, True)
    assert parse_schedule(values) == wanted
    assert parse_schedule({}) == Schedule()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("every", "0h"),
        ("every", "36h"),
        ("every", "daily"),
        ("every", "400d"),
        ("every", 7),
        ("days", "mon"),
        ("days", ["funday"]),
        ("days", {"mon": 1}),
        ("window", "22-6"),
        ("window", "24:00-06:00"),
        ("window", 79200),
        ("timezone", "Mars/Olympus"),
        ("timezone", "../../etc/passwd"),
        ("timezone", ""),
        ("blackout", "2026-12-24"),
        ("blackout", ["24.12.2026"]),
        ("blackout", ["2026-02-30"]),
        ("blackout", ["2027-01-01..2026-12-24"]),
        ("retries", -1),
        ("retries", True),
        ("retries", 21),
        ("retry_minutes", 0),
        ("retry_minutes", "a\nb"),
        ("catch_up", "yes"),
        ("spread", 1),
    ],
)
def test_what_cannot_be_meant_is_one_line_that_names_the_variable(name: str, value: object) -> None:
    with pytest.raises(ScheduleError, match=f"^backup_client_schedule_{name} is ") as refused:
        parse_schedule({name: value})
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("client", ["web1", "db1", "mail1", "desk", "x"])
def test_several_times_a_day_each_client_has_all_its_chances_wherever_its_own_time_lies(client: str) -> None:
    often = Schedule(every=timedelta(hours=6), spread=True)
    window = find_window(often, date(2026, 11, 26))
    chances = list(list_chances(often, client, window))
    assert len(chances) == 4 and chances[0].begins < window.opens + often.every
