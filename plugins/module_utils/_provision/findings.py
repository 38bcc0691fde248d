# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is missing on a host, decided from what was seen there. No I/O; each line has its cure.

A finding is ``bad`` when a backup fails until somebody mends it, ``odd`` when somebody should look, else ``ok``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Optional

MOST_SECONDS = 60  # that two clocks may differ
LEAST_FREE = 512 * 1024**2  # bytes, for Borg's cache on a client
GATE_PATCH = 5  # the gate starts with Borg 1.4.5 and what comes after it
LEAST_SHARE = 0.1  # of the repositories' disk
_GIB = 1024**3


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at; ``cure`` is empty where there is nothing to mend, or the line has it."""

    check: str
    state: str
    line: str
    cure: str = ""

    def to_dict(self) -> dict[str, str]:
        """Return it as a module returns it."""
        return asdict(self)


def judge_user(uid: int) -> list[Finding]:
    """Judge who looks: what only root may see is not known, and what is not known is not well."""
    cure = "set ansible_become to true for it in the inventory"
    return [Finding("root", "bad", "Ansible is not root on it, so nobody looked", cure)] if uid else []


def judge_clock(theirs: float, ours: float, is_synchronized: Optional[bool]) -> Finding:
    """Judge a clock by the controller's; None: nobody knows whether a time service keeps it."""
    off = theirs - ours
    if abs(off) > MOST_SECONDS:
        line = f"its clock is {abs(off):.0f} s {'ahead of' if off > 0 else 'behind'} the controller's"
        return Finding(
            "clock", "bad", line, "start its time service, such as systemd-timesyncd, and look at both clocks"
        )
    if is_synchronized is False:
        cure = "start a time service: systemctl enable --now systemd-timesyncd"
        return Finding("clock", "odd", "no time service keeps its clock", cure)
    return Finding("clock", "ok", f"its clock is within {MOST_SECONDS} s of the controller's")


def judge_borg(version: Optional[str], is_provisioned: bool, least: int = 0) -> Finding:
    """Judge the Borg that sessions start; None: it does not start. On a server 1.4.LEAST is the first that will do."""
    if version is None and not is_provisioned:
        return Finding("borg", "ok", "Borg is not there yet: the playbook site installs it")
    if version is None:
        return Finding("borg", "bad", "Borg does not start", "run the playbook paranoid.backup.site for this host")
    line = re.match(r"1\.4\.(\d+)", version)
    if not line or int(line[1]) < least:
        wanted = f"1.4 from 1.4.{least} on" if least else "1.4"
        return Finding("borg", "bad", f"Borg is {version}, and only {wanted} is spoken here", f"install Borg {wanted}")
    return Finding("borg", "ok", f"Borg {version}")


def judge_login(obstacles: Sequence[str], sshd_keywords: Sequence[str], has_sudo: bool) -> list[Finding]:
    """Judge what client_info saw; its lines have their cures."""
    found = [Finding("login", "bad", line) for line in obstacles]
    if not sshd_keywords and not found:
        found.append(Finding("sshd", "bad", "there is no sshd for the server to come to", "install openssh-server"))
    if not has_sudo:
        found.append(Finding("sudo", "bad", "sudo is not installed", "install it, or set backup_client_login to root"))
    return found or [Finding("login", "ok", "nothing keeps the server's login out: not sshd, nor sudo, nor PAM")]


def judge_client(seen: Mapping[str, Any]) -> list[Finding]:
    """Judge the rest: ``free`` (bytes), ``place`` (where), ``python``, ``noexec_tmp``, ``is_binary`` (its Borg)."""
    found = []
    if not seen["python"]:
        found.append(
            Finding("python", "bad", "/usr/bin/python3 is missing, which the dispatcher needs", "install python3")
        )
    if seen["free"] < LEAST_FREE:
        line = f"only {seen['free'] / _GIB:.2f} GiB are free where Borg keeps its cache ({seen['place']})"
        found.append(Finding("disk", "bad", line, "free at least half a GiB there"))
    if seen["noexec_tmp"]:
        cure = "set backup_borg_source to venv for it, which needs no program in /tmp"
        state = "bad" if seen["is_binary"] else "odd"
        found.append(
            Finding("tmp", state, "/tmp is mounted noexec, and Borg as a program by itself unpacks there", cure)
        )
    return found


def judge_disk(root: str, has_root: bool, is_mount: bool, wants_mount: bool, size: int, free: int) -> Finding:
    """Judge the disk of the repositories; sizes are bytes."""
    if not has_root:
        cure = "mount the dataset, or set backup_server_repository_root, then run the playbook paranoid.backup.site"
        return Finding("repositories", "bad", f"{root} is not there", cure)
    if wants_mount and not is_mount:
        return Finding("repositories", "bad", f"nothing is mounted at {root}", "mount the dataset there")
    if not size or free < LEAST_SHARE * size:
        line = f"only {free / _GIB:.1f} of {size / _GIB:.1f} GiB are free at {root}"
        return Finding("repositories", "odd", line, "make room, or let retention and compact do it, before it is full")
    return Finding("repositories", "ok", f"{free / _GIB:.1f} of {size / _GIB:.1f} GiB are free at {root}")


def judge_quotas(quotas: Mapping[str, Optional[int]], size: int) -> list[Finding]:
    """Judge quotas that the disk cannot hold; they protect nobody."""
    return [
        Finding("quota", "odd", f"the quota of {name} is more than the whole disk", "make backup_client_quota smaller")
        for name, quota in sorted(quotas.items())
        if quota is not None and size and quota > size
    ]


def judge_ports(ports: Optional[Sequence[int]]) -> Finding:
    """Judge TCP ports that listen to the network on a server; None: nobody knows."""
    if ports is None:
        return Finding("network", "odd", "nothing here tells what listens to the network", "look at it: sockstat -l")
    if not ports:
        return Finding("network", "ok", "nothing on it listens to the network")
    shown = ", ".join(map(str, sorted(set(ports))[:10]))
    cure = "stop what you do not need there, or let a firewall close it: no session needs a port of the server"
    return Finding("network", "odd", f"it listens to the network at TCP port {shown}", cure)


def read_ports(table: str) -> list[int]:
    """Return the ports that listen beyond the loopback, from a table of proc(5), /proc/net/tcp or tcp6."""
    found = []
    for line in table.splitlines()[1:]:
        words = line.split()
        if len(words) < 4 or words[3] != "0A":
            continue
        address, _colon, port = words[1].rpartition(":")
        if not _is_loopback(address):
            found.append(int(port, 16))
    return found


def _is_loopback(address: str) -> bool:
    """Whether an address of that table is: 32-bit words in the machine's order, which here is little-endian."""
    if len(address) == 8:
        return address[6:] == "7F"
    return address == "00000000000000000000000001000000" or (
        address[:24] == "0000000000000000FFFF0000" and address[30:] == "7F"
    )
