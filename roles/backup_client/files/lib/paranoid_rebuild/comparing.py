# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two descriptions compared: what the old system had and this one has not. Nothing here touches a system."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Optional

from paranoid_system.accounts import is_name

from paranoid_rebuild.errors import printable

# What belongs to a machine and not to what it serves.
OF_THE_MACHINE = ("linux-image", "linux-headers", "linux-modules", "kernel", "grub", "shim-", "firmware-", "efibootmgr")
_OF_THE_MACHINE_TOO = ("initramfs-tools", "dracut", "intel-microcode", "amd64-microcode", "raspi-firmware")
# Units that this machine has its own of: stopping or starting them would cut the way by which we came.
KEPT_UNITS = (
    *("ssh", "sshd", "systemd-", "dbus", "getty", "serial-getty", "console-getty", "networking", "NetworkManager"),
    *(
        "network",
        "ifup",
        "netplan",
        "wpa_supplicant",
        "cloud-",
        "qemu-guest-agent",
        "open-vm-tools",
        "e2scrub",
        "fstrim",
    ),
    *("apt-daily", "dpkg-db-backup", "grub", "blk-availability", "lvm2", "mdadm", "multipath", "resolvconf", "reboot"),
)
SHOWN = 30  # names in one line

Record = Mapping[str, Any]


@dataclass(frozen=True)
class MissingGroup:
    """A group that this system lacks; ``gid`` is None where somebody else has that number here."""

    name: str
    gid: Optional[int]
    old_gid: int


@dataclass(frozen=True)
class MissingUser:
    """A user that this system lacks; ``uid`` is None where somebody else has that number here."""

    name: str
    uid: Optional[int]
    old_uid: int
    group: str
    comment: str
    home: str
    shell: str


@dataclass(frozen=True)
class Comparison:
    """What the old system had and this one lacks, and what else is told before anything is written."""

    old_release: str
    new_release: str
    is_other_release: bool
    groups: tuple[MissingGroup, ...]
    users: tuple[MissingUser, ...]
    other_ids: tuple[str, ...]
    members: tuple[tuple[str, str], ...]  # user and group
    packages: tuple[str, ...]
    services: tuple[str, ...]  # enabled there and not here
    all_services: tuple[str, ...]  # all that were enabled, without those of the machine itself
    file_systems: tuple[str, ...]
    remarks: tuple[str, ...]


def compare(old: Record, new: Record) -> Comparison:
    """Compare what was with what is."""
    groups = tuple(_missing_groups(old, new))
    services = tuple(name for name in old["services"] if _is_startable(name, old))
    return Comparison(
        old_release=_release(old),
        new_release=_release(new),
        is_other_release=_release_key(old) != _release_key(new),
        groups=groups,
        users=tuple(_missing_users(old, new)),
        other_ids=tuple(_other_ids(old, new)),
        members=tuple(_missing_members(old, new)),
        packages=tuple(_missing_packages(old, new)),
        services=tuple(name for name in services if name not in set(new["services"])),
        all_services=services,
        file_systems=tuple(_missing_file_systems(old, new)),
        remarks=tuple(_differences(old, new)),
    )


def format_comparison(found: Comparison, unknown: Iterable[str] = ()) -> list[str]:
    """Return what a person is told before anything is written; UNKNOWN are packages that cannot be had here."""
    same = "another release" if found.is_other_release else "the same release"
    absent = set(unknown)
    return [
        f"system: {found.old_release} there, {found.new_release} here: {same}",
        *found.remarks,
        _line("users to make", (_with_id(one.name, one.uid, one.old_uid) for one in found.users)),
        _line("groups to make", (_with_id(one.name, one.gid, one.old_gid) for one in found.groups)),
        _line("other ids here, files follow the names", found.other_ids),
        _line("members to add", (f"{user} to {group}" for user, group in found.members)),
        _line("packages to install", (name for name in found.packages if name not in absent)),
        _line("packages that cannot be had here", sorted(absent)),
        _line("services to enable", found.services),
        _line("file systems", found.file_systems),
    ]


def _line(what: str, names: Iterable[str]) -> str:
    listed = [printable(name) for name in names]
    more = f" and {len(listed) - SHOWN} more" if len(listed) > SHOWN else ""
    return f"{what}: {', '.join(listed[:SHOWN]) or 'none'}{more}"


