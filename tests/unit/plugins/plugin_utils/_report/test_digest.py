# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The digest of some days: what ran, who fails, who has no good backup, who grew."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._common.formatting import format_size
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.history import (
    MOST_RUNS,
    TEAM,
    History,
    add_run,
    note_digest,
    note_told,
)
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.model import Client, Run, State, Work
from ansible_collections.paranoid.backup.plugins.plugin_utils._report.digest import ROWS_SHOWN, make_digest
from ansible_collections.paranoid.backup.plugins.plugin_utils._report.layout import render_html, render_text
from report_samples import maintained, session

NOW = datetime(2026, 11, 22, 7, tzinfo=UTC)
GIB = 2**30


def week(run: Run) -> History:
    """Ten nights; db01 fails since the fifth, web01 grows."""
    history = History()
    for day in range(12, 22):
        web = session(archive={"original_size": day * 10 * GIB}, bytes_received=GIB)
        clients = (
            Client("web01", State.OK, web),
            Client("db01", State.FAILED if day > 16 else State.OK, session()),
        )
        began, ended = f"2026-11-{day}T03:00:00Z", f"2026-11-{day}T03:10:00Z"
        history = add_run(history, replace(run, clients=clients, started=began, finished=ended))
    return history


def test_a_digest_names_what_ran_and_who_needs_somebody(run: Run) -> None:
    page = make_digest(week(run), "Acme", NOW, 7)
    text = render_text(page).replace("\u00a0", " ")
    assert text.startswith("Acme: digest of 7 days\n6 runs, 5 of them a failure. 1 client fails now.\n\nAS IT STANDS\n")
    assert "  Failing now: db01 (since 2026-11-17)\n  No good backup for 3 days: db01\n" in text
    assert "  Grew most: web01 120 GiB → 210 GiB\n" in text
    assert "\nended             status     what      ok  failed         took  received\n" in text
    assert "\n2026-11-21 03:10  failure  backup  1 of 2       1  10 min 00 s" in text
    assert all(len(line) <= 78 for line in text.splitlines())
    assert page.status == "FAILURE" and "<script" not in render_html(page)


def test_a_good_week_is_good_and_no_run_at_all_is_not(run: Run) -> None:
    good = make_digest(add_run(History(), replace(run, finished="2026-11-22T03:00:00Z")), "t", NOW, 7)
    assert (good.status, good.headline, good.changes) == (
        "SUCCESS",
        "1 run, none of them a failure. All are well now.",
        (),
    )
    ahead = "2027-11-22T03:00:00Z"  # a clock that was wrong for an hour may not be silence for a year
    for history in (
        History(),
        *(add_run(History(), replace(run, finished=one)) for one in ("2026-11-10T03:00:00Z", ahead)),
    ):
        silent = make_digest(history, "t", NOW, 7)
        assert (silent.status, silent.headline) == ("FAILURE", "No run ended in 7 days.")
        assert "is the timer of the runner on?" in render_text(silent)
        assert not history.runs or [one.kind for one in silent.changes] == ["No good backup for 3 days"]


def test_many_runs_are_a_mail_that_people_read(run: Run) -> None:
    history = History()
    for place in range(200):
        history = add_run(history, replace(run, finished=f"2026-11-21T{place % 24:02}:00:00Z"))
    page = make_digest(history, "t", NOW, 7)
    assert len(page.tables[0].rows) == ROWS_SHOWN and page.tables[0].more == "140 more"
    assert len(render_html(page)) < 60_000


def test_a_digest_is_a_sign_of_life(run: Run) -> None:
    told = note_told(History(), [TEAM], "2026-11-10T00:00:00Z")
    assert note_digest(told, "2026-11-20T07:00:00+00:00").told[TEAM] == "2026-11-20T07:00:00+00:00"
    assert note_digest(told, "2026-11-01T07:00:00+00:00") == told, "a mail is younger"
    assert note_digest(told, "") == note_digest(told, "soon") == note_digest(told, "2026-11-20") == told


@pytest.mark.parametrize(("age", "counts"), [(timedelta(days=7), True), (timedelta(days=7, seconds=1), False)])
def test_a_run_counts_for_so_many_days(run: Run, age: timedelta, counts: bool) -> None:
    history = add_run(History(), replace(run, finished=f"{NOW - age:%Y-%m-%dT%H:%M:%SZ}"))
    page = make_digest(history, "t", NOW, 7)
    assert page.headline.startswith("1 run," if counts else "No run ended in 7 days.")


