# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A TrueNAS that answers ``midclt call`` as the middleware of its version does, and refuses whatever that would refuse.

Written from the middleware's sources (TN-13.3-U1.2, TS-24.10.2.4, TS-25.04.2.6, TS-25.10.6, stable/26, master), and not
from what our modules send: methods, required and allowed keys, types, jobs, and the ugliness of what midclt prints.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

Check = Callable[[Any], bool]
ORDER = ("13", "24.10", "25.04", "25.10", "26", "27")
SYSTEM = {
    "13": "TrueNAS-13.3-U1.2",
    "24.10": "TrueNAS-SCALE-24.10.2.4",
    "25.04": "TrueNAS-25.04.2.6",
    "25.10": "TrueNAS-25.10.6",
    "26": "TrueNAS-26.0.0-RC.1",
    "27": "TrueNAS-27.0.0-MASTER-20261101",
}
GIB = 1 << 30


class Refused(Exception):
    """What midclt prints on standard error."""


def a(kind: type) -> Check:
    return lambda value: isinstance(value, kind) and not (kind is int and isinstance(value, bool))


def one_of(*words: str) -> Check:
    return lambda value: value in words


def quota(value: Any) -> bool:
    return value is None or (a(int)(value) and (value == 0 or value >= GIB))


def schedule(value: Any) -> bool:
    known = {"minute", "hour", "dom", "month", "dow", "begin", "end"}
    return isinstance(value, dict) and value.keys() <= known and all(isinstance(one, str) for one in value.values())


def pairs(*keys: str) -> Check:
    return lambda value: (
        isinstance(value, list) and all(isinstance(one, dict) and one.keys() <= set(keys) for one in value)
    )


