# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of retention: their ladder, what must hold for any history, and the rules inside Borg as the oracle."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Iterator
from dataclasses import replace  # replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import KnownArchive
from ansible_collections.paranoid.backup.plugins.module_utils._retention.rules import (
    NOTHING_MATCHED,
    PERIODS,
    RetentionError,
    RetentionPlan,
    Rules,
    horizon,
    parse_rules,
    parse_zone,
    plan,
)
from borg.helpers.misc import prune_split
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

VIENNA = ZoneInfo("Europe/Vienna")
NOW = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)
FIXED = settings(max_examples=300, derandomize=True, deadline=None, database=None)


def archive(seq: int, arrival: datetime, good: bool = True, name: str = "") -> KnownArchive:
    return KnownArchive(f"{seq:064x}", name or f"a{seq}", arrival, seq, good)


def daily(count: int, now: datetime = NOW) -> list[KnownArchive]:
    return [archive(count - age, now - timedelta(days=age, hours=1)) for age in range(count)]


def ages(archives: list[KnownArchive], decided: RetentionPlan) -> list[int]:
    return sorted((NOW - item.arrival).days for item in archives if item.id in decided.keep)


arrivals = st.builds(
    lambda days, seconds: NOW - timedelta(days=days, seconds=seconds), st.integers(-2, 900), st.integers(0, 86400)
)
histories = st.lists(st.tuples(arrivals, st.booleans()), max_size=60).map(
    lambda items: [archive(seq, when, good) for seq, (when, good) in enumerate(items, start=1)]
)
counts = st.integers(-1, 12)
rule_sets = st.builds(
    Rules,
    within=st.none() | st.builds(timedelta, days=st.integers(1, 60)),
    hourly=counts,
    daily=counts,
    weekly=counts,
    monthly=counts,
    yearly=counts,
    minimum=st.integers(1, 6),
)


class TestHorizon:
    @pytest.mark.parametrize(
        "rules",
        [
            Rules(daily=1),
            Rules(daily=7, weekly=4, monthly=6),
            Rules(within=timedelta(days=3), weekly=2),
            Rules(weekly=1, monthly=1),
            Rules(monthly=2, yearly=1),
            Rules(yearly=2),
        ],
    )
    @pytest.mark.parametrize("month", range(1, 13))
    def test_what_is_older_was_let_go(self, rules: Rules, month: int) -> None:
        now, last = datetime(2026, month, 21, 6, tzinfo=UTC), horizon(rules)
        archives = daily(1500, now)
        kept = plan(archives, rules, now, VIENNA).keep
        assert last and max(now - item.arrival for item in archives if item.id in kept) <= last
        assert last < timedelta(days=1200)

    @pytest.mark.parametrize(
        ("rules", "hours"),
        [
            (Rules(hourly=24), 25),
            (Rules(daily=7), 8 * 24),
            (Rules(within=timedelta(days=3), weekly=2), (3 + 3 * 7) * 24),
            (Rules(daily=1, monthly=1, yearly=1), (2 + 2 * 31 + 2 * 366) * 24),
            (Rules(within=timedelta(hours=5)), 5),
        ],
    )
    def test_each_rule_adds_its_span_and_one_period_more(self, rules: Rules, hours: int) -> None:
        assert horizon(rules) == timedelta(hours=hours)

    @pytest.mark.parametrize("rules", [Rules(), Rules(daily=7, yearly=-1), Rules(hourly=-1)])
    def test_some_keep_all_for_ever(self, rules: Rules) -> None:
        assert horizon(rules) is None