def _with_id(name: str, number: Optional[int], old: int) -> str:
    return f"{name} ({number})" if number is not None else f"{name} (a new id: {old} is taken)"


def _release(system: Record) -> str:
    return printable(str(system["os"].get("PRETTY_NAME") or system["os"].get("ID") or "unknown"))[:100]


def _release_key(system: Record) -> tuple[Any, ...]:
    return tuple(system["os"].get(name) for name in ("ID", "VERSION_ID"))


def _missing_groups(old: Record, new: Record) -> Iterable[MissingGroup]:
    names, taken = {one["name"] for one in new["groups"]}, {one["gid"] for one in new["groups"]}
    for one in old["groups"]:
        if one["name"] not in names and is_name(one["name"]):
            yield MissingGroup(one["name"], None if one["gid"] in taken else one["gid"], one["gid"])
            taken.add(one["gid"])


def _missing_users(old: Record, new: Record) -> Iterable[MissingUser]:
    names, taken = {one["name"] for one in new["users"]}, {one["uid"] for one in new["users"]}
    group_names = {one["gid"]: one["name"] for one in old["groups"]}
    for one in old["users"]:
        if one["name"] not in names and is_name(one["name"]):
            uid = None if one["uid"] in taken else one["uid"]
            group = group_names.get(one["gid"], "nogroup")
            yield MissingUser(one["name"], uid, one["uid"], group, one["comment"], one["home"], one["shell"])
            taken.add(one["uid"])


def _other_ids(old: Record, new: Record) -> Iterable[str]:
    for kind, number in (("users", "uid"), ("groups", "gid")):
        here = {one["name"]: one[number] for one in new[kind]}
        for one in old[kind]:
            if here.get(one["name"], one[number]) != one[number]:
                yield f"{kind[:-1]} {one['name']} {one[number]} is {here[one['name']]}"


def _missing_members(old: Record, new: Record) -> Iterable[tuple[str, str]]:
    known = {one["name"] for one in (*old["users"], *new["users"])}
    here = {one["name"]: set(one["members"]) for one in new["groups"]}
    for one in old["groups"]:
        for member in one["members"]:
            if member in known and is_name(member) and member not in here.get(one["name"], set()):
                yield member, one["name"]


def _missing_packages(old: Record, new: Record) -> Iterable[str]:
    if old["package_manager"] != new["package_manager"]:
        return ()
    here = {one["name"] for one in new["packages"]}
    wanted = {one["name"] for one in old["packages"] if one["manual"] is not False}
    return sorted(name for name in wanted - here if not _is_of_the_machine(name))


def _is_of_the_machine(name: str) -> bool:
    return name.startswith(OF_THE_MACHINE) or name in _OF_THE_MACHINE_TOO


def _is_startable(name: str, old: Record) -> bool:
    is_instance_of_nothing = name.rpartition(".")[0].endswith("@")
    return not name.startswith(KEPT_UNITS) and name not in old["masked"] and not is_instance_of_nothing


def _missing_file_systems(old: Record, new: Record) -> Iterable[str]:
    here = {one["path"]: one for one in new["file_systems"]}
    for one in old["file_systems"]:
        other, size = here.get(one["path"]), one["size"]
        if other is None:
            yield f"{one['path']} ({one['kind']}{_gigabytes(size)}) is not mounted here"
        elif 0 < other["size"] < size:
            yield f"{one['path']} had{_gigabytes(size).lstrip(',')} and has{_gigabytes(other['size']).lstrip(',')}"


def _gigabytes(size: int) -> str:
    return f", {size / 2**30:.1f} GiB" if size else ""


def _differences(old: Record, new: Record) -> Iterable[str]:
    for name, what in (("hostname", "name of the host"), ("architecture", "architecture")):
        if old[name] != new[name]:
            yield f"{what}: {printable(str(old[name]))} there, {printable(str(new[name]))} here"
    if old["package_manager"] != new["package_manager"]:
        yield "the package managers differ: no packages are installed"
    for remark in old["remarks"]:
        yield f"not known of the old system: {printable(str(remark))}"
