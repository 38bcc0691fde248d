# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is remembered from run to run, and what a report says of it: what changed, and what is unusual."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.weaknesses import (
    describe_weaknesses,
    find_weaknesses,
)
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.history import (
    TEAM,
    History,
    Trail,
    add_run,
    dump_history,
    load_history,
    note_told,
)
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.model import Client, Run, State, Work
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.roll_call import Roll, read_roll
from ansible_collections.paranoid.backup.plugins.plugin_utils._report.changes import (
    compare_received,
    describe_unusual,
    find_changes,
)
from ansible_collections.paranoid.backup.plugins.plugin_utils._report.layout import render_html, render_text
from ansible_collections.paranoid.backup.plugins.plugin_utils._report.page import make_page
from report_samples import HOSTILE, session

GIB = 2**30


def night(run: Run, day: int, **states: Any) -> Run:
    """A run of that day: each client with its state, or what it answered."""
    clients = tuple(
        Client(name, told, session()) if isinstance(told, State) else Client(name, State.OK, told)
        for name, told in states.items()
    )
    return replace(run, clients=clients, finished=f"2026-11-{day:02}T03:00:00Z")


def remembered(*runs: Run) -> History:
    history = History()
    for run in runs:
        history = add_run(history, run)
    return history


def said(run: Run, history: History) -> dict[str, str]:
    return {one.kind: one.what.replace("\u00a0", " ") for one in find_changes(run, history)}


class CountedTrails(dict[tuple[str, str], Trail]):
    """What is remembered of clients, and how often somebody goes through all of it."""

    passes = 0

    def __iter__(self) -> Iterator[tuple[str, str]]:
        self.passes += 1
        return super().__iter__()


def test_a_page_goes_through_all_that_is_remembered_as_often_for_many_clients_as_for_few(run: Run) -> None:
    passes = []
    for count in (2, 20):
        tonight = night(run, 2, **{f"c{number}": State.OK for number in range(count)})
        trails = CountedTrails(remembered(night(run, 1, a=State.OK)).clients)
        make_page(tonight, "", History(trails))
        passes.append(trails.passes)
    assert passes[0] == passes[1] > 0


def test_a_report_says_what_failed_for_the_first_time_and_what_is_well_again(run: Run) -> None:
    history = remembered(
        night(run, 1, a=State.OK, b=State.FAILED, c=State.UNREACHABLE, d=State.OK),
        night(run, 2, a=State.OK, b=State.RUNNING, c=State.FAILED, d=State.SKIPPED),
    )
    tonight = night(run, 3, a=State.FAILED, b=State.FAILED, c=State.OK, d=State.OK, e=State.OK)
    assert said(tonight, history) == {
        "Newly failing": "a",
        "Still failing": "b (2 runs since 2026-11-01 03:00)",
        "Well again": "c (2 runs since 2026-11-01 03:00)",
        "New": "e",
    }
    assert said(night(run, 3, a=State.OK), history) == {}
    assert said(tonight, History()) == {}, "of a first run there is nothing to say"
    assert said(replace(tonight, check=True), history) == {}
    assert said(night(run, 3, z=State.FAILED), history) == {"Newly failing": "z", "New": "z"}


def test_who_never_ended_before_is_neither_well_again_nor_failing_still(run: Run) -> None:
    """A client that was only skipped so far has no state that could have changed."""
    history = remembered(night(run, 1, a=State.SKIPPED, b=State.PLANNED, c=State.OK))
    assert said(night(run, 2, a=State.OK, b=State.FAILED), history) == {"Newly failing": "b"}


def test_of_several_works_each_failure_is_named_once(run: Run) -> None:
    works = tuple(Client("a", State.FAILED, session(), work) for work in (Work.BACKUP, Work.MAINTAIN))
    both = replace(night(run, 1), clients=works)
    assert said(both, remembered(night(run, 1, z=State.OK))) == {"Newly failing": "a", "New": "a"}