class TestLadder:
    def test_each_rule_climbs_on_where_the_finer_one_ends(self) -> None:
        archives = daily(400)
        decided = plan(archives, Rules(daily=7, weekly=4, monthly=6, yearly=1), NOW, UTC)
        # 21 November 2026 is a Saturday: seven days, Sundays before them, then last days of months and of a year.
        days, weeks, months = [0, 1, 2, 3, 4, 5, 6], [13, 20, 27, 34], [21, 52, 82, 113, 144, 174]
        assert ages(archives, decided) == sorted([*days, *weeks, *months, 325])
        assert len(decided.drop) == 400 - 18
        assert list(decided.drop) == sorted(decided.drop, key=lambda item: item.arrival)

    def test_two_and_three_weeks_are_weeks_and_not_the_first_of_a_month(self) -> None:
        archives = daily(120)
        assert ages(archives, plan(archives, Rules(weekly=2), NOW, UTC)) == [0, 6]
        assert ages(archives, plan(archives, Rules(weekly=3), NOW, UTC)) == [0, 6, 13]

    def test_the_last_archive_of_a_period_stays(self) -> None:
        day = [archive(hour + 1, datetime(2026, 11, 20, hour, tzinfo=UTC)) for hour in range(24)]
        decided = plan(day, Rules(daily=1), NOW, UTC)
        assert list(decided.keep) == [day[-1].id]
        assert list(decided.drop) == day[:-1]

    def test_a_rule_with_too_few_periods_also_keeps_the_oldest(self) -> None:
        day = [archive(hour + 1, datetime(2026, 11, 20, hour, tzinfo=UTC)) for hour in range(24)]
        decided = plan(day, Rules(monthly=3), NOW, UTC)
        assert list(decided.keep) == [day[-1].id, day[0].id]
        assert decided.keep[day[0].id] == ("monthly 2, the oldest",)

    def test_periods_are_those_of_the_time_zone(self) -> None:
        before, after = (archive(seq, datetime(2026, 11, 19, 21 + seq, 30, tzinfo=UTC)) for seq in (1, 2))
        assert len(plan([before, after], Rules(daily=1), NOW, UTC).drop) == 1
        assert list(plan([before, after], Rules(daily=-1), NOW, UTC).keep) == [after.id]
        assert list(plan([before, after], Rules(daily=-1), NOW, VIENNA).keep) == [after.id, before.id]

    def test_a_week_across_the_end_of_a_year_is_one_week(self) -> None:
        days = [archive(day + 1, datetime(2025, 12, 29, 12, tzinfo=UTC) + timedelta(days=day)) for day in range(8)]
        assert list(plan(days, Rules(weekly=-1), NOW, UTC).keep) == [days[7].id, days[6].id]

    @pytest.mark.parametrize(("month", "day"), [(3, 29), (10, 25)])
    def test_a_day_of_23_or_25_hours_is_one_day(self, month: int, day: int) -> None:
        start = datetime(2026, month, day - 1, tzinfo=VIENNA).astimezone(UTC)
        hours = [archive(hour + 1, start + timedelta(hours=hour)) for hour in range(24 * 3 - 1)]
        kept = plan(hours, Rules(daily=-1), NOW, VIENNA).keep
        local = [item.arrival.astimezone(VIENNA) for item in hours if item.id in kept]
        assert [when.day for when in local] == [day - 1, day, day + 1]
        assert [when.hour for when in local[:2]] == [23, 23]

    @pytest.mark.parametrize("years", [10, -10])
    def test_a_clock_that_was_wrong_for_a_night_takes_no_other_nights_place(self, years: int) -> None:
        archives = daily(30)
        archives[20] = archive(archives[20].seq, NOW + timedelta(days=365 * years))
        kept = {item.seq for item in archives if item.id in plan(archives, Rules(daily=5, minimum=3), NOW, UTC).keep}
        assert {30, 29, 28, 27, 26} <= kept

    def test_within_counts_back_from_now_and_not_from_the_newest(self) -> None:
        archives = daily(10)
        assert ages(archives, plan(archives, Rules(within=timedelta(days=3)), NOW, UTC)) == [0, 1, 2]
        later = NOW + timedelta(days=2)
        assert ages(archives, plan(archives, Rules(within=timedelta(days=3)), later, UTC)) == [0]


