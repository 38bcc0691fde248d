# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked about all clients together: names that are not unique, and who holds whose key."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.paranoid.backup.plugins.filter.fleet import FilterModule

FILTERS = FilterModule().filters()


@pytest.mark.parametrize(
    ("hostvars", "shared"),
    [
        ({}, []),
        ({"web1": {}, "web2": {}}, []),
        ({"web1": {}, "other": {"backup_client_name": "web1"}}, ["web1"]),
        ({"a": {"backup_client_name": "web2"}, "b": {"backup_client_name": "web2"}, "web2": {}}, ["web2"]),
        ({"web1": {"backup_client_name": "db"}, "db": {"backup_client_name": "web1"}}, []),
    ],
)
def test_names_that_more_than_one_host_has(hostvars: dict[str, dict[str, Any]], shared: list[str]) -> None:
    assert FILTERS["shared_client_names"](list(hostvars), hostvars) == shared


HOSTVARS: dict[str, dict[str, Any]] = {
    "web1.example.org": {"backup_client_name": "web1"},
    "laptop1": {"backup_client_keyholder_for": ["web1", "db1"]},
    "laptop2.example.org": {"backup_client_name": "laptop2", "backup_client_keyholder_for": ["db1"]},
    "laptop3": {"backup_client_keyholder_for": ["web11", "eb1"]},
}


@pytest.mark.parametrize(
    ("client", "keyholders"),
    [
        ("web1", [{"host": "laptop1", "client": "laptop1"}]),
        ("db1", [{"host": "laptop1", "client": "laptop1"}, {"host": "laptop2.example.org", "client": "laptop2"}]),
        ("web1.example.org", []),
    ],
)
def test_who_holds_the_key_of_a_client(client: str, keyholders: list[dict[str, str]]) -> None:
    assert FILTERS["keyholders"](list(HOSTVARS), HOSTVARS, client) == keyholders


def test_only_hosts_that_were_named_are_looked_at() -> None:
    """Hosts outside the group may have the variable, too."""
    assert FILTERS["keyholders"](["web1.example.org"], HOSTVARS, "web1") == []


SERVED: dict[str, dict[str, Any]] = {
    "a": {"ansible_host": "192.0.2.1"},
    "b": {"ansible_host": "192.0.2.2", "ansible_ssh_host": "[2001:db8::2]"},
    "c": {"ansible_host": "192.0.2.3", "backup_client_host": "c.example.org", "backup_client_name": "see"},
    "d": {"backup_client_server": "other"},
}


def test_who_is_backed_up_by_whom_and_where() -> None:
    groups = {"backup_servers": ["vault", "spare"]}
    assert FILTERS["servers_of_clients"](list(SERVED), SERVED, groups) == ["vault", "spare", "other"]
    assert FILTERS["clients_of_server"](list(SERVED), SERVED, groups, "vault") == {
        "a": {"client": "a", "address": "192.0.2.1"},
        "b": {"client": "b", "address": "2001:db8::2"},
        "c": {"client": "see", "address": "c.example.org"},
    }
    assert list(FILTERS["clients_of_server"](list(SERVED), SERVED, groups, "other")) == ["d"]
    assert FILTERS["clients_of_server"](list(SERVED), SERVED, groups, "spare") == {}