def test_works_are_compared_with_themselves(run: Run) -> None:
    history = remembered(night(run, 1, a=State.FAILED))
    upkeep = replace(run, clients=(Client("a", State.OK, session(), Work.MAINTAIN),))
    assert said(upkeep, history) == {}


def test_who_is_neither_in_the_inventory_nor_on_a_server_is_gone(run: Run) -> None:
    told: list[dict[str, Any]] = [
        {"item": "vault", "clients": [{"client": "old"}], "hosts": {"h1": {"client": "web1"}, "h2": {"client": "h2"}}}
    ]
    roll = read_roll(told, ["h1"], ["h1", "web1", "h2", "old", "lost"])
    assert roll.gone == ("lost",)
    tonight, history = (
        replace(night(run, 2, a=State.OK), roll=roll),
        remembered(night(run, 1, a=State.OK, lost=State.OK)),
    )
    assert said(tonight, history) == {"Gone": "lost"}
    assert add_run(history, tonight).names == {"a"}, "it is told once"
    silent = [*told, {"item": "away", "problem": "no route"}]
    assert read_roll(silent, ["h1"], ["lost"]).gone == (), "a server that says nothing may have it"
    assert Roll().gone == ()


def test_new_versions_are_named_once(run: Run) -> None:
    old, new = ({"borg": borg, "borgmatic": "2.1.9"} for borg in ("1.4.4", "1.4.5"))
    names = [f"c{place}" for place in range(7)]
    before = replace(night(run, 1, **dict.fromkeys(names, session(versions=old))), version="0.1.0")
    after = replace(night(run, 2, **dict.fromkeys(names, session(versions=new))), version="0.2.0")
    history = remembered(before)
    assert said(after, history) == {
        "Versions": "paranoid.backup 0.1.0 → 0.2.0; Borg 1.4.4 → 1.4.5 on c0, c1, c2, c3 and 3 more"
    }
    assert said(after, add_run(history, after)) == {}


def test_what_is_far_beyond_the_usual_is_named_with_both_numbers(run: Run) -> None:
    usual = {"duration": 60.0, "bytes_received": GIB, "archive": {"original_size": 50 * GIB}}
    history = remembered(*(night(run, day, a=session(**usual)) for day in range(1, 6)))

    def told(**changes: Any) -> tuple[str, ...]:
        return describe_unusual(Client("a", State.OK, session(**{**usual, **changes})), history)

    assert told() == ()
    assert told(duration=7200.0) == ("took 2 h 00 min, usually 1 min 00 s",)
    assert told(duration=179.0) == told(duration=600.0) == (), "not thrice, or not worth a word"
    assert told(duration=659.9) == () and told(duration=660.0) != (), "thrice and ten minutes more"
    assert told(bytes_received=3 * GIB - 1) == () and told(bytes_received=3 * GIB) != ()
    assert told(archive={"original_size": 75 * GIB - 1}) == () and told(archive={"original_size": 75 * GIB}) != ()
    assert told(bytes_received=40 * GIB) == ("received 40.0 GiB, usually 1.0 GiB",)
    assert told(archive={"original_size": 80 * GIB}) == ("holds 80.0 GiB, usually 50.0 GiB",)
    few = remembered(*(night(run, day, a=session(**usual)) for day in range(1, 5)))
    assert describe_unusual(Client("a", State.OK, session(duration=9999.0)), few) == ()
    assert describe_unusual(Client("a", State.FAILED, session(duration=9999.0)), history) == ()
    assert compare_received(night(run, 6, a=session(**usual), b=session()), history) == "1.0 GiB, usually 1.0 GiB"


def test_one_bad_night_does_not_move_what_is_usual(run: Run) -> None:
    numbers = [60.0, 61.0, 9000.0, 59.0, 60.0]
    history = remembered(*(night(run, day, a=session(duration=one)) for day, one in enumerate(numbers, 1)))
    assert "usually 1 min 00 s" in describe_unusual(Client("a", State.OK, session(duration=9000.0)), history)[0]


