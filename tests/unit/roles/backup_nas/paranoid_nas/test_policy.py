# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which snapshots stay: by the clock and by the days that passed, whatever somebody does to the clock."""

from __future__ import annotations

import time

import pytest
from paranoid_nas.health import newest_ages
from paranoid_nas.policy import (
    DAY,
    Rules,
    Snapshot,
    as_listed,
    expired,
    is_due,
    is_own,
    lacks_snapshot,
    next_daily,
    own_snapshots,
    snapshot_name,
    unheld,
)
from paranoid_nas.replication import newest_common, source_prefix

RULES = Rules(hold_days=14)
START = 1_800_000_000
ROOT = "tank/backup"


def snap(day: float, dataset: str = ROOT, reason: str = "daily", holds: int = 1) -> Snapshot:
    """One that was taken so many days after the start."""
    moment = START + day * DAY
    return Snapshot(dataset, snapshot_name(moment, reason), int(moment), holds)


def days_left(days: list[float], now: float, rules: Rules = RULES) -> list[float]:
    """Days of snapshots that stay when the clock says ``now``."""
    everything = [snap(day) for day in days]
    gone = expired(everything, START + now * DAY, rules)
    return [(one.created - START) / DAY for one in everything if one not in gone]


def test_daily_snapshots_stay_for_the_hold() -> None:
    assert days_left(list(range(30)), 29.5) == list(range(16, 30))
    assert days_left(list(range(10)), 9.5) == list(range(10))


def test_a_clock_that_was_set_ahead_takes_nothing() -> None:
    """Nor does one that is set ahead again and again within the same days."""
    assert days_left([*range(10), 400], 400) == [*range(10), 400]
    assert days_left([*range(10), 400, 800, 1200], 1200) == [*range(10), 400, 800, 1200]


def test_a_nas_that_was_off_keeps_what_it_had() -> None:
    assert days_left([0, 1, 2, 60], 60) == [0, 1, 2, 60]


def test_a_clock_that_was_set_back_takes_nothing() -> None:
    assert days_left(list(range(30)), 3) == list(range(30))


def test_one_that_a_clock_years_behind_took_stays_for_the_hold() -> None:
    """As that of a NAS without a battery, before it knows the time: it counts from where it was made."""
    made: list[float] = [*range(20), -2000]
    assert -2000 in days_left(made, 20) and -2000 in days_left([*made, *range(20, 33)], 33)
    assert -2000 not in days_left([*made, *range(20, 35)], 35)


def test_many_snapshots_in_one_day_do_not_push_others_out() -> None:
    """Whoever starts maintenance a hundred times makes a hundred snapshots, and no day passes."""
    days = [0.0, *(1 + number / 200 for number in range(100))]
    assert len(days_left(days, 40)) == len(days)


def test_the_newest_stay_in_any_case() -> None:
    assert days_left(list(range(30)), 1000) == list(range(16, 30)), "fourteen later days are needed for each"
    assert days_left(list(range(3)), 1000, Rules(hold_days=0, minimum=3)) == [0, 1, 2]
    assert days_left(list(range(3)), 1000, Rules(hold_days=0, minimum=0)) == [2], "the very newest always"


def test_each_dataset_counts_its_own_days() -> None:
    """A new client's snapshots are not pushed out by the days of others."""
    old = [snap(day) for day in range(30)]
    new = [snap(0, f"{ROOT}/web1"), snap(29, f"{ROOT}/web1")]
    assert {one.dataset for one in expired(old + new, START + 30 * DAY, RULES)} == {ROOT}


def test_many_snapshots_of_many_datasets_are_looked_at_once_each() -> None:
    """As those that a TrueNAS takes each hour of a thousand clients; more looks would last for minutes."""
    looks = 0

    class Counted(Snapshot):
        @property
        def dataset(self) -> str:
            nonlocal looks
            looks += 1
            return self.__dict__["of"]  # type: ignore[no-any-return]

        def __init__(self, one: Snapshot) -> None:
            self.__dict__.update(of=one.dataset, name=one.name, created=one.created, holds=one.holds)

    every = [Counted(snap(day, f"{ROOT}/c{number}")) for number in range(50) for day in range(20)]
    assert len(expired(every, START + 20 * DAY, RULES)) == 50 * 6 and looks == len(every)
    newest = newest_ages(every, [f"{ROOT}/c{number}" for number in range(50)])
    assert set(newest.values()) == {START + 19 * DAY} and looks == 2 * len(every)


def test_what_others_took_or_hold_stays() -> None:
    foreign = [Snapshot(ROOT, name, START, 0) for name in ("auto-2027-01-15_00-00", "paranoid-", "by-hand")]
    later = [snap(day) for day in range(1, 30)]
    held = snap(0, holds=2)
    gone = expired([*foreign, held, *later], START + 29 * DAY, RULES)
    assert held not in gone and not [one for one in gone if not is_own(one.name)]
    assert unheld(foreign, START, RULES) == []


