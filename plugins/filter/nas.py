# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters of the role backup_nas: which clients there are, and what dataset each of them gets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any


def _quotas_of_clients(hosts: Sequence[str], hostvars: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return name and quota (bytes or None) of each of HOSTS."""
    about = [
        (hostvars[host].get("backup_client_name", host), hostvars[host].get("backup_client_quota")) for host in hosts
    ]
    return [{"name": str(name), "quota": int(quota) if quota else None} for name, quota in about]


def _client_datasets(
    clients: Sequence[Mapping[str, Any]], root: str, properties: Mapping[str, Any], refquota: int, quota: int
) -> list[dict[str, Any]]:
    """Return a dataset below ROOT for each client, as M(paranoid.backup.zfs_datasets) takes it.

    REFQUOTA and QUOTA are percentages of the client's own quota.
    """
    datasets = []
    for client in clients:
        own, limits = client.get("quota"), {"refquota": "none", "quota": "none"}
        if own:
            percents = {"refquota": int(refquota), "quota": int(quota)}
            limits = {name: str(int(own) * percent // 100) for name, percent in percents.items()}
        name = client["name"]
        datasets.append({"name": f"{root}/{name}", "mark": f"client {name}", "properties": {**properties, **limits}})
    return datasets


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Map filter names to functions."""
        return {"quotas_of_clients": _quotas_of_clients, "client_datasets": _client_datasets}