@pytest.mark.parametrize(
    ("version", "names"),
    [
        ("1.4.5", []),
        ("1.4.4", ["CVE-2026-62268"]),
        ("1.2.5", ["CVE-2026-62268"]),
        ("1.2.4", ["CVE-2023-36811", "CVE-2026-62268"]),
        ("1.1.0", ["CVE-2017-15914", "CVE-2023-36811", "CVE-2026-62268"]),
        ("0.0.0", ["CVE-2016-10099", "CVE-2023-36811", "CVE-2026-62268"]),
        ("1.1.2", ["CVE-2017-15914", "CVE-2023-36811", "CVE-2026-62268"]),
        ("1.1.3", ["CVE-2023-36811", "CVE-2026-62268"]),
        ("1.0.8", ["CVE-2016-10099", "CVE-2023-36811", "CVE-2026-62268"]),
        ("1.10.0", []),
        ("", []),
        ("nine", []),
        ("1.2.99999", []),
    ],
)
def test_which_borg_has_which_weakness(version: str, names: list[str]) -> None:
    assert [one.name for one in find_weaknesses(version)] == names
    assert bool(describe_weaknesses(version)) == bool(names)


def hand_on(reports: Path, name: str, content: str) -> None:
    (reports / name).mkdir()
    (reports / name / "record.json").write_text(content)


def test_what_is_remembered_is_handed_on_as_it_was(tmp_path: Path, run: Run) -> None:
    versions = {"borg": "1.4.5"}
    history = note_told(remembered(night(run, 1, a=session(versions=versions), b=State.FAILED)), [TEAM], run.finished)
    hand_on(tmp_path, "r1", json.dumps({"history": dump_history(history)}))
    assert load_history(tmp_path) == history
    hand_on(tmp_path, "r2", json.dumps({"history": None, "status": "RUNNING"}))
    assert load_history(tmp_path) == history, "a run that was killed hands nothing on"
    again = add_run(history, night(run, 2, a=State.OK))
    hand_on(tmp_path, "r3", json.dumps({"history": dump_history(again)}))
    assert load_history(tmp_path) == again
    ahead = time.time() + 366 * 86400
    hand_on(tmp_path, "r0", json.dumps({"history": dump_history(history)}))
    os.utime(tmp_path / "r0/record.json", (ahead, ahead))
    assert load_history(tmp_path) == again, "what a clock wrote that was ahead is the newest for a year"
    assert [one.finished for one in again.runs] == ["2026-11-01T03:00:00Z", "2026-11-02T03:00:00Z"]
    assert again.clients["backup", "a"].runs == 2 and again.told == {TEAM: run.finished}


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"schema": 9}', '{"schema": 1, "clients": 1}', "[" * 9999])
def test_what_cannot_be_read_begins_anew(tmp_path: Path, content: str) -> None:
    assert load_history(tmp_path / "nothing") == load_history(tmp_path) == History()
    hand_on(tmp_path, "r1", content)
    hand_on(tmp_path, "r2", f'{{"history": {content}}}')
    assert load_history(tmp_path) == History()


def test_who_is_not_seen_for_a_year_is_forgotten_and_a_try_is_no_run(run: Run) -> None:
    history = remembered(night(run, 1, a=State.OK))
    assert add_run(history, replace(run, check=True)) == history
    later = replace(night(run, 1, b=State.OK), finished="2028-01-01T00:00:00Z")
    assert add_run(history, later).names == {"b"}


def test_changes_stand_first_and_are_text_whatever_a_client_says(run: Run) -> None:
    history = remembered(night(run, 1, a=session(versions={"borg": "1.4.4"}), b=State.FAILED))
    tonight = night(run, 2, a=session(versions={"borg": HOSTILE}), b=State.OK, c=State.FAILED)
    text, html = (render(make_page(tonight, "/r", history)) for render in (render_text, render_html))
    assert text.index("SINCE THE LAST RUN") < text.index("\nFAILED\n")
    assert "  Well again: b (1 run since 2026-11-01 03:00)\n" in text
    assert all(len(line) <= 78 and line.replace("\u00a0", " ").isprintable() for line in text.splitlines())
    assert "<script" not in html and "&lt;script" in html
