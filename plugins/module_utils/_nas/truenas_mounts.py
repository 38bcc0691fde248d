# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Directories of the NAS that a container, an instance or a jail sees: listed and added, none taken away. For 3.9."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Optional

from ansible_collections.paranoid.backup.plugins.module_utils._nas.midclt import Api, TrueNasError

Entry = Mapping[str, Any]
Mount = tuple[str, str]  # of the NAS, inside


class Actual(NamedTuple):
    """A directory of the NAS, and where it is seen inside."""

    source: str
    target: str
    writable: bool


def _list_container(api: Api, entry: Entry) -> list[Actual]:
    """There is none that is read-only."""
    devices = api.call("container.device.query", [["container", "=", entry["id"]]])
    found = [one["attributes"] for one in devices if one["attributes"]["dtype"] == "FILESYSTEM"]
    return [Actual(one["source"], one["target"], True) for one in found]


def _add_container(api: Api, entry: Entry, mount: Mount) -> None:
    attributes = {"dtype": "FILESYSTEM", "source": mount[0], "target": mount[1]}
    api.call("container.device.create", {"container": entry["id"], "attributes": attributes})


def _list_instance(api: Api, entry: Entry) -> list[Actual]:
    devices = api.call("virt.instance.device_list", entry["id"])
    disks = [one for one in devices if one["dev_type"] == "DISK" and one.get("source")]
    return [Actual(one["source"], one["destination"], not one.get("readonly")) for one in disks]


def _add_instance(api: Api, entry: Entry, mount: Mount) -> None:
    device = {"dev_type": "DISK", "source": mount[0], "destination": mount[1], "readonly": False}
    api.call("virt.instance.device_add", entry["id"], device)


def _list_jail(api: Api, entry: Entry) -> list[Actual]:
    """Its root stands before what is inside; what the jail itself needs is of type SYSTEM."""
    table = api.job("jail.fstab", entry["id"], {"action": "LIST"})
    rows, root = [row["entry"] for row in table.values() if row["type"] == "USER"], f"/jails/{entry['id']}/root"
    return [Actual(row[0], row[1].partition(root)[2] or row[1], "rw" in row[3].split(",")) for row in rows]


def _add_jail(api: Api, entry: Entry, mount: Mount) -> None:
    """Its default would be read-only."""
    line = {"action": "ADD", "source": mount[0], "destination": mount[1], "fstype": "nullfs", "fsoptions": "rw"}
    api.job("jail.fstab", entry["id"], {**line, "dump": "0", "pass": "0"})


LIST: Mapping[str, Callable[[Api, Entry], list[Actual]]] = {
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
    """Return the mounts that are not there yet; TrueNasError if something else is where one should be."""
    there = {one.target: one for one in (LIST[kind](api, entry) if entry is not None and wanted else [])}
    for source, target in wanted:
        other = there.get(target)
        if other and (other.source != source or not other.writable):
            how = "" if other.writable else ", read-only"
            raise TrueNasError(
                f"{target} inside is {other.source}{how} and should be {source}, writable: take that mount away"
            )
    return [(source, target) for source, target in wanted if target not in there]
