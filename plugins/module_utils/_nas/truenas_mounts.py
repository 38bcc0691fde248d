# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Directories of the NAS that a container, an instance or a jail sees: listed and added, none taken away. For 3.9."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Optional

from ansible_collections.paranoid.backup.plugins.module_utils._nas.midclt import Api

Entry = Mapping[str, Any]
Mount = tuple[str, str]  # of the NAS, inside


def _list_container(api: Api, entry: Entry) -> list[Mount]:
    devices = api.call("container.device.query", [["container", "=", entry["id"]]])
    found = [one["attributes"] for one in devices if one["attributes"]["dtype"] == "FILESYSTEM"]
    return [(one["source"], one["target"]) for one in found]


def _add_container(api: Api, entry: Entry, mount: Mount) -> None:
    attributes = {"dtype": "FILESYSTEM", "source": mount[0], "target": mount[1]}
    api.call("container.device.create", {"container": entry["id"], "attributes": attributes})


def _list_instance(api: Api, entry: Entry) -> list[Mount]:
    devices = api.call("virt.instance.device_list", entry["id"])
    return [(one["source"], one["destination"]) for one in devices if one["dev_type"] == "DISK" and one.get("source")]


def _add_instance(api: Api, entry: Entry, mount: Mount) -> None:
    device = {"dev_type": "DISK", "source": mount[0], "destination": mount[1], "readonly": False}
    api.call("virt.instance.device_add", entry["id"], device)


def _list_jail(api: Api, entry: Entry) -> list[Mount]:
    """Its root stands before what is inside; what the jail itself needs is of type SYSTEM."""
    table = api.job("jail.fstab", entry["id"], {"action": "LIST"})
    rows = [row["entry"] for row in table.values() if row["type"] == "USER"]
    return [(row[0], row[1].partition("/root")[2] or row[1]) for row in rows]


def _add_jail(api: Api, entry: Entry, mount: Mount) -> None:
    """Its default would be read-only."""
    line = {"action": "ADD", "source": mount[0], "destination": mount[1], "fstype": "nullfs", "fsoptions": "rw"}
    api.job("jail.fstab", entry["id"], {**line, "dump": "0", "pass": "0"})


LIST: Mapping[str, Callable[[Api, Entry], list[Mount]]] = {
    "container": _list_container,
    "instance": _list_instance,
    "jail": _list_jail,
}
ADD: Mapping[str, Callable[[Api, Entry, Mount], None]] = {
    "container": _add_container,
    "instance": _add_instance,
    "jail": _add_jail,
}


def missing_mounts(api: Api, kind: str, entry: Optional[Entry], wanted: Sequence[Mount]) -> list[Mount]:
    """Return the mounts that are not there yet."""
    there = LIST[kind](api, entry) if entry is not None and wanted else []
    return [mount for mount in wanted if mount not in there]
