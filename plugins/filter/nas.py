# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters of the role backup_nas: which clients there are, what dataset each of them gets, and what a NAS told."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.paranoid.backup.plugins.plugin_utils._report.nas_places import describe_for_page

_LEAST = 1 << 30  # bytes
HostVars = Mapping[str, Mapping[str, Any]]


def _quotas_of_clients(hosts: Sequence[str], hostvars: HostVars) -> list[dict[str, Any]]:
    """Return name and quota (bytes or None) of each of HOSTS."""
    about = [
        (hostvars[host].get("backup_client_name", host), hostvars[host].get("backup_client_quota")) for host in hosts
    ]
    return [{"name": str(name), "quota": int(quota) if quota else None} for name, quota in about]


def _client_datasets(
    clients: Sequence[Mapping[str, Any]], root: str, properties: Mapping[str, Any], refquota: int, quota: int, room: int
) -> list[dict[str, Any]]:
    """Return a dataset below ROOT for each client, as M(paranoid.backup.zfs_datasets) takes it.

    REFQUOTA and QUOTA are percentages of the client's own quota; each leaves at least ROOM bytes beyond it.
    """
    datasets = []
    for client in clients:
        own, limits = client.get("quota"), {"refquota": "none", "quota": "none"}
        if own:
            percents = {"refquota": int(refquota), "quota": int(quota)}
            limits = {name: str(max(int(own) * one // 100, int(own) + int(room))) for name, one in percents.items()}
        name = client["name"]
        datasets.append({"name": f"{root}/{name}", "mark": f"client {name}", "properties": {**properties, **limits}})
    return datasets


def _truenas_datasets(datasets: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return DATASETS as M(paranoid.backup.truenas) takes them: it has no quota below 1 GiB, and none is null."""
    made = []
    for one in datasets:
        sizes = {name: int(one["properties"][name].replace("none", "0")) for name in ("refquota", "quota")}
        limits = {name: max(size, _LEAST) if size else None for name, size in sizes.items()}
        made.append({"name": one["name"], "mark": one["mark"], "fields": {**one["properties"], **limits}})
    return made


def _client_mounts(clients: Sequence[Mapping[str, Any]], root: str, inside: str) -> list[dict[str, str]]:
    """Return which directory of the NAS below ROOT the server sees below INSIDE, one for each client."""
    return [{"source": f"{root}/{one['name']}", "target": f"{inside}/{one['name']}"} for one in clients]


def _nas_command(variables: Mapping[str, Any]) -> str:
    """Return where the role has put the program on a NAS with these VARIABLES; an update of TrueNAS leaves its own."""
    is_truenas = str(variables.get("backup_nas_backend", "zfs")).startswith(("scale_", "core_"))
    place = f"/mnt/{variables.get('backup_nas_dataset', '')}-nas" if is_truenas else "/usr/local/sbin"
    return f"{place}/paranoid-backup-nas"


def _nas_of_clients(hosts: Sequence[str], hostvars: HostVars, groups: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the NAS under the servers of HOSTS, each once; none where the inventory has none."""
    first = next(iter(groups.get("backup_nas", ())), "")
    named = (str(hostvars[host].get("backup_client_nas", first)) for host in hosts)
    return list(dict.fromkeys(filter(None, named)))


def _nas_of_page(
    results: Sequence[Mapping[str, Any]],
    clients: Mapping[str, Mapping[str, str]],
    hostvars: HostVars,
    groups: Mapping[str, Sequence[str]],
) -> list[dict[str, Any]] | None:
    """Return what M(paranoid.backup.page) takes of RESULTS of M(paranoid.backup.nas); None if none was asked.

    CLIENTS are those of its server, as P(paranoid.backup.clients_of_server#filter) returns them.
    """
    answers = {str(one["item"]): one for one in results if not one.get("skipped")}
    if results and not answers:
        return None
    lying: dict[str, list[str]] = {}
    for host, told in clients.items():
        for nas in _nas_of_clients([host], hostvars, groups):
            lying.setdefault(nas, []).append(told["client"])
    servers, now = groups.get("backup_servers", ()), time.time()
    asked = ((answers.get(nas, {"item": nas}), names) for nas, names in sorted(lying.items()))
    return [describe_for_page(answer, names, servers, now) for answer, names in asked]


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Map filter names to functions."""
        return {
            "quotas_of_clients": _quotas_of_clients,
            "client_datasets": _client_datasets,
            "truenas_datasets": _truenas_datasets,
            "client_mounts": _client_mounts,
            "nas_command": _nas_command,
            "nas_of_clients": _nas_of_clients,
            "nas_of_page": _nas_of_page,
        }
