# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a NAS keeps of each client, as the page takes it: what was not said is late, for whomever it concerns."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.paranoid.backup.plugins.filter.nas import FilterModule
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.nas import read_nas
from ansible_collections.paranoid.backup.plugins.plugin_utils._report.nas_places import describe_for_page
from hypothesis import given
from report_samples import ANYTHING

NOW = 1_800_000_000
ROOT, COPY = "tank/backup", "usb/copy"
WELL: dict[str, Any] = {
    "measured": NOW - 20,
    "newest": {ROOT: {f"{ROOT}/web1": NOW - 120, f"{ROOT}/db1": NOW - 220}, COPY: {f"{COPY}/web1": NOW - 9020}},
    "lines": [{"what": "snapshots", "root": ROOT, "late": []}, {"what": "copies", "root": COPY, "late": []}],
    "ages": {"snapshot": 200, "copy": 9000},
    "pools": {"tank": {"capacity": "42%"}},
    "problems": [],
}
WHOLE = {ROOT: {ROOT: NOW - 5}}
LATE = "nas1: its newest {} in {} is late, missing or not known"


def tell(problem: str = "", **changes: Any) -> dict[str, Any]:
    """What the page takes of a NAS that is well but for the changes."""
    return describe_for_page(
        {"item": "nas1", "problem": problem, "status": {**WELL, **changes}}, ["web1", "db1"], [], NOW
    )


def test_ages_of_each_client() -> None:
    told = tell()
    assert told["places"] == {
        "web1": {"snapshot": 100.0, "copy": 9000.0, "late": []},
        "db1": {"snapshot": 200.0, "copy": None, "late": [LATE.format("copy", COPY)]},
    }
    assert told["told"] == ["nas1: snapshot 3 min 20 s ago, copy 2 h 30 min ago, tank 42 % full"]


@pytest.mark.parametrize(
    ("changes", "late"),
    [
        ({}, []),
        ({"lines": [{**WELL["lines"][0], "late": [f"{ROOT}/web1"]}]}, [LATE.format("snapshot", ROOT)]),
        ({"lines": [{**WELL["lines"][0], "late": [f"{ROOT}/db1"]}]}, []),
        ({"lines": [{**WELL["lines"][0], "late": [ROOT]}]}, [LATE.format("snapshot", ROOT)]),
        ({"lines": [{**WELL["lines"][0], "late": "none"}]}, [LATE.format("snapshot", ROOT)]),
        ({"newest": {}}, [LATE.format("snapshot", ROOT), LATE.format("copy", COPY)]),
        ({"lines": []}, ["nas1: it did not say what it keeps of each client: run site.yml for it"]),
        ({"measured": "now"}, ["nas1: it did not say what it keeps of each client: run site.yml for it"]),
        ({"problem": "ssh: no route", "lines": None}, ["nas1: ssh: no route"]),
        # Where clients have no dataset of their own, that of all is theirs.
        ({"newest": WHOLE, "lines": WELL["lines"][:1]}, []),
        ({"newest": WHOLE, "lines": [{**WELL["lines"][0], "late": [ROOT]}]}, [LATE.format("snapshot", ROOT)]),
    ],
)  # fmt: skip
def test_what_is_late_of_one_client(changes: dict[str, Any], late: list[str]) -> None:
    assert tell(**changes)["places"]["web1"]["late"] == late


def test_the_oldest_of_several_copies_counts() -> None:
    other = {"what": "copies", "root": "far/copy", "late": []}
    newest = {**WELL["newest"], "far/copy": {"far/copy/web1": NOW - 90020}}
    assert tell(lines=[*WELL["lines"], other], newest=newest)["places"]["web1"]["copy"] == 90000.0


def test_it_is_judged_as_for_the_mail() -> None:
    for problem, status in (("", {**WELL, "problems": ["pool tank is DEGRADED"]}), ("ssh: no route", {})):
        result = {"item": "nas1", "problem": problem, "status": status}
        assert describe_for_page(result, [], [], NOW)["problems"] == read_nas(result, NOW).problems


@given(ANYTHING, ANYTHING)
def test_whatever_it_says_is_taken(one: Any, two: Any) -> None:
    for key in WELL:
        describe_for_page({"item": one, "status": {**WELL, key: two}}, ["web1"], [], NOW)
    describe_for_page({"status": {**WELL, "lines": [one, {"root": two, "late": one}]}}, ["web1"], [], NOW)


def test_each_nas_has_its_clients_and_who_was_not_asked_said_nothing() -> None:
    ask = FilterModule().filters()["nas_of_page"]
    hostvars: dict[str, Any] = {"web1": {}, "db1": {"backup_client_nas": "nas2"}, "nas1": {}, "nas2": {}}
    groups, clients = {"backup_nas": ["nas1", "nas2"]}, {host: {"client": f"c-{host}"} for host in ("web1", "db1")}
    one, two = ask([{"item": "nas1", "problem": "gone", "status": {}}], clients, hostvars, groups)
    assert (one["name"], list(one["places"]), one["problems"]) == ("nas1", ["c-web1"], ("gone",))
    assert (two["name"], list(two["places"])) == ("nas2", ["c-db1"])
    assert two["problems"] == ("it did not say how it is: run site.yml for it",)
    assert ask([{"item": "nas1", "skipped": True}], clients, hostvars, groups) is None
    assert ask([], {"web1": clients["web1"]}, hostvars, {}) == []
