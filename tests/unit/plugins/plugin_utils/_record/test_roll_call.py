# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is missing from a run: each way in which a client can be absent, and servers that say anything."""

from __future__ import annotations

from typing import Any

from ansible_collections.paranoid.backup.plugins.plugin_utils._record.roll_call import Absence, list_shared, read_roll
from ansible_collections.paranoid.backup.plugins.plugin_utils._report.absence import describe_absent, summarize
from hypothesis import given
from report_samples import ANYTHING

DAY = 86400


def known(client: str, age: int | None, host: str = "") -> dict[str, Any]:
    last = "2026-11-20T03:00:00+00:00" if age is not None else None
    return {"client": client, "host": host or client, "last_success": last, "age": age}


def server(*clients: dict[str, Any], **addresses: str) -> dict[str, Any]:
    """What vault says of these clients, where the inventory has hosts of these names at these addresses."""
    hosts = {name: {"client": name, "address": address} for name, address in addresses.items()}
    return {"item": "vault", "clients": list(clients), "hosts": hosts, "problem": ""}


def test_each_way_to_be_absent() -> None:
    said = server(
        known("web", DAY), known("db", 2 * DAY), known("old", 40 * DAY), known("moved", DAY, "192.0.2.7"),
        web="web", db="db", moved="192.0.2.8", new="new",
    )  # fmt: skip
    roll = read_roll([said], ["web", "moved"])
    assert [(one.client, one.why) for one in roll.absent] == [
        ("new", Absence.LEFT_OUT), ("old", Absence.UNLISTED), ("db", Absence.LEFT_OUT), ("moved", Absence.MOVED),
    ]  # fmt: skip
    assert [describe_absent(one) for one in roll.absent] == [
        "never backed up",
        "last success 40 d 00 h ago, on vault",
        "last success 2 d 00 h ago",
        "the server goes to 192.0.2.7, the inventory says 192.0.2.8: run site.yml for it; last success 1 d 00 h ago",
    ]
    assert summarize(roll.absent) == (
        "1 client is not in the inventory, 1 is at another address, 2 are left out of this run."
    )
    assert summarize(roll.absent[:3:2]) == "2 clients are left out of this run." and summarize(()) == ""


def test_a_renamed_client_is_missed_under_its_old_name() -> None:
    (old,) = read_roll([server(known("web", DAY), known("www", None), www="www")], ["www"]).absent
    assert (old.client, old.why, old.age) == ("web", Absence.UNLISTED, DAY)


def test_a_host_whose_client_has_another_name_is_there() -> None:
    said = server(known("web", DAY, "10.0.0.1"))
    said["hosts"] = {"web1.example.org": {"client": "web", "address": "10.0.0.1"}}
    assert read_roll([said], ["web1.example.org"]).absent == ()


def test_a_server_that_does_not_answer_is_named() -> None:
    gone = {"item": "vault", "clients": [], "problem": "no route"}
    assert read_roll([gone, {"item": "nas", "failed": True}], []).problems == (
        "vault: no route",
        "nas: it gave no answer",
    )


def listed(inventory: str, server_says: str) -> dict[str, Any]:
    said = server(known("web", DAY) | {"listed": server_says}, web="web")
    said["hosts"]["web"]["listed"] = inventory
    return said


def test_an_inventory_that_lists_other_things_to_save_than_it_did_is_told() -> None:
    """Green every night, of what was to be saved last year: nobody ran site.yml."""
    (one,) = read_roll([listed("b" * 64, "a" * 64)], ["web"]).absent
    assert (one.client, one.why) == ("web", Absence.CHANGED)
    assert describe_absent(one) == (
        "the inventory says other things to save than the host was told: run site.yml for it; last success 1 d 00 h ago"
    )
    assert summarize([one]) == "1 client is changed in the inventory."
    for same in (listed("a", "a"), listed("", "a"), listed("a", "")):  # not known: facts, or an older record
        assert read_roll([same], ["web"]).absent == ()


def test_hosts_that_are_one_client_are_a_problem_of_the_run() -> None:
    """Each would be told as backed up, and one is."""
    said = server(known("web", DAY), web="web", web2="192.0.2.9", db="db")
    said["hosts"]["web2"]["client"] = "web"
    assert list_shared([said], ["web2", "db"]) == [
        "web and web2 are one client to the server, web, so only one of them is backed up: "
        "mend backup_client_name, then run site.yml"
    ]
    assert list_shared([said], ["db"]) == []
    other = server(web2="192.0.2.9")  # the same name on another server is another client
    other["hosts"]["web2"]["client"] = "web"
    assert list_shared([server(web="web"), other], ["web", "web2"]) == []


@given(ANYTHING, ANYTHING)
def test_nothing_that_a_server_says_breaks_the_report(clients: Any, hosts: Any) -> None:
    read_roll([{"item": clients, "clients": clients, "hosts": hosts}], ["web"])
    read_roll([{"clients": [clients, {"client": clients, "age": hosts}], "hosts": {"web": hosts}}], ["web"])
    list_shared([{"hosts": hosts}, {"hosts": {"web": hosts, "db": clients}}], ["web"])
