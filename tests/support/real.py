# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real gates and real Borg for tests: the gate's process, and Borg with the gate behind it instead of ssh."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hostile import Closed, Hostile
from measured import coverage_environment
from tool import ROOT

LIBRARY = ROOT / "roles/backup_server/files/lib"
BORG = Path(sys.executable).with_name("borg")
HOST_ID = "paranoid-backup-test"


def gate_options(policy: str, repository: Path, *options: str) -> list[str]:
    """Return the options of a gate, but for its report."""
    return ["--policy", policy, "--repository", str(repository), *options]


def gate_command(policy: str, repository: Path, report_fd: int, *options: str) -> list[str]:
    """Return the argv of a gate."""
    command = [sys.executable, "-I", str(LIBRARY), "gate", "--report-fd", str(report_fd)]
    return command + gate_options(policy, repository, *options)


class Gate:
    """One gate on one end of a socket pair; the test has the other end."""

    def __init__(self, policy: str, repository: Path, *options: str) -> None:
        ours, theirs = socket.socketpair()
        self._report, report = os.pipe()
        self.process = subprocess.Popen(
            gate_command(policy, repository, report, *options),
            stdin=theirs.fileno(),
            stdout=theirs.fileno(),
            stderr=subprocess.PIPE,
            pass_fds=(report,),
            env={"BORG_HOST_ID": HOST_ID, "PATH": os.environ["PATH"], **coverage_environment()},
        )
        theirs.close()
        os.close(report)
        self.client = Hostile(ours.fileno(), ours.fileno())
        self.socket = ours

    def finish(self, timeout: float = 60.0) -> list[dict[str, Any]]:
        """Hang up, wait for the gate's end, and return its report."""
        self.socket.close()
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        with os.fdopen(self._report, "rb") as report:
            lines = report.read().splitlines()
        assert self.process.stderr is not None
        self.errors = self.process.stderr.read().decode()
        self.process.stderr.close()
        return [json.loads(line) for line in lines]

    def stop(self, number: int = signal.SIGTERM) -> None:
        """Send a signal to the gate."""
        self.process.send_signal(number)

    def peak_memory(self) -> int:
        """Return the most memory (bytes) that the gate has held so far; 0 when it has ended.

        ``ru_maxrss`` would not do: it also counts what the process was before it became a gate, a copy of the test's.
        """
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return sum(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:"))

    def wait_closed(self) -> None:
        """Read until the gate closes the connection."""
        while True:
            try:
                self.client.receive()
            except Closed:
                return
            except Exception as error:
                if isinstance(error, TimeoutError):
                    raise


@dataclass(frozen=True, slots=True)
class Borg:
    """Stock Borg on a client whose ssh is the gate. ``home`` is the client's, ``repository`` the server's."""

    home: Path
    repository: Path

    @classmethod
    def make(cls, directory: Path) -> Borg:
        """Return a client with an empty home and an empty directory for its repository."""
        home, repository = directory / "home", directory / "repo"
        home.mkdir(parents=True)
        repository.mkdir(mode=0o700)
        return cls(home, repository)

    def copy(self, directory: Path) -> Borg:
        """Return a copy of client and repository."""
        for source, name in ((self.home, "home"), (self.repository, "repo")):
            shutil.copytree(source, directory / name)
        return Borg(directory / "home", directory / "repo")

    def run(self, policy: str, *arguments: str, gate: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        """Run Borg through a gate with this policy."""
        return subprocess.run(
            [str(BORG), *arguments],
            env=self.environment(policy, *gate),
            cwd=self.home,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def local(self, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run Borg on the repository itself, without gate, as the server could."""
        environment = self.environment("append") | {"BORG_REPO": str(self.repository)}
        return subprocess.run(
            [str(BORG), *arguments],
            env=environment,
            cwd=cwd or self.home,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def environment(self, policy: str, *gate: str) -> dict[str, str]:
        """Return what Borg needs to find gate and passphrase."""
        command = shlex.join(gate_command(policy, self.repository, 3, *gate))
        shell = f"exec {command} 3>>{shlex.quote(str(self.home / 'report'))}"
        return {
            "PATH": os.environ["PATH"],
            "BORG_RSH": shlex.join(["sh", "-c", shell, "rsh"]),
            "BORG_REPO": "ssh://server/any/path",
            "BORG_BASE_DIR": str(self.home),
            "BORG_SELFTEST": "disabled",
            "BORG_PASSPHRASE": "secret",
            "BORG_NEW_PASSPHRASE": "secret",
            "BORG_HOST_ID": HOST_ID,
            "BORG_EXIT_CODES": "modern",
            "BORG_RELOCATED_REPO_ACCESS_IS_OK": "yes",
            "BORG_DISPLAY_PASSPHRASE": "no",
            "BORG_DELETE_I_KNOW_WHAT_I_AM_DOING": "YES",
            "BORG_CHECK_I_KNOW_WHAT_I_AM_DOING": "YES",
            **coverage_environment(),
        }

    def report(self) -> list[dict[str, Any]]:
        """Return the reports of all gates that this client's Borg has had."""
        return [json.loads(line) for line in (self.home / "report").read_text().splitlines()]
