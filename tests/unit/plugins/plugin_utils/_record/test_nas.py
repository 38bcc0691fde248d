# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a NAS says of itself, taken as hostile; what it does not say is not well; and how a report puts it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._page.nas import Pool
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.merging import Part, merge
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.model import Client, Run, State
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.nas import (
    Nas,
    mark_servers,
    read_nas,
    read_record,
)
from ansible_collections.paranoid.backup.plugins.plugin_utils._report.nas import describe_nas, summarize_nas
from ansible_collections.paranoid.backup.plugins.plugin_utils._report.page import make_page
from hypothesis import given
from report_samples import ANYTHING, HOSTILE

NOW = 1_800_000_000
WELL: dict[str, Any] = {
    "schema": 1,
    "measured": NOW - 20,
    "ages": {"snapshot": 10920, "copy": 93600, "scrub": 1036800},
    "pools": {"tank": {"capacity": "42%", "full_in_days": 120.5}},
    "problems": [],
    "remarks": [],
    "unknown": [],
}


def told(problem: str = "", **changes: Any) -> Nas:
    """What is read of a NAS that is well but for the changes."""
    return read_nas({"item": "nas1", "problem": problem, "status": {**WELL, **changes}}, NOW)


def test_a_nas_that_is_well() -> None:
    assert told() == Nas("nas1", (), (), 10920, 93600, 1036800, (Pool("tank", 42, 120.5),))
    assert told(remarks=["a"], unknown=["b"]).remarks == ("a", "b")


@pytest.mark.parametrize(
    ("changes", "problems"),
    [
        ({"problems": ["pool tank is DEGRADED", "x"]}, ["pool tank is DEGRADED", "x"]),
        ({"problem": "ssh: no route"}, ["ssh: no route"]),
        ({"measured": NOW - 7260}, ["its clock is 2 h 01 min behind this machine's, and all ages are by it"]),
        ({"measured": NOW + 7260}, ["its clock is 2 h 01 min ahead of this machine's, and all ages are by it"]),
        ({"measured": "now"}, ["it did not say what time it is there: run site.yml for it"]),
        ({"ages": {}}, ["it did not say how old its snapshots are: run site.yml for it"]),
        ({"ages": {"snapshot": -5}}, ["it did not say how old its snapshots are: run site.yml for it"]),
        ({"ages": {}, "first_due": {"tank/backup/new": NOW + 9000}}, []),
        (
            {"ages": {}, "first_due": {"tank/backup/new": NOW + 9 * 86400, "tank/x": "soon"}},
            ["it did not say how old its snapshots are: run site.yml for it"],
        ),
        ({"pools": {}}, ["it did not say how its pools are: run site.yml for it"]),
        ({"pools": ["tank"]}, ["it did not say how its pools are: run site.yml for it"]),
        ({"problems": None}, ["it said what cannot be read: run site.yml for it"]),
        ({"problems": [7]}, ["it said what cannot be read"]),
        ({"problems": ["a"] * 9}, ["a"]),
    ],
)
def test_what_is_not_well(changes: dict[str, Any], problems: list[str]) -> None:
    assert list(told(**changes).problems) == problems


def test_silence_is_not_well() -> None:
    answers: list[dict[str, Any]] = [{}, {"item": "nas1", "status": []}, {"status": {}}]
    for said in answers:
        assert read_nas(said, NOW).problems == ("it did not say how it is: run site.yml for it",)


def test_hostile_words_are_bounded() -> None:
    nas = told(problems=[f"{place} {HOSTILE}" + "x" * 10_000 for place in range(5000)], unknown=[HOSTILE] * 999)
    assert len(nas.problems) == 51 and nas.problems[-1] == "and 4950 more: paranoid-backup-nas status"
    assert nas.problems[0].startswith("0 ") and all(len(line) <= 300 and line.isprintable() for line in nas.problems)
    assert len(told(pools={f"p{place}": {} for place in range(999)}).pools) == 50


@given(ANYTHING, ANYTHING)
def test_anything_is_read(one: Any, two: Any) -> None:
    for key in WELL:
        read_nas({"item": one, "status": {**WELL, key: two}}, NOW)
    read_nas({"status": one, "problem": two}, NOW)
    describe_nas(read_record([{"name": one, "problems": two, "pools": [{"name": two, "percent": one}]}, one]))
    assert read_record(json.loads(json.dumps(None))) is None


def test_in_words(run: Run) -> None:
    assert describe_nas(None) == []
    (weaker,) = describe_nas(())
    assert weaker.startswith("none in the inventory, so no snapshot is out of a server's reach")
    assert describe_nas([told()]) == [
        "nas1: snapshot 3 h 02 min ago, copy 1 d 02 h ago, scrub 12 d 00 h ago, tank 42 % full (wholly in 120 days)"
    ]
    many = describe_nas([told(unknown=[str(number) for number in range(9)])])
    assert many[1:] == ["nas1: 0", "nas1: 1", "nas1: 2", "nas1: and 6 more remarks, see the record"]
    assert summarize_nas([told()]) == "" and describe_nas([told("away")])[:1] == []
    bad = told(problems=["one", "two"])
    assert summarize_nas([bad, replace(bad, name="nas2")]) == "Somebody should look at nas1 and nas2: 4 problems."
    page = make_page(replace(run, nas=(bad,)), "")
    assert page.is_urgent and page.status == "SUCCESS", "the backups arrived, and somebody must hear"
    assert [note.entries for note in page.notes if note.heading == "NAS"] == [(("nas1", ("one", "two")),)]
    quiet = make_page(replace(run, nas=()), "")
    assert [name for name, _value in quiet.facts].count("NAS") == 1
    assert not [note for note in quiet.notes if note.heading == "NAS"]


def test_a_server_that_is_its_own_nas_is_named() -> None:
    one, two = mark_servers((told(remarks=["a"]), replace(told(), name="nas2")), ["nas1", "vault"])
    assert one.remarks[0].startswith("it is a server as well") and one.remarks[1:] == ("a",) and two.remarks == ()


def test_several_runs_in_one_report(run: Run) -> None:
    """Each NAS once, as it was told last; a record of an earlier release has none."""
    bad, well = told(problems=["one"]), told()
    other = replace(bad, name="nas2")

    def merged(*parts: tuple[Nas, ...] | None) -> tuple[Nas, ...] | None:
        clients = (Client("web1", State.OK),)
        runs = [replace(run, run_id=str(place), clients=clients, nas=nas) for place, nas in enumerate(parts)]
        return merge(run, [Part(one.run_id, json.loads(json.dumps(one.to_dict()))) for one in runs]).nas

    assert merged((bad,), (well, other), None) == (well, other)
    assert merged(None, None) is None and merged(None, ()) == ()
    assert merge(run, [Part("old", {})]).nas is None
