# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters paranoid.backup.shared_client_names and paranoid.backup.keyholders: questions about all clients together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

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


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Map filter names to functions."""
        return {"shared_client_names": _shared_client_names, "keyholders": _keyholders}