class TestSafety:
    def test_what_is_exactly_as_old_as_within_is_not_within(self) -> None:
        archives = [archive(1, NOW - timedelta(days=2)), archive(2, NOW - timedelta(days=2, seconds=-1))]
        assert [item.id for item in plan(archives, Rules(within=timedelta(days=2)), NOW, UTC).drop] == [archives[0].id]

    def test_rules_that_match_nothing_drop_nothing(self) -> None:
        old = [archive(1, NOW - timedelta(days=90)), archive(2, NOW - timedelta(days=80))]
        for rules in (Rules(), Rules(within=timedelta(days=2))):
            decided = plan(old, rules, NOW, UTC)
            assert decided.drop == ()
            assert set(decided.keep.values()) == {(NOTHING_MATCHED,)}

    def test_the_minimum_holds_for_good_archives(self) -> None:
        archives = daily(10)
        assert ages(archives, plan(archives, Rules(daily=1, minimum=4), NOW, UTC)) == [0, 1, 2, 3]

    def test_archives_of_failed_sessions_take_no_good_ones_place_and_go_like_any_other(self) -> None:
        good = daily(7)
        failed = [
            replace(archive(100 - n, item.arrival + timedelta(minutes=30), good=False), failed=True)
            for n, item in enumerate(good)
        ]
        forged = [archive(200 - n, item.arrival + timedelta(minutes=40), good=False) for n, item in enumerate(good)]
        decided = plan(good + failed + forged, Rules(daily=7), NOW, UTC)
        assert len(decided.keep) == 21
        kept = set(plan(good + failed + forged, Rules(daily=1, minimum=3), NOW, UTC).keep)
        newest = [item.id for item in (*good[:3], *failed[:1], *forged[:3])]
        assert kept == set(newest)

    def test_suspicious_archives_never_take_the_place_of_good_ones(self) -> None:
        good = daily(7)
        forged = [archive(100 - n, item.arrival + timedelta(minutes=30), good=False) for n, item in enumerate(good)]
        decided = plan(good + forged, Rules(daily=7), NOW, UTC)
        assert {item.id for item in good} <= set(decided.keep)
        assert list(plan(good + forged, Rules(daily=1), NOW, UTC).keep) == [forged[0].id, good[0].id]

    def test_no_archives_no_plan(self) -> None:
        assert plan([], Rules(daily=7), NOW, UTC) == RetentionPlan({}, ())


class TestProperties:
    @FIXED
    @given(histories, rule_sets)
    def test_every_archive_is_kept_or_dropped_and_never_both(self, history: Any, rules: Rules) -> None:
        decided = plan(history, rules, NOW, VIENNA)
        dropped = [item.id for item in decided.drop]
        assert sorted([*decided.keep, *dropped]) == sorted(item.id for item in history)
        assert all(decided.keep.values())

    @FIXED
    @given(histories, rule_sets)
    def test_the_newest_good_ones_stay(self, history: Any, rules: Rules) -> None:
        decided = plan(history, rules, NOW, VIENNA)
        good = sorted((item for item in history if item.good), key=lambda item: item.seq)
        assert {item.id for item in good[-rules.minimum :]} <= set(decided.keep)

    @FIXED
    @given(histories, rule_sets)
    def test_a_second_plan_over_what_was_kept_drops_nothing(self, history: Any, rules: Rules) -> None:
        kept = [item for item in history if item.id in plan(history, rules, NOW, VIENNA).keep]
        assert plan(kept, rules, NOW, VIENNA).drop == ()

    @FIXED
    @given(histories, rule_sets, st.sampled_from([*PERIODS, "minimum", "within"]), st.integers(1, 5))
    def test_a_wider_rule_keeps_all_that_a_narrower_one_keeps(
        self, history: Any, rules: Rules, name: str, more: int
    ) -> None:
        value = getattr(rules, name)
        if name == "within":
            wider = replace(rules, within=(value or timedelta()) + timedelta(days=more))
        else:
            wider = replace(rules, **{name: value if value < 0 else value + more})
        before, after = plan(history, rules, NOW, VIENNA), plan(history, wider, NOW, VIENNA)
        # The one exception is meant: rules that match nothing at all keep everything.
        assert {key for key, reasons in before.keep.items() if reasons != (NOTHING_MATCHED,)} <= set(after.keep)

    @FIXED
    @given(histories, rule_sets, st.randoms(use_true_random=False))
    def test_order_does_not_matter(self, history: Any, rules: Rules, chance: random.Random) -> None:
        shuffled = list(history)
        chance.shuffle(shuffled)
        assert plan(shuffled, rules, NOW, VIENNA) == plan(history, rules, NOW, VIENNA)

    @FIXED
    @given(histories, rule_sets)
    def test_each_period_of_a_rule_has_one_archive(self, history: Any, rules: Rules) -> None:
        decided = plan(history, rules, NOW, VIENNA)
        for period, pattern in PERIODS.items():
            by_rule = [
                item.arrival.astimezone(VIENNA).strftime(pattern)
                for item in history
                if item.good and re.fullmatch(rf"{period} \d+", decided.keep.get(item.id, ("",))[0])
            ]
            assert len(by_rule) == len(set(by_rule))
            assert getattr(rules, period) < 0 or len(by_rule) <= getattr(rules, period)