def strings(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


@dataclass(frozen=True)
class Key:
    """One key of a call: how it is checked, in which versions it is there, and whether it must be given."""

    check: Check
    since: str = "13"
    required: bool = False
    update: bool = True
    create: bool = True


TEXT, FLAG, NUMBER = a(str), a(bool), a(int)
ONOFF = one_of("ON", "OFF", "INHERIT")
SCHEMAS: dict[str, dict[str, Key]] = {
    "pool.dataset": {
        "name": Key(TEXT, required=True, update=False),
        "type": Key(one_of("FILESYSTEM"), update=False),
        **{name: Key(quota) for name in ("quota", "refquota", "reservation", "refreservation")},
        "compression": Key(one_of("OFF", "LZ4", "ZSTD", "INHERIT")),
        "recordsize": Key(one_of("128K", "512K", "1M", "INHERIT")),
        **{name: Key(ONOFF) for name in ("atime", "exec", "readonly")},
        "sync": Key(one_of("STANDARD", "ALWAYS", "DISABLED", "INHERIT")),
        "comments": Key(TEXT),
        "create_ancestors": Key(FLAG, "24.10", update=False),
        "user_properties": Key(pairs("key", "value"), "24.10", update=False),
        "user_properties_update": Key(pairs("key", "value", "remove"), "24.10", create=False),
    },
    "pool.snapshottask": {
        "dataset": Key(TEXT, required=True),
        "recursive": Key(FLAG, required=True),
        "exclude": Key(strings),
        "lifetime_value": Key(NUMBER, required=True),
        "lifetime_unit": Key(one_of("HOUR", "DAY", "WEEK", "MONTH", "YEAR"), required=True),
        "naming_schema": Key(lambda value: isinstance(value, str) and "%Y" in value, required=True),
        "schedule": Key(schedule),
        "allow_empty": Key(FLAG),
        "enabled": Key(FLAG),
    },
    "replication": {
        "name": Key(TEXT, required=True),
        "direction": Key(one_of("PUSH", "PULL"), required=True),
        "transport": Key(one_of("SSH", "SSH+NETCAT", "LOCAL"), required=True),
        "source_datasets": Key(strings, required=True),
        "target_dataset": Key(TEXT, required=True),
        "recursive": Key(FLAG, required=True),
        "auto": Key(FLAG, required=True),
        "retention_policy": Key(one_of("SOURCE", "CUSTOM", "NONE"), required=True),
        "ssh_credentials": Key(lambda value: value is None or NUMBER(value)),
        "periodic_snapshot_tasks": Key(lambda value: all(NUMBER(one) for one in value)),
        "readonly": Key(one_of("SET", "REQUIRE", "IGNORE")),
        "allow_from_scratch": Key(FLAG),
        "enabled": Key(FLAG),
    },
    "pool.scrub": {
        "pool": Key(NUMBER, required=True),
        "threshold": Key(NUMBER),
        "description": Key(TEXT),
        "schedule": Key(schedule),
        "enabled": Key(FLAG),
    },
    "cronjob": {
        "command": Key(TEXT, required=True),
        "user": Key(TEXT, required=True),
        "description": Key(TEXT),
        "schedule": Key(schedule),
        "stdout": Key(FLAG),
        "stderr": Key(FLAG),
        "enabled": Key(FLAG),
    },
    "group": {
        "name": Key(TEXT, required=True),
        "gid": Key(NUMBER, update=False),
        "smb": Key(FLAG),
        "userns_idmap": Key(lambda value: value in ("DIRECT", None) or NUMBER(value), "25.04"),
    },
    "user": {
        "username": Key(TEXT, required=True),
        "full_name": Key(TEXT, required=True),
        "uid": Key(NUMBER, update=False),
        "group": Key(NUMBER),
        "group_create": Key(FLAG, update=False),
        "home": Key(TEXT),
        "home_create": Key(FLAG, "24.10"),
        "shell": Key(TEXT),
        "password_disabled": Key(FLAG),
        "smb": Key(FLAG),
        "sshpubkey": Key(TEXT),
        "locked": Key(FLAG),
        "userns_idmap": Key(lambda value: value in ("DIRECT", None) or NUMBER(value), "25.04"),
    },
    "app": {
        "app_name": Key(
            lambda value: bool(re.fullmatch("[a-z]([-a-z0-9]*[a-z0-9])?", value)) and len(value) <= 40,
            required=True,
            update=False,
        ),
        "custom_app": Key(FLAG, update=False),
        "custom_compose_config": Key(a(dict)),
    },
    "virt.instance": {
        "name": Key(TEXT, required=True, update=False),
        "image": Key(TEXT, required=True, update=False),
        "source_type": Key(one_of("IMAGE"), update=False),
        "instance_type": Key(one_of("CONTAINER"), update=False),
        "remote": Key(one_of("LINUX_CONTAINERS"), update=False),
        "autostart": Key(FLAG),
        "memory": Key(lambda value: NUMBER(value) and value >= 32 << 20),
        "devices": Key(pairs("dev_type", "source", "destination", "readonly", "nic_type", "parent"), update=False),
    },
    "container": {
        "name": Key(TEXT, required=True),
        "pool": Key(TEXT, required=True, update=False),
        "image": Key(
            lambda value: isinstance(value, dict) and value.keys() == {"name", "version"}, required=True, update=False
        ),
        "autostart": Key(FLAG),
        "description": Key(TEXT),
        "shutdown_timeout": Key(lambda value: NUMBER(value) and 5 <= value <= 300),
        "idmap": Key(
            lambda value: value is None or value.get("type") == "DEFAULT" or value.keys() == {"type", "slice"}
        ),
    },
    "jail": {
        "uuid": Key(TEXT, required=True, update=False),
        "release": Key(TEXT, update=False),
        "basejail": Key(FLAG, update=False),
        "pkglist": Key(strings, update=False),
        "props": Key(lambda value: strings(value) and all("=" in one for one in value), update=False),
    },
}
# By which key its entries are found, and the id that update, start and stop take.
IDS = {"pool.dataset": "id", "app": "name", "virt.instance": "id", "jail": "id"}
NAMES = {"pool.dataset": "name", "app": "app_name", "virt.instance": "name", "jail": "uuid"}
WITHIN = {"app": ("24.10", "27"), "virt.instance": ("25.04", "25.10"), "container": ("26", "27"), "jail": ("13", "13")}
JOBS = {
    "app": ("create", "update", "start", "stop"),
    "virt.instance": ("create", "update", "start", "stop"),
    "container": ("create", "stop"),
    "jail": ("create", "start", "stop"),
}
RUNNING = {"app": "RUNNING", "virt.instance": "RUNNING", "container": "RUNNING", "jail": "up"}
STOPPED = {"app": "STOPPED", "virt.instance": "STOPPED", "container": "STOPPED", "jail": "down"}


def keys(**checks: Check) -> Check:
    """An object that has no other keys."""
    return lambda value: (
        isinstance(value, dict) and all(name in checks and checks[name](one) for name, one in value.items())
    )


# What a person switches on before the role comes: since, until, whether it is a job, and its arguments.
SWITCHES: dict[str, tuple[str, str, bool, list[Check]]] = {
    "service.update": ("13", "27", False, [one_of("ssh"), keys(enable=FLAG)]),
    "service.start": ("13", "25.10", False, [one_of("ssh")]),
    "service.control": ("25.10", "27", True, [one_of("START"), one_of("ssh"), keys(ha_propagate=FLAG, silent=FLAG)]),
    "ssh.update": ("13", "13", False, [keys(rootlogin=FLAG, passwordauth=FLAG)]),
    "jail.activate": ("13", "13", False, [TEXT]),
    "docker.update": ("24.10", "27", True, [keys(pool=TEXT)]),
    "virt.global.update": ("25.04", "25.10", True, [keys(pool=TEXT, bridge=TEXT, v4_network=TEXT, v6_network=TEXT)]),
    "lxc.update": ("26", "27", False, [keys(preferred_pool=TEXT, bridge=TEXT, v4_network=TEXT, v6_network=TEXT)]),
    "container.image.query_registry": ("26", "27", False, []),
}
FILESYSTEM = keys(dtype=one_of("FILESYSTEM"), source=TEXT, target=TEXT)
NIC = keys(dtype=one_of("NIC"), type=one_of("VIRTIO", "E1000"), nic_attach=TEXT)
DISK = keys(dev_type=one_of("DISK"), source=TEXT, destination=TEXT, readonly=FLAG)
INSTANCE_NIC = keys(dev_type=one_of("NIC"), nic_type=one_of("MACVLAN", "BRIDGED"), parent=TEXT)


def is_at(version: str, since: str, until: str = "27") -> bool:
    return ORDER.index(since) <= ORDER.index(version) <= ORDER.index(until)


@dataclass
class FakeTrueNas:
    """One NAS; ``calls`` has the methods that were called, ``things`` the entries of each plugin."""

    version: str
    things: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    jobs: list[dict[str, Any]] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    pools: tuple[str, ...] = ("tank",)

    def run(self, argv: Sequence[str]) -> tuple[int, str, str]:
        """Run midclt: exit code, standard output, standard error."""
        assert list(argv[:2]) == ["midclt", "call"], f"not as midclt is called: {argv}"
        try:
            arguments = [json.loads(one) for one in argv[3:]]  # anything else would be taken for a bare string
            return 0, self.show(self.call(argv[2], arguments)), ""
        except Refused as error:
            return 1, "", f"Traceback (most recent call last):\n  File ...\n{error}\n"

    @staticmethod
    def show(value: Any) -> str:
        """As midclt prints it: only lists, objects and null are JSON."""
        return f"{value}\n" if isinstance(value, (int, str, bool)) else f"{json.dumps(value)}\n"

    def call(self, method: str, arguments: list[Any]) -> Any:
        """Answer one call."""
        self.calls.append(method)
        if method == "system.version":
            return SYSTEM[self.version]
        if method == "core.get_jobs":
            return self.select(self.jobs, arguments)
        if method == "pool.query":
            return self.select([{"id": number + 1, "name": name} for number, name in enumerate(self.pools)], arguments)
        if method in SWITCHES:
            return self.turn(method, arguments)
        own = self.find_own(method)
        return own(arguments) if own else self.handle(method, arguments)

    def find_own(self, method: str) -> Callable[[list[Any]], Any] | None:
        """Return what answers a method that is unlike those of the other plugins."""
        if method == "app.config" and is_at(self.version, "24.10"):
            return lambda words: self.get("app", words[0])["config"]
        if method in ("container.device.query", "container.device.create") and is_at(self.version, "26"):
            return lambda words: self.container_device(method, *words)
        if method.startswith("virt.instance.device_") and is_at(self.version, "25.04", "25.10"):
            return lambda words: self.instance_device(method.rpartition("_")[2], *words)
        if method == "jail.fstab" and self.version == "13":
            return lambda words: self.finished(method, self.fstab(*words))
        return None

    def handle(self, method: str, arguments: list[Any]) -> Any:
        """Answer what every plugin has."""
        plugin, _, verb = method.rpartition(".")
        since, until = WITHIN.get(plugin, ("13", "27"))
        verbs = ("query", "create", "update", *(("start", "stop") if plugin in RUNNING else ()))
        if plugin not in SCHEMAS or verb not in verbs or not is_at(self.version, since, until):
            raise Refused(f"[ENOMETHOD] Method '{verb}' not found in '{plugin}'")
        if verb == "query":
            if plugin == "pool.dataset":  # else a pool's whole tree comes
                assert arguments[1:] == [{"extra": {"retrieve_children": False, "flat": True}}], arguments
            return self.select(self.things.get(plugin, []), arguments)
        result = getattr(self, f"do_{verb}")(plugin, *arguments)
        return self.finished(method, result) if verb in JOBS.get(plugin, ()) else result

    def turn(self, method: str, arguments: list[Any]) -> Any:
        """Switch something on."""
        since, until, is_job, checks = SWITCHES[method]
        if not is_at(self.version, since, until):
            raise Refused(
                f"[ENOMETHOD] Method '{method.rpartition('.')[2]}' not found in '{method.rpartition('.')[0]}'"
            )
        if len(arguments) != len(checks) or not all(check(one) for check, one in zip(checks, arguments, strict=True)):
            raise Refused(f"[EINVAL] {method}: Invalid value {arguments!r}")
        return self.finished(method, None) if is_job else None

    def container_device(self, method: str, *arguments: Any) -> Any:
        """List or make devices of a container."""
        devices = self.things.setdefault("container.device", [])
        if method.endswith("query"):
            return self.select(devices, list(arguments))
        (given,) = arguments
        about = given["attributes"]
        if given.keys() != {"container", "attributes"} or not ((FILESYSTEM(about) and len(about) == 3) or NIC(about)):
            raise Refused("[EINVAL] container_device_create: Extra inputs are not permitted")
        if about["dtype"] == "FILESYSTEM" and not about["source"].startswith("/mnt/"):
            raise Refused("[EINVAL] attributes.source: The path must reside within a pool mount point")
        devices.append({"id": len(devices) + 1, **given})
        return devices[-1]

    def instance_device(self, verb: str, identity: str, given: dict[str, Any] | None = None) -> Any:
        """List or add devices of an instance."""
        devices = self.get("virt.instance", identity).setdefault("devices", [])
        if verb == "list":
            return devices
        if verb != "add" or not given or not ((DISK(given) and len(given) == 4) or INSTANCE_NIC(given)):
            raise Refused("[EINVAL] virt_instance_device_add: Extra inputs are not permitted")
        devices.append(given)
        return True

    def fstab(self, jail: str, options: dict[str, Any]) -> Any:
        """The fstab of a jail: its own lines are there too, and it must be stopped for anything but LIST."""
        entry = self.get("jail", jail)
        lines = entry.setdefault("fstab", [])
        if options["action"] == "LIST":
            own = {
                "0": {"entry": ["/mnt/tank/iocage/releases/x/bin", "/bin", "nullfs", "ro", "0", "0"], "type": "SYSTEM"}
            }
            return {**own, **{str(number + 1): {"entry": line, "type": "USER"} for number, line in enumerate(lines)}}
        if entry["state"] != "down":
            raise Refused(f"[EFAULT] {jail} should not be running when adding a mountpoint")
        inside = f"/mnt/tank/iocage/jails/{jail}/root{options['destination']}"
        lines.append([options["source"], inside, options["fstype"], options.get("fsoptions", "ro"), "0", "0"])
        return True

    def finished(self, method: str, result: Any) -> int:
        """Note a job that is done, and return its number."""
        number = len(self.jobs) + 1
        self.jobs.append({"id": number, "method": method, "state": "SUCCESS", "result": result, "error": None})
        return number

    @staticmethod
    def select(entries: list[dict[str, Any]], arguments: list[Any]) -> list[dict[str, Any]]:
        """Answer a query; filters are exact."""
        found = entries
        for name, operator, value in arguments[0] if arguments else []:
            if operator not in ("=", "in"):
                raise Refused(f"[EINVAL] Invalid operation: {operator}")
            found = [one for one in found if (one.get(name) == value if operator == "=" else one.get(name) in value)]
        return found

    def check(self, plugin: str, given: dict[str, Any], verb: str) -> None:
        """Refuse what the model of this version would."""
        for name, value in given.items():
            key = SCHEMAS[plugin].get(name)
            if key is None or not is_at(self.version, key.since) or not getattr(key, verb):
                word = "Field was not expected" if self.version == "13" else "Extra inputs are not permitted"
                raise Refused(f"[EINVAL] {plugin.replace('.', '_')}_{verb}.{name}: {word}")
            if not key.check(value):
                raise Refused(f"[EINVAL] {plugin.replace('.', '_')}_{verb}.{name}: Invalid value {value!r}")
        missing = [name for name, key in SCHEMAS[plugin].items() if key.required and name not in given]
        if verb == "create" and missing:
            raise Refused(f"[EINVAL] {plugin.replace('.', '_')}_create.{missing[0]}: Field required")

    def do_create(self, plugin: str, given: dict[str, Any]) -> Any:
        """Make one."""
        self.check(plugin, given, "create")
        name = given.get(NAMES.get(plugin, ""), "")
        if name and any(one[IDS[plugin]] == name for one in self.things.get(plugin, [])):
            raise Refused(f"[EEXIST] {plugin}: {name} already exists")
        entry = getattr(self, f"entry_{plugin.replace('.', '_')}", self.entry)(given)
        entry.setdefault("id", len(self.things.get(plugin, [])) + 1)
        if plugin == "container":
            entry["status"] = {"state": STOPPED[plugin]}
        elif plugin in RUNNING:
            entry["state"] = RUNNING[plugin] if plugin in ("app", "virt.instance") else STOPPED[plugin]
        self.things.setdefault(plugin, []).append(entry)
        return entry

    def entry(self, given: dict[str, Any]) -> dict[str, Any]:
        """As an entry comes back: references as objects, schedules with all their fields."""
        entry = json.loads(json.dumps(given))
        if "schedule" in entry:
            every = {
                "minute": "00",
                "hour": "*",
                "dom": "*",
                "month": "*",
                "dow": "*",
                "begin": "00:00",
                "end": "23:59",
            }
            entry["schedule"] = {**every, **entry["schedule"]}
        if "periodic_snapshot_tasks" in entry:
            entry["periodic_snapshot_tasks"] = [{"id": one} for one in entry["periodic_snapshot_tasks"]]
        if "pool" in entry and isinstance(entry["pool"], int):
            entry["pool_name"] = self.pools[entry["pool"] - 1]
        if "username" not in entry and "gid" in entry:
            entry["group"] = entry["name"]
        if "group" in entry and "username" in entry:
            entry["group"] = {"id": entry["group"], "bsdgrp_group": "x"}
        return dict(entry)

    def entry_pool_dataset(self, given: dict[str, Any]) -> dict[str, Any]:
        """A dataset: every property is an object."""
        parent = given["name"].rpartition("/")[0]
        known = {one["id"] for one in self.things.get("pool.dataset", [])} | set(self.pools)
        if parent not in known and not given.get("create_ancestors"):
            raise Refused(f"[ENOENT] pool_dataset_create.name: Parent dataset {parent} does not exist")
        entry: dict[str, Any] = {
            "id": given["name"],
            "name": given["name"],
            "type": "FILESYSTEM",
            "user_properties": {},
        }
        entry["mountpoint"] = f"/mnt/{given['name']}"
        self.set_properties(entry, {"sync": "STANDARD", **given})
        return entry

    @staticmethod
    def set_properties(entry: dict[str, Any], given: dict[str, Any]) -> None:
        """Set properties of a dataset as the middleware shows them."""
        sizes = {"128K": "131072", "512K": "524288", "1M": "1048576"}
        for name, value in given.items():
            if name in ("user_properties", "user_properties_update"):
                for one in value:
                    entry["user_properties"][one["key"]] = {"value": one["value"], "rawvalue": one["value"]}
            elif name not in ("name", "type", "create_ancestors"):
                raw = sizes.get(value, str(value).lower()) if isinstance(value, str) else str(value or 0)
                raw = value if name == "comments" else raw
                entry[name] = {"value": value or None, "rawvalue": raw, "parsed": value, "source": "LOCAL"}

    def entry_app(self, given: dict[str, Any]) -> dict[str, Any]:
        """An app; its compose file comes by app.config alone."""
        return {"id": given["app_name"], "name": given["app_name"], "config": given.get("custom_compose_config")}

    def entry_virt_instance(self, given: dict[str, Any]) -> dict[str, Any]:
        """An instance: its id is its name."""
        return {**self.entry(given), "id": given["name"]}

    def entry_jail(self, given: dict[str, Any]) -> dict[str, Any]:
        """A jail: every kind of yes comes back as 1."""
        yes = {"on": "1", "yes": "1", "off": "0", "no": "0"}
        props = dict(one.split("=", 1) for one in given.get("props", []))
        return {
            "id": given["uuid"],
            "release": given.get("release"),
            **{key: yes.get(v, v) for key, v in props.items()},
        }

    def get(self, plugin: str, identity: Any) -> dict[str, Any]:
        """Find one by its id."""
        found = [one for one in self.things.get(plugin, []) if one[IDS.get(plugin, "id")] == identity]
        if not found:
            raise Refused(f"[ENOENT] {plugin} {identity} does not exist")
        return found[0]

    def do_update(self, plugin: str, identity: Any, given: dict[str, Any]) -> Any:
        """Change one."""
        entry = self.get(plugin, identity)
        if plugin == "jail":
            yes = {"on": "1", "yes": "1", "off": "0", "no": "0"}
            entry.update({key: yes.get(value, value) for key, value in given.items()})
            return True
        self.check(plugin, given, "update")
        if plugin == "pool.dataset":
            self.set_properties(entry, given)
        elif plugin == "app":
            entry["config"] = given["custom_compose_config"]
        else:
            entry.update(self.entry(given))
        return entry

    def switch(self, plugin: str, identity: Any, on: bool) -> None:
        """Start or stop; what is so already is an error."""
        entry = self.get(plugin, identity)
        words = RUNNING if on else STOPPED
        now = entry["status"]["state"] if plugin == "container" else entry["state"]
        if now == words[plugin]:
            raise Refused(f"[EFAULT] {identity} is already {words[plugin].lower()}")
        if plugin == "container":
            entry["status"]["state"] = words[plugin]
        else:
            entry["state"] = words[plugin]

    def do_start(self, plugin: str, identity: Any) -> bool:
        """Start one."""
        self.switch(plugin, identity, True)
        return True

    def do_stop(self, plugin: str, identity: Any, options: dict[str, Any] | None = None) -> None:
        """Stop one; an instance must be told how long to wait."""
        if plugin == "virt.instance" and not (options or {}).keys() & {"timeout", "force"}:
            raise Refused("[EINVAL] virt_instance_stop: Either timeout or force must be set")
        self.switch(plugin, identity, False)
