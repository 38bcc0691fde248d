# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The digest of some days: what ran, who fails, who has no good backup, who grew."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from ansible_collections.paranoid.backup.plugins.plugin_utils._record.history import (
    TEAM,
    History,
    add_run,
    note_digest,
    note_told,
)
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.model import Client, Run, State
from ansible_collections.paranoid.backup.plugins.plugin_utils._report.digest import ROWS_SHOWN, make_digest
from ansible_collections.paranoid.backup.plugins.plugin_utils._report.layout import render_html, render_text
from report_samples import session

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
    for history in (History(), add_run(History(), replace(run, finished="2026-11-10T03:00:00Z"))):
        silent = make_digest(history, "t", NOW, 7)
        assert (silent.status, silent.headline) == ("FAILURE", "No run ended in 7 days.")
        assert "is the timer of the runner on?" in render_text(silent)


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