@pytest.mark.parametrize(("age", "is_stale"), [(timedelta(days=3), False), (timedelta(days=3, seconds=1), True)])
def test_a_client_without_a_good_backup_for_three_days_makes_it_red(run: Run, age: timedelta, is_stale: bool) -> None:
    """Also where each run since left it out, so that nothing ever failed."""
    history = add_run(History(), replace(run, finished=f"{NOW - age:%Y-%m-%dT%H:%M:%SZ}"))
    left_out = tuple(replace(client, state=State.SKIPPED, session=None) for client in run.clients)
    history = add_run(history, replace(run, finished=f"{NOW:%Y-%m-%dT%H:%M:%SZ}", clients=left_out))
    page = make_digest(history, "t", NOW, 7)
    assert page.status == ("FAILURE" if is_stale else "SUCCESS")
    stale = [("No good backup for 3 days", "db01 and web01", "bad")] if is_stale else []
    assert [(one.kind, one.what, one.tone) for one in page.changes] == stale
    assert page.headline.endswith(" 2 clients without a recent good backup." if is_stale else " All are well now.")


def test_whose_turn_is_yet_to_come_is_not_missed_and_who_was_in_no_run_is(run: Run) -> None:
    """A client of each week has no backup for three days most of the time; a new one may never have had its turn."""
    history = add_run(History(), replace(run, finished="2026-11-16T03:00:00Z"))
    page = make_digest(history, "t", NOW, 7, {"db01": True, "web01": True, "new01": True})
    assert (page.status, page.changes, page.headline.split(". ")[1]) == ("SUCCESS", (), "All are well now.")
    page = make_digest(history, "t", NOW, 7, {"db01": True, "web01": False, "new01": False})
    assert [(one.kind, one.what) for one in page.changes] == [
        ("No good backup for 3 days", "web01"),
        ("No good backup known", "new01"),
    ]
    assert page.status == "FAILURE" and "2 clients without a recent good backup." in page.headline


def test_a_week_of_more_runs_than_are_known_says_so(run: Run) -> None:
    history = History()
    for place in range(MOST_RUNS + 1):
        history = add_run(history, replace(run, finished=f"2026-11-{17 + place // 100}T{place % 24:02}:00:00Z"))
    assert "Only the last 400 runs are known, since 2026-11-17 " in make_digest(history, "t", NOW, 7).headline
    assert "Only" not in make_digest(history, "t", NOW, 4).headline
    few = replace(history, runs=history.runs[1:])
    assert "Only" not in make_digest(few, "t", NOW, 7).headline


def test_only_a_backup_is_missed_and_only_a_backup_grows(run: Run) -> None:
    """A repository that was maintained a month ago is not without a backup."""
    history = History()
    for day, size in ((1, 1), (22, 99)):
        kept = Client("web01", State.OK, maintained(), Work.MAINTAIN)
        grown = replace(kept, session=session(archive={"original_size": size * GIB}))
        clients = (*run.clients, grown) if day == 22 else (grown,)
        history = add_run(history, replace(run, clients=clients, finished=f"2026-11-{day:02}T03:00:00Z"))
    page = make_digest(replace(history, runs=history.runs[1:]), "t", NOW, 7)
    assert (page.status, page.changes) == ("SUCCESS", ())


def test_who_grew_most_comes_first_and_little_growth_is_none(run: Run) -> None:
    sizes = {"a": (1, 2), "b": (1, 9), "c": (9, 1), "d": (5, 5), "e": (1, 4), "f": (1, 3), "g": (2, 9), "h": (2, 9)}
    history = History()
    for night in range(2):
        clients = tuple(
            Client(name, State.OK, session(archive={"original_size": held[night] * GIB - night * (name == "a")}))
            for name, held in sizes.items()
        )
        once = (Client("new", State.OK, session(archive={"original_size": 900 * GIB})),) if night else ()
        history = add_run(history, replace(run, clients=clients + once, finished=f"2026-11-2{night + 1}T03:00:00Z"))
    ((kind, what, tone),) = [(one.kind, one.what, one.tone) for one in make_digest(history, "t", NOW, 7).changes]
    assert (kind, tone) == ("Grew most", "quiet")
    assert [part.partition(" ")[0] for part in what.split("; ")] == ["b", "g", "h", "e", "f"]


def test_the_table_of_runs_adds_up(run: Run) -> None:
    history = week(run)
    (table,) = make_digest(history, "t", NOW, 30).tables
    assert (table.total.client, table.total.label, table.total.tone) == ("total 10", "5 good", "quiet")
    assert table.total.cells == ("–", "–", "–", "–", format_size(10 * GIB + 10 * 310 * 2**20)) and table.more == ""
    assert [row.client for row in table.rows][:2] == ["2026-11-21 03:10", "2026-11-20 03:10"]
    assert [(row.label, row.tone) for row in table.rows] == [("failure", "bad")] * 5 + [("good", "good")] * 5
    assert [row.cells[2] for row in table.rows] == ["1"] * 5 + ["–"] * 5
