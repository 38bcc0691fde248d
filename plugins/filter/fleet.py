# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters that ask about all clients together: names that clients share, who holds keys, who backs up whom."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleError

_SCHEDULE = "backup_client_schedule_"
_DATABASES = ("postgresql", "mysql", "mariadb", "mongodb", "sqlite")
_LISTED = re.compile(
    r"backup_client_(sources|excludes|exclude_if_present|exclude_caches|tagged_paths|"
    rf"({'|'.join(_DATABASES)})_databases)(_.+)?"
)
_NO_SECRETS = ("name", "hostname", "port", "path", "container", "mount")  # the others of an entry may hold some
HostVars = Mapping[str, Mapping[str, Any]]


def _shared_client_names(hosts: Sequence[str], hostvars: HostVars) -> list[str]:
    """Return the client names that more than one of HOSTS has."""
    counted = Counter(str(hostvars[host].get("backup_client_name", host)) for host in hosts)
    return sorted(name for name, count in counted.items() if count > 1)


def _keyholders(hosts: Sequence[str], hostvars: HostVars, client: str) -> list[dict[str, str]]:
    """Return those of HOSTS that hold CLIENT's key, by the inventory's name and the client's."""
    return [
        {"host": host, "client": str(hostvars[host].get("backup_client_name", host))}
        for host in hosts
        if client in hostvars[host].get("backup_client_keyholder_for", ())
    ]


def _servers_of_clients(hosts: Sequence[str], hostvars: HostVars, groups: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the servers of HOSTS and those of the inventory's group, each once."""
    own = groups.get("backup_servers", ())
    named = [str(hostvars[host]["backup_client_server"]) for host in hosts if "backup_client_server" in hostvars[host]]
    return list(dict.fromkeys([*own, *named]))


def _clients_of_server(
    hosts: Sequence[str], hostvars: HostVars, groups: Mapping[str, Sequence[str]], server: str
) -> dict[str, dict[str, str]]:
    """Return those of HOSTS that SERVER backs up: name as a client, address, and a fingerprint of what is listed."""
    first = next(iter(groups.get("backup_servers", ())), "")
    return {
        host: {
            "client": str(hostvars[host].get("backup_client_name", host)),
            "address": _find_address(hostvars[host], host),
            "listed": _fingerprint(hostvars[host]),
        }
        for host in hosts
        if hostvars[host].get("backup_client_server", first) == server
    }


def _schedules_of_clients(hosts: Sequence[str], hostvars: HostVars) -> dict[str, dict[str, Any]]:
    """Return for each of HOSTS what is set of its schedule, by the variables' names without their prefix."""
    return {
        host: {
            name.removeprefix(_SCHEDULE): hostvars[host][name] for name in hostvars[host] if name.startswith(_SCHEDULE)
        }
        for host in hosts
    }


def _find_address(variables: Mapping[str, Any], host: str) -> str:
    """Return the address at which the server would reach a host; the role backup_client has the same order."""
    names = ("backup_client_host", "ansible_ssh_host", "ansible_host")
    return re.sub(r"^\[(.*)\]$", r"\1", str(next((variables[name] for name in names if name in variables), host)))


def _fingerprint(variables: Mapping[str, Any]) -> str:
    """Return a fingerprint of what the inventory lists to be saved, empty where it takes facts of the host to know."""
    try:
        listed = {name: _without_secrets(variables[name]) for name in variables if _LISTED.fullmatch(name)}
        return hashlib.sha256(json.dumps(listed, sort_keys=True).encode()).hexdigest()
    except (AnsibleError, TypeError):
        return ""


def _without_secrets(value: Any) -> Any:
    """Return a list with no more of its dictionaries than what names a source or a database."""
    if not isinstance(value, list):
        return value
    return [
        {key: str(one[key]) for key in _NO_SECRETS if key in one} if isinstance(one, Mapping) else one for one in value
    ]


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Map filter names to functions."""
        return {
            "shared_client_names": _shared_client_names,
            "keyholders": _keyholders,
            "servers_of_clients": _servers_of_clients,
            "clients_of_server": _clients_of_server,
            "schedules_of_clients": _schedules_of_clients,
        }