class TestParse:
    def test_the_variables_of_a_role(self) -> None:
        content = {"within": "2d", "hourly": 24, "daily": 7, "weekly": 4, "monthly": 6, "yearly": 1, "minimum": 3}
        assert parse_rules(content) == Rules(timedelta(days=2), 24, 7, 4, 6, 1, 3)
        assert parse_rules({}) == Rules()

    @pytest.mark.parametrize(
        ("text", "days"), [("12H", 0.5), ("2d", 2), ("3w", 21), ("1m", 31), ("1y", 365), ("999999y", 364_999_635)]
    )
    def test_within_has_the_units_of_borg(self, text: str, days: float) -> None:
        rules = parse_rules({"within": text})
        assert rules.within == timedelta(days=days)
        assert plan(daily(3), rules, NOW, UTC).keep

    @pytest.mark.parametrize(
        ("content", "named"),
        [
            ({"dayly": 7}, "dayly"),
            ({"daily": "7"}, "daily"),
            ({"daily": True}, "daily"),
            ({"daily": -2}, "daily"),
            ({"daily": 1.5}, "daily"),
            ({"daily": None}, "daily"),
            ({"minimum": 0}, "minimum"),
            ({"minimum": -1}, "minimum"),
            ({"within": "2 weeks"}, "within"),
            ({"within": "0d"}, "within"),
            ({"within": 2}, "within"),
            ({"within": "2d\n"}, "within"),
            ({"within": "x" * 9999}, "within"),
        ],
    )
    def test_what_is_wrong_is_named_in_one_short_line(self, content: dict[str, Any], named: str) -> None:
        with pytest.raises(RetentionError, match=named) as caught:
            parse_rules(content)
        assert len(str(caught.value)) < 160
        assert "\n" not in str(caught.value)

    def test_utc_needs_no_time_zones_installed(self) -> None:
        assert parse_zone("UTC") is UTC

    def test_time_zones(self) -> None:
        assert parse_zone("Europe/Vienna") == VIENNA
        for name in ("Europe/Nowhere", "../../etc/passwd", "", "\0"):
            with pytest.raises(RetentionError, match="time zone"):
                parse_zone(name)


@pytest.fixture
def local_zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Vienna")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


class TestOracle:
    """Borg decides by the time that an archive says it has; with the same times both must choose the same."""

    @pytest.mark.usefixtures("local_zone")
    @settings(FIXED, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(histories, rule_sets)
    def test_same_as_the_rules_inside_borg(self, history: Any, rules: Rules) -> None:
        times = enumerate(sorted({item.arrival for item in history}), start=1)
        distinct = [archive(seq, when) for seq, when in times]  # Borg knows no order but that of the times.
        items = [SimpleNamespace(id=item.id, ts=item.arrival) for item in distinct]
        kept: dict[str, Any] = {}
        for period in PERIODS:
            prune_split(items, period, getattr(rules, period), kept)
        decided = plan(distinct, replace(rules, within=None, minimum=1), NOW, VIENNA)
        newest = distinct[-1] if distinct else None
        assert set(decided.keep) == (set(kept) | {newest.id} if newest and kept else {item.id for item in items})
