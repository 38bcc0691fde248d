# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A FreeBSD with the program iocage, and what is asked of ``zfs`` and ``mount`` about jails: strict, with a state.

Written from iocage's sources (iocage_cli, ioc_list.py, ioc_fstab.py, iocage.py of 1.13 and before), and not from what
our module sends. Whatever it does not know it refuses. What is ugly there is ugly here: the beginning of a name is
enough, every kind of yes comes back as 1, failures end with 0, a table comes where -H was asked for, and a mount that
fails is a warning.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

YES, NO = ("on", "yes", "true", "1", "True"), ("off", "no", "false", "0", "False")
DEFAULTS = {
    "boot": "0", "vnet": "0", "ip4_addr": "none", "defaultrouter": "auto", "dhcp": "0", "notes": "none",
    "priority": "99",
    "exec_stop": "/bin/sh /etc/rc.shutdown", "login_flags": "-f root", "last_started": "2026-11-26 02:00:00",
    "allow_mount_nullfs": "0", "jail_zfs": "0", "comment": "True",
}  # fmt: skip


class Refused(Exception):
    """What iocage logs as an exception: on standard error, and exit code 1."""


@dataclass
class FakeIocage:
    """One host. ``faults`` are what goes wrong, ``top`` is a directory that is the mountpoint of POOL/iocage."""

    top: str
    version: str = "1.12"
    pools: dict[str, str] = field(default_factory=lambda: {"zroot": "-", "tank": "yes"})
    table: bool = False
    releases: list[str] = field(default_factory=list)
    jails: dict[str, dict[str, Any]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    calls: list[list[str]] = field(default_factory=list)

    def run(self, argv: Sequence[str]) -> tuple[int, str, str]:
        """Run a command: exit code, standard output, standard error."""
        self.calls.append(list(argv))
        try:
            return self.answer(list(argv))
        except Refused as error:
            return 1, "", f"{error}\n"

    def answer(self, argv: list[str]) -> tuple[int, str, str]:
        match argv:
            case ["zfs", "get", "-H", "-d", "0", "-o", "name,value", "org.freebsd.ioc:active"]:
                return 0, "".join(f"{name}\t{value}\n" for name, value in self.pools.items()), ""
            case ["zfs", "get", "-H", "-o", "value", "mountpoint", dataset] if dataset == f"{self.pool()}/iocage":
                return 0, f"{self.top}\n", ""
            case ["mount", "-t", "nullfs", "-p"]:
                lines = [line for jail in self.jails.values() if jail["state"] == "up" for line in jail["live"]]
                return 0, "".join(f"{source}\t\t{target}\t\tnullfs\trw\t0 0\n" for source, target in lines), ""
            case ["iocage", "--version"]:
                return 0, f"Version\t{self.version}\n", ""
            case ["iocage", "activate", pool]:
                if pool not in self.pools:
                    raise Refused(f"ZFS pool '{pool}' not found!")
                self.pools[pool] = "yes"
                return 0, f"ZFS pool '{pool}' successfully activated.\n", ""
            case ["iocage", verb, *words] if hasattr(self, f"do_{verb}"):
                assert self.pool(), "iocage would take the first pool that it finds"
                do: Callable[[list[str]], tuple[int, str, str]] = getattr(self, f"do_{verb}")
                return do(words)
        raise AssertionError(f"not as these are called: {argv}")

    def pool(self) -> str:
        return next((name for name, value in self.pools.items() if value == "yes"), "")

    def root(self, name: str) -> str:
        return f"{self.top}/jails/{name}/root"

    def rows(self, heads: list[str], rows: list[list[str]]) -> str:
        """As iocage prints rows: with tabs, or where -H has no effect as the table of texttable."""
        if not self.table:
            return "".join("\t".join(row) + "\n" for row in rows)
        shown = [[cell.expandtabs() for cell in row] for row in [heads, *rows]]
        widths = [max(len(row[column]) for row in shown) for column in range(len(heads))]
        edge = "+" + "+".join("-" * (width + 2) for width in widths) + "+\n"
        lines = [
            "| " + " | ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) + " |\n" for row in shown
        ]
        return edge + lines[0] + edge.replace("-", "=") + edge.join(lines[1:]) + (edge if rows else "")

    def one(self, name: str) -> str:
        """A jail by the beginning of its name, as every command but list takes it."""
        if name in self.jails:
            return name
        found = [jail for jail in self.jails if jail.startswith(name)]
        if len(found) != 1:
            raise Refused(f"jail '{name}' not found!" if not found else f"Multiple jails found for {name}:")
        return found[0]

    def do_list(self, words: list[str]) -> tuple[int, str, str]:
        if words == ["-r", "-H"]:
            return 0, self.rows(["Bases fetched"], [[one] for one in self.releases]), ""
        assert words == ["-H", "-l"], words
        heads = ["JID", "NAME", "BOOT", "STATE", "TYPE", "RELEASE", "IP4", "IP6", "TEMPLATE", "BASEJAIL"]
        rows = []
        for name, jail in self.jails.items():
            up, boot = jail["state"] == "up", "on" if jail["properties"]["boot"] == "1" else "off"
            jid = "7" if up else "-" if jail["state"] == "CORRUPT" else "None"
            ip4 = jail["properties"]["ip4_addr"].replace("none", "-")
            rows.append([jid, name, boot, jail["state"], "jail", jail["release"], ip4, "-", "-", "no"])
        return 0, self.rows(heads, rows), ""

    def do_fetch(self, words: list[str]) -> tuple[int, str, str]:
        flag, release = words
        assert flag == "-r"
        if "no network" in self.faults:
            return (
                0,
                f"Fetching: {release}\n\n",
                "Max retries exceeded, one or more files failed checksum verification!\n",
            )
        if not release.endswith("-RELEASE"):
            raise Refused(f"{release} was not found!")
        self.releases.append(release)
        return 0, f"Fetching: {release}\n\n", ""

    def do_create(self, words: list[str]) -> tuple[int, str, str]:
        flag, release, also, name, *properties = words
        assert (flag, also) == ("-r", "-n")
        if name in self.jails:
            raise Refused(f"Jail: {name} already exists!")
        if release not in self.releases:
            raise Refused(f"RELEASE: {release} not found!")
        unknown = [one for one in properties if one.partition("=")[0] not in DEFAULTS]
        if unknown:
            raise Refused(f"{unknown[0].partition('=')[0]} is not a valid property!")
        Path(self.root(name)).mkdir(parents=True)
        jail = {"state": "down", "release": f"{release}-p2", "properties": dict(DEFAULTS), "fstab": [], "live": []}
        self.jails[name] = {**jail, "packages": None}
        for one in properties:
            self.put(name, one)
        if self.jails[name]["properties"]["boot"] == "1":
            self.do_start([name])
        return 0, f"{name} successfully created!\n", ""

    def put(self, name: str, assignment: str) -> None:
        key, value = assignment.split("=", 1)
        value = value.replace(" ", "") if key.endswith("_addr") else value
        self.jails[name]["properties"][key] = "1" if value in YES else "0" if value in NO else value

    def do_get(self, words: list[str]) -> tuple[int, str, str]:
        every, name = words
        assert every == "all"
        return 0, "".join(f"{key}:{value}\n" for key, value in self.jails[self.one(name)]["properties"].items()), ""

    def do_set(self, words: list[str]) -> tuple[int, str, str]:
        *properties, name = words
        said = ""
        for one in properties:
            key = one.partition("=")[0]
            if key not in DEFAULTS:
                raise Refused(f"{key} is not a valid property!")
            if "set has no effect" not in self.faults:
                self.put(self.one(name), one)
            said += f"{key}: old -> new\n"
        return 0, said, ""

    def do_fstab(self, words: list[str]) -> tuple[int, str, str]:
        if words[:2] == ["-l", "-H"]:
            lines = self.jails[self.one(words[2])]["fstab"]
            if self.table:
                return (
                    0,
                    self.rows(["INDEX", "FSTAB ENTRY"], [[str(i), "\t".join(one)] for i, one in enumerate(lines)]),
                    "",
                )
            return 0, self.rows([], [[str(number), *line] for number, line in enumerate(lines)]), ""
        add, short, source, target, *rest = words
        name = self.one(short)
        assert add == "-a" and rest == ["nullfs", "rw", "0", "0"], words
        jail, inside = self.jails[name], f"{self.root(name)}{target}"
        if any(line[:2] == [source, inside] for line in jail["fstab"]):
            raise Refused(f"Destination: {inside} already exists!")
        for path, what in ((inside, "Destination"), (source, "Source")):
            if not Path(path).is_dir():
                raise Refused(f"{what}: {path} does not exist!")
        jail["fstab"].append([source, inside, *rest])
        if jail["state"] == "up":
            jail["live"] = [one for one in jail["live"] if one[1] != inside] + [[source, inside]]
        return 0, f"Successfully added mount to {name}'s fstab\n", ""

    def do_start(self, words: list[str]) -> tuple[int, str, str]:
        name = self.one(*words)
        jail = self.jails[name]
        if jail["state"] == "up":
            raise Refused(f"{name} is already running!")
        if "start fails" in self.faults:
            return 1, f"* Starting {name}\n  + Start FAILED\n", "jail: vnet0: interface does not exist\n"
        jail["state"] = "up"
        jail["live"] = [] if "mount fails" in self.faults else [line[:2] for line in jail["fstab"]]
        return 0, f"* Starting {name}\n  + Started OK\n  + Using devfs_ruleset: 1000\n", ""

    def do_stop(self, words: list[str]) -> tuple[int, str, str]:
        name = self.one(*words)
        if self.jails[name]["state"] != "up":
            return 0, "", f"{name} is not running!\n"
        if "stop fails" in self.faults:
            return 0, f"* Stopping {name}\n", "  + Stopping jail process FAILED\n"
        self.jails[name].update(state="down", live=[])
        return 0, f"* Stopping {name}\n  + Stopped OK\n", ""

    def do_exec(self, words: list[str]) -> tuple[int, str, str]:
        """Without ``--`` iocage itself would take options of the command; whatever it ends with becomes 1."""
        short, dashes, *command = words
        jail = self.jails[self.one(short)]
        assert dashes == "--", words
        if jail["state"] != "up":
            raise Refused(f"{short} is not running! Please supply --force (-f) or start the jail")
        if command == ["pkg", "-N"]:
            return (
                (0, f"pkg: {len(jail['packages'])} packages installed\n", "")
                if jail["packages"] is not None
                else (1, "", "")
            )
        if command == ["pkg", "query", "%n"] and jail["packages"] is not None:
            return 0, "".join(f"{name}\n" for name in jail["packages"]), ""
        if command[:5] == ["env", "ASSUME_ALWAYS_YES=yes", "pkg", "install", "--yes"]:
            jail["packages"] = jail["packages"] or ["pkg"]
            if "no network" in self.faults:
                return 1, "", "pkg: No SRV record found for the repo 'FreeBSD'\n"
            jail["packages"] += command[5:]
            return 0, "Updating FreeBSD repository catalogue...\n", ""
        match command:
            case ["sysrc", assignment]:
                return self.do_sysrc(jail.setdefault("rc", {"sshd_enable": "NO"}), assignment)
            case ["service", "sshd", verb]:
                return self.do_service(jail.setdefault("rc", {"sshd_enable": "NO"}), verb)
        raise AssertionError(f"nothing expects this in a jail: {command}")

    @staticmethod
    def do_sysrc(rc: dict[str, str], assignment: str) -> tuple[int, str, str]:
        """sysrc(8): no spaces around the sign; it takes any name, also one that nothing reads, and says what was."""
        name, sign, value = assignment.partition("=")
        assert sign and name in rc, f"no rc script reads {name}"
        old, rc[name] = rc[name], value
        return 0, f"{name}: {old} -> {value}\n", ""

    @staticmethod
    def do_service(rc: dict[str, str], verb: str) -> tuple[int, str, str]:
        """service(8) and rc.subr(8): what is not enabled does not start, and what does not run is not reloaded."""
        enabled, running = rc["sshd_enable"].upper() in ("YES", "TRUE", "ON", "1"), rc.get("running") == "sshd"
        if not enabled:
            hint = (
                f"Cannot '{verb}' sshd. Set sshd_enable to YES in /etc/rc.conf or use 'one{verb}' instead of '{verb}'."
            )
            return (1, f"{hint}\n", "")
        match verb, running:
            case "start", False:
                rc["running"] = "sshd"
                return (
                    0,
                    "Generating RSA host key.\nPerforming sanity check on sshd configuration.\nStarting sshd.\n",
                    "",
                )
            case "start", True:
                return 1, "sshd already running? (pid=4711).\n", ""
            case "reload", True:
                return 0, "Performing sanity check on sshd configuration.\n", ""
            case "reload", False:
                return 1, "sshd not running? (check /var/run/sshd.pid).\n", ""
        raise AssertionError(f"nothing expects service sshd {verb}")