def test_one_that_a_killed_run_left_without_hold_is_held_in_the_next() -> None:
    left, past = snap(20, holds=0), snap(0, holds=0)
    everything = [past, *(snap(day) for day in range(1, 20)), left]
    assert unheld(everything, START + 20.5 * DAY, RULES) == [left]
    assert past in expired(everything, START + 20.5 * DAY, RULES), "a release that was killed before its destroy"


@pytest.mark.parametrize(
    ("hours", "due"), [(None, True), (1, False), (19, False), (20, True), (500, True), (-1, False), (-9, True)]
)
def test_when_a_daily_one_is_due(hours: int | None, due: bool) -> None:
    assert is_due([] if hours is None else [START - hours * 3600], START) is due


def test_one_from_the_future_makes_no_second_one_of_a_day_due() -> None:
    """It stays until its time, and the NAS would take two a day until then."""
    ahead = START + 400 * DAY
    assert not is_due([START - 600, ahead], START) and is_due([START - DAY, ahead], START)


def test_names() -> None:
    assert snapshot_name(START, "daily") == "paranoid-20270115T080000Z-daily" and is_own(snap(0).name)
    for name in ("paranoid-20270115T080000Z-other", "xparanoid-20270115T080000Z-daily", "paranoid-2027-daily"):
        assert not is_own(name)
    assert own_snapshots([snap(2), snap(1), snap(1, "tank/backup2")], ROOT) == [snap(1), snap(2)]


def test_of_one_second_and_of_a_wrong_clock_the_order_of_making_counts() -> None:
    """Incremental streams go that way alone."""
    daily, maintenance = (
        Snapshot(ROOT, snapshot_name(START + at, why), START, 1) for at, why in ((1, "daily"), (0, "maintenance"))
    )
    assert own_snapshots([daily, maintenance], ROOT) == [daily, maintenance]
    ahead = Snapshot(ROOT, snapshot_name(START + 400 * DAY, "daily"), START + 400 * DAY, 1)
    made = [daily, ahead, maintenance]
    assert as_listed(made, ROOT) == made and newest_common(made, made) == maintenance


def test_what_two_sides_have_in_common_was_made_at_the_same_second() -> None:
    here = [snap(1), snap(2), snap(3)]
    assert newest_common(here, [snap(1, "b/c"), snap(2, "b/c")]) == snap(2)
    forged = Snapshot("b/c", snap(3).name, START, 1)
    assert newest_common(here, [snap(1, "b/c"), forged]) == snap(1)
    assert newest_common(here, []) is None


@pytest.mark.parametrize(
    ("after", "at", "next_one"),
    [
        ("2026-11-26 01:59", "02:00", "2026-11-26 02:00"),
        ("2026-11-26 02:00", "02:00", "2026-11-27 02:00"),
        ("2026-11-30 10:00", "02:00", "2026-12-01 02:00"),
        ("2026-12-31 23:59", "00:00", "2027-01-01 00:00"),
        ("2026-03-28 12:00", "02:30", "2026-03-29 03:30"),  # an hour that the clock leaves out
        ("2026-10-24 12:00", "04:00", "2026-10-25 04:00"),
        ("2026-11-26 01:59", None, "2026-11-27 01:59"),
    ],
)
def test_when_the_first_daily_snapshot_of_a_new_dataset_is_due(
    after: str, at: str | None, next_one: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        moment = next_daily(time.mktime(time.strptime(after, "%Y-%m-%d %H:%M")), at)
        assert time.strftime("%Y-%m-%d %H:%M", time.localtime(moment)) == next_one
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_dataset_without_a_snapshot_is_noticed() -> None:
    there = [
        Snapshot("tank/backup", "paranoid-20261126T020000Z-daily", 5, 1),
        Snapshot("tank/backup/web1", "mine", 5, 0),
    ]
    assert not lacks_snapshot(there, ["tank/backup"]) and lacks_snapshot(there, ["tank/backup", "tank/backup/web1"])


def test_an_ssh_asks_nobody_and_notices_who_vanished() -> None:
    assert source_prefix([]) == [] and source_prefix(["nsenter", "--target=1"]) == ["nsenter", "--target=1"]
    waits = ["-oConnectTimeout=60", "-oServerAliveInterval=60", "-oServerAliveCountMax=5"]
    assert source_prefix(["/usr/bin/ssh", "nas1"]) == ["/usr/bin/ssh", "-oBatchMode=yes", *waits, "nas1"]
    own = ["ssh", "-o", "batchmode=no", "-oServerAliveInterval 9", "nas1"]
    assert source_prefix(own) == ["ssh", waits[0], waits[2], *own[1:]]
