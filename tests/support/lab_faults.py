# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of real hosts, each one undone at the end of its ``with`` block."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lab import ROOT, Lab
from waiting import wait_until

DISPATCH = "/usr/local/libexec/paranoid-backup/dispatch"
RECORDS = "/etc/paranoid-backup"
OTHER_RECORDS = "/run/other-records"
HOSTILE = "/root/hostile"
NOBODYS_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB4z9v0j1uB2mSx3bXbFJ6pQe8q0wHcW1o2e3r4t5y6u nobody"


@contextmanager
def other_records(lab: Lab, server: dict[str, Any] | None = None, **clients: dict[str, Any]) -> Iterator[list[str]]:
    """Records that differ in some values; yields the arguments with which a run uses them."""
    lab.read("vault", "rm", "-rf", OTHER_RECORDS)
    lab.read("vault", "cp", "-a", RECORDS, OTHER_RECORDS)
    changes = {"server.json": server or {}} | {f"clients/{name}.json": values for name, values in clients.items()}
    for name, values in changes.items():
        record = json.loads(lab.read("vault", "cat", f"{RECORDS}/{name}"))
        write(lab, "vault", f"{OTHER_RECORDS}/{name}", json.dumps(record | values))
    try:
        yield ["-e", f"backup_config_dir={OTHER_RECORDS}"]
    finally:
        lab.read("vault", "rm", "-rf", OTHER_RECORDS)


@contextmanager
def moved(lab: Lab, host: str, path: str) -> Iterator[str]:
    """A path that is not there; yields where it is meanwhile. What takes its place goes away in the end."""
    away = f"{path}.away"
    lab.read(host, "mv", path, away)
    try:
        yield away
    finally:
        lab.read(host, "rm", "-rf", path)
        lab.read(host, "mv", away, path)


@contextmanager
def hostile(lab: Lab, client: str, behaviour: str) -> Iterator[None]:
    """A dispatcher that lies, hangs or floods: one of the functions of ``hostile.py``."""
    script = (ROOT / "tests/integration/session/dispatchers/hostile.py").read_bytes()
    lab.read(client, "mkdir", "-p", HOSTILE)
    lab.read(client, "ln", "-sfn", "/run/paranoid-backup", f"{HOSTILE}/tunnel")
    write(lab, client, f"{HOSTILE}/hostile.py", script.decode())
    with moved(lab, client, DISPATCH):
        line = f"#!/bin/sh\nexec /usr/bin/python3 -I {HOSTILE}/hostile.py {HOSTILE} {behaviour}\n"
        write(lab, client, DISPATCH, line)
        lab.read(client, "chmod", "0755", DISPATCH)
        try:
            yield
        finally:
            lab.exec(client, "pkill", "-KILL", "-f", f"{HOSTILE}/hostile.py")
    lab.read(client, "rm", "-rf", HOSTILE)


@contextmanager
def swapped(lab: Lab, client: str, other: str) -> Iterator[None]:
    """The repository of another client in the place of a client's own, with the right owner."""
    place = f"/srv/backup/{client}/repo"
    with moved(lab, "vault", place) as away:
        lab.read("vault", "cp", "-a", f"/srv/backup/{other}/repo", place)
        lab.read("vault", "chown", "-R", f"--reference={away}", place)
        yield


@contextmanager
def small_disk(lab: Lab, client: str, spare_mebibytes: int) -> Iterator[None]:
    """A client's repository on a file system that has only that much to spare."""
    place = f"/srv/backup/{client}/repo"
    with moved(lab, "vault", place) as away:
        lab.read("vault", "mkdir", place)
        used = int(lab.read("vault", "du", "-sm", away).split()[0])
        _in_mounts(lab, "mount", "-t", "tmpfs", "-o", f"size={used + spare_mebibytes}m", "none", place)
        try:
            lab.read("vault", "cp", "-a", f"{away}/.", place)
            lab.read("vault", "chown", f"--reference={away}", place)
            lab.read("vault", "chmod", f"--reference={away}", place)
            yield
        finally:
            _in_mounts(lab, "umount", place)


@contextmanager
def big_file(lab: Lab, client: str, mebibytes: int) -> Iterator[None]:
    """A file that does not compress, below a directory that is backed up."""
    path = "/home/big"
    lab.read(client, "dd", "if=/dev/urandom", f"of={path}", "bs=1M", f"count={mebibytes}")
    try:
        yield
    finally:
        lab.read(client, "rm", path)


@contextmanager
def slow_upload(lab: Lab, client: str) -> Iterator[None]:
    """Borg sends 10 MiB a second, so that a busy machine, too, has the time to disturb it in the middle."""
    path = "/etc/paranoid-backup/borgmatic.yaml"
    lab.read(client, "sed", "-i.fast", '0,/{/ s/{/{"upload_rate_limit": 10240,/', path)
    try:
        yield
    finally:
        lab.read(client, "mv", f"{path}.fast", path)


@contextmanager
def as_provisioned(lab: Lab, *hosts: str) -> Iterator[None]:
    """What the roles have put on these hosts comes back as it was, without the minute that ``site.yml`` would take."""
    places = (
        "etc/paranoid-backup",
        "etc/sudoers.d",
        "usr/local/lib/paranoid-backup",
        "usr/local/libexec/paranoid-backup",
    )
    kept = "/opt/as-provisioned.tar"
    for host in hosts:
        lab.read(host, "sh", "-c", f"cd /; tar -cf {kept} $(ls -d {' '.join(places)} 2>/dev/null)")
    try:
        yield
    finally:
        for host in hosts:
            lab.read(host, "sh", "-c", f"cd /; rm -rf {' '.join(places)} && tar -xf {kept} && rm {kept}")


@contextmanager
def powered_off(lab: Lab, host: str) -> Iterator[None]:
    """A host without power: nothing of it had time to end. In the end it has booted."""
    container = f"{lab.name}-{host}"
    subprocess.run(["podman", "kill", "--signal", "KILL", container], check=True, capture_output=True)
    subprocess.run(["podman", "wait", container], check=True, capture_output=True)
    try:
        yield
    finally:
        lab.end_connections()
        subprocess.run(["podman", "start", container], check=True, capture_output=True)
        assert wait_until(lambda: _has_booted(lab, host), 300)


def _has_booted(lab: Lab, host: str) -> bool:
    """Systemd can be asked as soon as it is there, and answers when it has started everything."""
    return lab.exec(host, "systemctl", "is-system-running", "--wait").stdout.strip() in (b"running", b"degraded")


def write(lab: Lab, host: str, path: str, text: str) -> None:
    """Write a file on a host."""
    lab.read(host, "sh", "-c", 'cat >"$0"', path, input=text.encode())


def used_bytes(lab: Lab, client: str) -> int:
    """How much a client's repository takes on the server."""
    return int(lab.read("vault", "du", "-sb", f"/srv/backup/{client}/repo").split()[0])


def _in_mounts(lab: Lab, *argv: str) -> None:
    """Mount on the server, which may not do so itself: from outside, in its mount namespace."""
    inspect = ["podman", "inspect", "--format", "{{.State.Pid}}", f"{lab.name}-vault"]
    pid = subprocess.run(inspect, capture_output=True, text=True, check=True).stdout.strip()
    subprocess.run(["nsenter", "--target", pid, "--mount", *argv], check=True, capture_output=True)
