# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Thieves in the lab: on the wire, with another host's key, and as another client's user on the server."""

from __future__ import annotations

import select
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from hostile import Hostile
from lab import Lab
from lab_faults import write

STOLEN = "/root/stolen_key"
DOOR_PORT = "64064"  # at the client's end of the tunnel, while a session is open
_ALL_FRAMES = 3  # ETH_P_ALL
_CONNECT = "import socket,sys; s=socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); print('connected')"


@dataclass
class Wire:
    """What went over the lab's network."""

    seen: bytearray = field(default_factory=bytearray)


@contextmanager
def tapped(lab: Lab, host: str) -> Iterator[Wire]:
    """Keep all frames of a host's cable."""
    cable = socket.if_indextoname(int(lab.read(host, "cat", "/sys/class/net/eth0/iflink")))
    wire, done = Wire(), threading.Event()
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ALL_FRAMES)) as tap:
        tap.setsockopt(socket.SOL_SOCKET, 33, 64 * 1024**2)  # SO_RCVBUFFORCE
        tap.bind((cable, _ALL_FRAMES))
        reader = threading.Thread(target=_keep, args=(tap, wire, done))
        reader.start()
        try:
            yield wire
        finally:
            done.set()
            reader.join()


def _keep(tap: socket.socket, wire: Wire, done: threading.Event) -> None:
    while not done.is_set():
        while select.select([tap], [], [], 0.2)[0]:
            wire.seen += tap.recv(65536)


def address(lab: Lab, host: str) -> str:
    """The first address of a host."""
    return lab.read(host, "hostname", "--all-ip-addresses").split()[0]


@contextmanager
def stolen(lab: Lab, source: str, path: str, place: str) -> Iterator[str]:
    """A private key of one host on another one."""
    write(lab, place, STOLEN, lab.read(source, "cat", path))
    lab.read(place, "chmod", "0600", STOLEN)
    try:
        yield STOLEN
    finally:
        lab.read(place, "rm", STOLEN)


def ssh(port: str, target: str, *arguments: str) -> list[str]:
    """The thief's ssh, which takes whatever host key it is shown first."""
    options = {"BatchMode": "yes", "ConnectTimeout": "10", "ExitOnForwardFailure": "yes", "IdentitiesOnly": "yes"}
    options |= {"StrictHostKeyChecking": "accept-new", "UserKnownHostsFile": "/dev/null", "LogLevel": "ERROR"}
    settings = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    return ["timeout", "12", "ssh", "-F", "none", *settings, "-i", STOLEN, "-p", port, *arguments, target]


@contextmanager
def through_the_door(lab: Lab, host: str, user: str) -> Iterator[Hostile]:
    """Speak Borg's protocol with what answers the stolen key at the end of a client's tunnel."""
    argv = ["podman", "exec", "--interactive", f"{lab.name}-{host}", *ssh(DOOR_PORT, f"{user}@127.0.0.1")]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as running:
        assert running.stdin and running.stdout
        yield Hostile(running.stdout.fileno(), running.stdin.fileno())
        running.stdin.close()


def as_user(lab: Lab, host: str, user: str, *argv: str) -> subprocess.CompletedProcess[bytes]:
    """Run a command with a user's own rights and groups, and no others."""
    return lab.exec(host, "setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", *argv)


def connects(lab: Lab, host: str, user: str, path: str) -> bool:
    """Tell whether a user reaches a unix socket."""
    return as_user(lab, host, user, "python3", "-c", _CONNECT, path).stdout == b"connected\n"
