# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked about all clients together: names that are not unique, and who holds whose key."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleError
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
    served = FILTERS["clients_of_server"](list(SERVED), SERVED, groups, "vault")
    assert {host: {key: one[key] for key in ("client", "address")} for host, one in served.items()} == {
        "a": {"client": "a", "address": "192.0.2.1"},
        "b": {"client": "b", "address": "2001:db8::2"},
        "c": {"client": "see", "address": "c.example.org"},
    }
    assert list(FILTERS["clients_of_server"](list(SERVED), SERVED, groups, "other")) == ["d"]
    assert FILTERS["clients_of_server"](list(SERVED), SERVED, groups, "spare") == {}


def fingerprint(**variables: Any) -> str:
    found = FILTERS["clients_of_server"](["a"], {"a": variables}, {"backup_servers": ["vault"]}, "vault")
    return str(found["a"]["listed"])


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("backup_client_sources", ["/etc", "/srv"]),
        ("backup_client_sources_shop", ["/srv"]),
        ("backup_client_sources", [{"path": "/etc", "mount": True}]),
        ("backup_client_excludes", ["/srv/tmp"]),
        ("backup_client_excludes_shop", ["/srv/tmp"]),
        ("backup_client_exclude_if_present", [".no"]),
        ("backup_client_exclude_caches", False),
        ("backup_client_tagged_paths", ["/home"]),
        ("backup_client_sqlite_databases", [{"name": "app", "path": "/srv/app.db"}]),
        ("backup_client_postgresql_databases_shop", [{"name": "shop"}]),
    ],
)
def test_what_is_to_be_saved_has_a_fingerprint(variable: str, value: object) -> None:
    before = {"backup_client_sources": ["/etc"]}
    assert len(fingerprint(**before)) == 64
    assert fingerprint(**before | {variable: value}) != fingerprint(**before)
    assert fingerprint(**before, ansible_host="192.0.2.1", backup_client_quota=7) == fingerprint(**before)


def test_no_fingerprint_follows_from_a_secret() -> None:
    entry = {"name": "shop", "username": "backup"}
    one, other = ([entry | {"password": word}] for word in ("hunter2", "letmein"))
    assert fingerprint(backup_client_mysql_databases=one) == fingerprint(backup_client_mysql_databases=other)


class FactsNeeded(dict[str, Any]):
    """Variables of a host as Ansible gives them, where one needs a fact that no run has gathered."""

    def __getitem__(self, name: str) -> Any:
        raise AnsibleError(f"{name} is undefined")


def test_what_only_facts_could_tell_is_not_known() -> None:
    hostvars = {"a": FactsNeeded(backup_client_sources="{{ ansible_facts.x }}", backup_client_server="vault")}
    hostvars["a"].get = lambda name, other=None: other  # type: ignore[method-assign]
    found = FILTERS["clients_of_server"](["a"], hostvars, {"backup_servers": ["vault"]}, "vault")
    assert found["a"]["listed"] == ""
