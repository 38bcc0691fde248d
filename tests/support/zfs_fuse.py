# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real pools on this machine without a kernel module: zfs-fuse, in a mount namespace that nobody else sees.

It speaks pool version 23: no lz4, no records above 128 KiB, no property sync, no ``zfs holds``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

# Its lock, socket and list of pools, which would come back with the next daemon.
_START = """for place in /run/zfs /var/lib/zfs /run/lock/zfs; do
    mkdir -p $place && mount -t tmpfs tmpfs $place || exit
done
echo up && exec zfs-fuse --no-daemon --no-kstat-mount --pidfile /run/zfs/pid"""


def missing() -> str:
    """Why there are no real pools here, empty if there are."""
    if os.geteuid() != 0 or not Path("/dev/fuse").exists():
        return "root and /dev/fuse are needed"
    return "" if shutil.which("zfs-fuse") else "zfs-fuse is not installed"


@dataclass(frozen=True)
class ZfsHost:
    """A namespace with zfs-fuse in it; ``folder`` is for pools' disks and mount points."""

    pid: int
    folder: Path

    def inside(self, *argv: str | Path) -> list[str]:
        """Return a command that runs in the namespace."""
        return ["nsenter", "--mount", f"--target={self.pid}", f"--wdns={self.folder}", *map(str, argv)]

    def run(self, *argv: str | Path) -> subprocess.CompletedProcess[str]:
        """Run a command there; never raises for an exit code."""
        return subprocess.run(self.inside(*argv), capture_output=True, text=True, check=False)

    def read(self, *argv: str | Path) -> str:
        """What a command says that must succeed."""
        done = self.run(*argv)
        assert done.returncode == 0, f"{argv}: {done.stdout}{done.stderr}"
        return done.stdout

    def make_pool(self, name: str, disks: Sequence[str] = ("a", "b"), megabytes: int = 160) -> None:
        """Make a mirror of files."""
        paths = [self.folder / f"{name}-{disk}" for disk in disks]
        for path in paths:
            with path.open("wb") as file:
                file.truncate(megabytes << 20)
        self.read("zpool", "create", "-m", "none", name, *(["mirror"] if len(disks) > 1 else []), *paths)

    def properties(self, name: str, *properties: str) -> list[str]:
        """Values of a dataset's properties."""
        return self.read("zfs", "get", "-Hp", "-o", "value", ",".join(properties), name).split("\n")[:-1]


@contextmanager
def zfs_fuse(folder: Path) -> Iterator[ZfsHost]:
    """Run zfs-fuse while this is held; its pools end with it."""
    argv = ["unshare", "--mount", "--propagation", "private", "sh", "-c", _START]
    with (folder / "daemon.log").open("w") as log:
        daemon = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=log, cwd=folder)
    assert daemon.stdout and daemon.stdout.readline() == b"up\n", (folder / "daemon.log").read_text()
    host = ZfsHost(daemon.pid, folder)
    try:
        until = time.monotonic() + 60
        while host.run("zpool", "list").returncode != 0:
            assert time.monotonic() < until and daemon.poll() is None, (folder / "daemon.log").read_text()
            time.sleep(0.05)
        yield host
    finally:
        for pool in host.run("zpool", "list", "-H", "-o", "name").stdout.split():
            host.run("zpool", "destroy", "-f", pool)
        daemon.terminate()
        daemon.wait(60)
