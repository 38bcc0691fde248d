# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What TrueNAS knows, kind by kind: how each is found, compared, made and changed in each version. Python 3.9.

Methods and fields are those of the middleware's own sources, TN-13.3-U1.2 to 27 (``middlewared/api``, ``plugins``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.paranoid.backup.plugins.module_utils._nas.dataset import parse_size
from ansible_collections.paranoid.backup.plugins.module_utils._nas.midclt import VERSIONS, TrueNasError

_GIB = 1 << 30
# Its models take capitals alone; YAML reads off as a boolean.
_WORDS = ("compression", "atime", "exec", "readonly", "sync", "snapdir", "acltype", "aclmode")
_SIZES = ("quota", "refquota", "reservation", "refreservation", "recordsize")


@dataclass(frozen=True)
class Field:
    """In which versions a field is there; ``fixed``: only when it is made, and never compared."""

    since: str = "13"
    until: str = "27"
    fixed: bool = False


@dataclass(frozen=True)
class Kind:
    """``identity``: what ``query`` is asked for; ``named``: the field that carries the name when it is made."""

    methods: str  # prefix of query, create, update, start, stop
    identity: str
    named: str
    fields: Mapping[str, Field]
    since: str = "13"
    until: str = "27"
    jobs: tuple[str, ...] = ()
    key: str = "id"
    running: tuple[str, ...] = ()  # values of the entry's state that mean that it runs
    also: tuple[str, ...] = ()  # more fields that belong to the identity
    constant: Mapping[str, Any] = field(default_factory=dict)  # always given when it is made


def _all(*names: str, **options: Any) -> dict[str, Field]:
    return {name: Field(**options) for name in names}


_SCHEDULED = ("enabled", "schedule")
KINDS: Mapping[str, Kind] = {
    "dataset": Kind(
        "pool.dataset",
        "id",
        "name",
        {
            **_all("quota", "refquota", "reservation", "refreservation", "compression", "recordsize", "atime", "exec"),
            **_all("readonly", "sync", "snapdir", "copies", "comments", "acltype", "aclmode"),
            **_all("user_properties", since="24.10"),
            **_all("create_ancestors", "encryption", "inherit_encryption", since="24.10", fixed=True),
        },
        constant={"type": "FILESYSTEM"},
    ),
    "snapshot_task": Kind(
        "pool.snapshottask",
        "dataset",
        "dataset",
        _all("recursive", "exclude", "lifetime_value", "lifetime_unit", "naming_schema", "allow_empty", *_SCHEDULED),
        also=("naming_schema",),
    ),
    "replication": Kind(
        "replication",
        "name",
        "name",
        {
            **_all("direction", "transport", "source_datasets", "target_dataset", "recursive", "auto", *_SCHEDULED),
            **_all("retention_policy", "ssh_credentials", "periodic_snapshot_tasks", "naming_schema", "name_regex"),
            **_all("also_include_naming_schema", "readonly", "allow_from_scratch", "hold_pending_snapshots"),
            **_all("lifetime_value", "lifetime_unit", "retries", "compression", "speed_limit"),
            **_all("sudo", since="24.10"),
        },
    ),
    "scrub": Kind("pool.scrub", "pool_name", "pool", _all("threshold", "description", *_SCHEDULED)),
    "cronjob": Kind("cronjob", "description", "description", _all("command", "user", "stdout", "stderr", *_SCHEDULED)),
    "group": Kind(
        "group",
        "group",
        "name",
        {**_all("gid", fixed=True), **_all("smb"), **_all("userns_idmap", since="25.04")},
    ),
    "user": Kind(
        "user",
        "username",
        "username",
        {
            **_all("full_name", "home", "shell", "password_disabled", "smb", "sshpubkey", "locked", "group"),
            **_all("uid", "group_create", fixed=True),
            **_all("home_create", since="24.10", fixed=True),
            **_all("userns_idmap", since="25.04"),
        },
    ),
    "app": Kind(
        "app",
        "name",
        "app_name",
        _all("custom_compose_config"),
        since="24.10",
        jobs=("create", "update", "start", "stop"),
        key="name",
        running=("RUNNING", "DEPLOYING"),
        constant={"custom_app": True},
    ),
    "instance": Kind(
        "virt.instance",
        "name",
        "name",
        {
            **_all("autostart", "cpu", "memory", "environment"),
            **_all("image", "source_type", "instance_type", "remote", "storage_pool", "devices", fixed=True),
            **_all("privileged_mode", since="25.10", fixed=True),
        },
        since="25.04",
        until="25.10",
        jobs=("create", "update", "start", "stop"),
        running=("RUNNING",),
    ),
    "container": Kind(
        "container",
        "name",
        "name",
        {
            **_all("autostart", "description", "cpuset", "shutdown_timeout", "init", "initenv"),
            **_all("pool", "image", "idmap", "capabilities_policy", fixed=True),
        },
        since="26",
        jobs=("create", "stop"),
        running=("RUNNING",),
    ),
    "jail": Kind(
        "jail",
        "id",
        "uuid",
        {**_all("release", "basejail", "pkglist", "https", fixed=True), **_all("props")},
        until="13",
        jobs=("create", "start", "stop"),
        running=("up",),
    ),
}


