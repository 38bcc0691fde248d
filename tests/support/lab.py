# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab as tests see it: bring it up, run playbooks in it, run commands on its hosts, read its mail."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
BIN = ROOT / ".cache/venv/bin"
INVENTORY = ROOT / "inventories/lab"


class LabError(Exception):
    """The lab itself does not work; says what was tried and what it said."""


def lab_environment() -> dict[str, str]:
    """Return what names the lab, which one process of pytest has."""
    name = os.environ.get("PARANOID_LAB", "lab")
    net = os.environ.get("PARANOID_LAB_NET", "10.97.0")
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    return os.environ | {"PARANOID_LAB": name, "PARANOID_LAB_NET": net, "LC_ALL": "C.UTF-8", "PATH": path}


def lab_tool(verb: str, environment: dict[str, str]) -> None:
    """Run ``tests/tools/lab``; raises LabError with what it said."""
    command: list[str | Path] = [ROOT / "tests/tools/lab", verb]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise LabError(done.stderr)


@dataclass(frozen=True, slots=True)
class Lab:
    """A running lab."""

    name: str
    state: Path
    environment: dict[str, str]

    @classmethod
    def up(cls) -> Lab:
        """Bring up the lab, or finish what is missing of it."""
        environment = lab_environment()
        name = environment["PARANOID_LAB"]
        lab_tool("up", environment)
        state = ROOT / ".cache/lab" / name
        pairs = (line.split("=", 1) for line in (state / "env").read_text().splitlines())
        return cls(name, state, environment | dict(pairs))

    def run(
        self, playbook: str, *arguments: str, environment: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run ``playbooks/<playbook>.yml`` on the lab's inventory, as its users do."""
        playbook_path = ROOT / f"playbooks/{playbook}.yml"
        command: list[str | Path] = [BIN / "ansible-playbook", "-i", INVENTORY, playbook_path, *arguments]
        return subprocess.run(
            command, cwd=ROOT, env=self.environment | (environment or {}), capture_output=True, text=True, check=False
        )

    def end_connections(self) -> None:
        """End the connections that Ansible keeps open: of a host that was switched off they would lead nowhere."""
        for path in Path.home().glob(f".ansible/cp/{self.name}/*"):
            argv = ["ssh", "-F", "none", "-o", f"ControlPath={path}", "-O", "exit", "lab"]
            subprocess.run(argv, capture_output=True, check=False)

    def exec(self, host: str, *argv: str, input: bytes | None = None) -> subprocess.CompletedProcess[bytes]:  # noqa: A002
        """Run a command as root on a host, past its network; never raises for an exit code."""
        command = ["podman", "exec", "--interactive", f"{self.name}-{host}", *argv]
        return subprocess.run(command, input=input, capture_output=True, check=False)

    def read(self, host: str, *argv: str, input: bytes | None = None) -> str:  # noqa: A002
        """The output of a command that must succeed; raises LabError with what it said."""
        done = self.exec(host, *argv, input=input)
        if done.returncode != 0:
            raise LabError(f"{host}: {' '.join(argv)}: {done.stderr.decode(errors='replace')}")
        return done.stdout.decode()

    def mails(self) -> list[EmailMessage]:
        """The mails that arrived, oldest first."""
        names = self.read("mail", "find", "/var/mail/lab", "-name", "*.eml").split()
        return [self._mail(name) for name in sorted(names)]

    def _mail(self, path: str) -> EmailMessage:
        return message_from_bytes(self.exec("mail", "cat", path).stdout, policy=policy.default)

    def record_path(self) -> Path:
        """The record of the newest run."""
        records = (self.state / "reports").glob("*/record.json")
        return max(records, key=lambda path: path.stat().st_mtime_ns)

    def record(self) -> dict[str, Any]:
        """The newest run, as its record says."""
        record: dict[str, Any] = json.loads(self.record_path().read_text())
        return record