def _within(version: str, since: str, until: str) -> bool:
    return VERSIONS.index(since) <= VERSIONS.index(version) <= VERSIONS.index(until)


def check_fields(kind: str, fields: Mapping[str, Any], version: str) -> Kind:
    """Return the kind's row; TrueNasError for what this version has not, naming both."""
    row = KINDS[kind]
    if not _within(version, row.since, row.until):
        raise TrueNasError(f"TrueNAS {version} has no {row.methods}.*: a {kind} is for {row.since} to {row.until}")
    for name in fields:
        found = row.fields.get(name)
        if name == row.named or not found or not _within(version, found.since, found.until):
            raise TrueNasError(f"TrueNAS {version} knows no field {name} of a {kind}")
    missing = [name for name in row.also if name not in fields]
    if missing:
        raise TrueNasError(f"a {kind} is known by its {row.identity} and {', '.join(row.also)}: name them")
    if kind == "dataset":
        _check_dataset(fields)
    return row


def _check_dataset(fields: Mapping[str, Any]) -> None:
    if str(fields.get("sync", "")).upper() == "DISABLED":
        raise TrueNasError("sync DISABLED loses at a power cut what was acknowledged: leave it STANDARD")
    for name in ("quota", "refquota"):
        size = parse_size(str(fields.get(name) or "none"))
        if 0 < size < _GIB:
            raise TrueNasError(f"{name} {size} is too small: TrueNAS takes none below 1 GiB ({_GIB})")


def _word(value: Any) -> str:
    return {True: "ON", False: "OFF"}[value] if isinstance(value, bool) else str(value).upper()


def desired_value(kind: str, name: str, value: Any) -> Any:
    """Return a field as it is compared."""
    if kind == "dataset":
        if name in _SIZES:
            return parse_size(str(value or "none"))
        return _word(value) if name in _WORDS else value
    if kind == "jail" and name == "props":
        return dict(_prop(one) for one in value)
    return value


def actual_value(kind: str, name: str, entry: Mapping[str, Any], desired: Any) -> Any:
    """Return an entry's field as it is compared with what is desired: no more keys than that has."""
    if kind == "dataset" and name == "user_properties":
        found = entry.get(name) or {}
        return {key: (found.get(key) or {}).get("value") for key in desired}
    if kind == "jail" and name == "props":
        return {key: _truth(str(entry.get(key, ""))) for key in desired}
    value = entry.get(name)
    if kind == "dataset" and isinstance(value, dict):
        if name in _SIZES:
            return parse_size(str(value.get("rawvalue") or "none"))
        return _word(value.get("value")) if name in _WORDS else value.get("value")
    if kind == "dataset" and name in _SIZES and value is None:
        return 0
    if name == "ssh_credentials" and isinstance(value, dict):
        return value["id"]
    if name == "periodic_snapshot_tasks" and value:
        return [one["id"] if isinstance(one, dict) else one for one in value]
    if name == "group" and kind == "user" and isinstance(value, dict):
        return value["id"]
    if isinstance(value, dict) and isinstance(desired, dict):
        return {key: value.get(key) for key in desired}
    return value


def _prop(text: str) -> tuple[str, str]:
    name, value = [*text.split("=", 1), ""][:2]
    return name, _truth(value)


def _truth(value: str) -> str:
    """iocage keeps every kind of yes as 1 and of no as 0."""
    words = {"on": "1", "yes": "1", "true": "1", "off": "0", "no": "0", "false": "0"}
    return words.get(value.lower(), value)


def create_arguments(kind: str, name: Any, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the one argument with which it is made."""
    row = KINDS[kind]
    made = {row.named: name, **row.constant, **fields}
    if kind == "dataset":
        made.update({one: parse_size(str(made[one] or "none")) or None for one in _SIZES[:4] if one in made})
        made.update({one: _word(made[one]) for one in _WORDS if one in made})
        if "user_properties" in made:
            made["user_properties"] = [{"key": key, "value": value} for key, value in made["user_properties"].items()]
    return made


def update_arguments(kind: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is to be set of one that exists."""
    changed = create_arguments(kind, None, fields)
    row = KINDS[kind]
    for gone in (row.named, *row.constant):
        changed.pop(gone, None)
    if kind == "dataset" and "user_properties" in changed:
        changed["user_properties_update"] = changed.pop("user_properties")
    if kind == "jail" and "props" in changed:
        return dict(_prop(one) for one in changed["props"])
    return changed
