# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backup runs in the lab: start one, and look at all that it left, the exit code, the output, the record, the mail."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Any

from lab import BIN, INVENTORY, ROOT, Lab
from waiting import wait_until

GOOD = ("web1", "db1", "odd1", "new1")
OPENED = "/var/lib/paranoid-backup/open"


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run. ``record`` and ``mail`` are None where the run left none; ``seconds`` is the wall clock."""

    code: int
    output: str
    seconds: float
    record: dict[str, Any] | None
    mail: EmailMessage | None

    @property
    def text(self) -> str:
        """The mail's text part, its lines joined: reasons are wrapped there."""
        return " ".join(self.part("plain").split())

    def part(self, kind: str) -> str:
        """The mail's ``plain`` or ``html`` part."""
        body = self.mail.get_body((kind,)) if self.mail else None
        return str(body.get_content()) if body else ""

    def client(self, name: str) -> dict[str, Any]:
        """The session of a client as recorded, with the ``state`` that the run gave it."""
        for entry in self.record["clients"] if self.record else []:
            if entry["name"] == name:
                return {"state": entry["state"], **(entry["session"] or {})}
        raise KeyError(name)

    def codes(self) -> dict[str, str]:
        """For each client the code of its failure, empty when it was well."""
        names = [entry["name"] for entry in self.record["clients"]] if self.record else []
        return {name: self.client(name).get("code", "") for name in names}


@dataclass(frozen=True, slots=True)
class Started:
    """A run that is under way."""

    lab: Lab
    name: str
    process: subprocess.Popen[str]
    since: float

    def finish(self) -> Run:
        """Wait for its end."""
        output, _nothing = self.process.communicate()
        seconds = time.monotonic() - self.since
        path = self.lab.state / "reports" / self.name / "record.json"
        record = json.loads(path.read_text()) if path.exists() else None
        mails = [mail for mail in self.lab.mails() if mail["X-Paranoid-Backup-Run"] == self.name]
        assert len(mails) < 2, f"{len(mails)} mails of one run"
        return Run(self.process.returncode, output, seconds, record, mails[0] if mails else None)


def start(lab: Lab, *arguments: str, inventory: str = str(INVENTORY)) -> Started:
    """Start ``playbooks/backup.yml`` under a run id of its own."""
    name = f"lab-{time.time_ns()}"
    command = [str(BIN / "ansible-playbook"), "-i", inventory, str(ROOT / "playbooks/backup.yml"), *arguments]
    environment = lab.environment | {"PARANOID_BACKUP_RUN_ID": name}
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    return Started(lab, name, process, time.monotonic())


def backup(lab: Lab, *arguments: str, inventory: str = str(INVENTORY)) -> Run:
    """Hold a backup run to its end."""
    return start(lab, *arguments, inventory=inventory).finish()


@contextmanager
def opened(lab: Lab, client: str, seconds: int = 300) -> Iterator[None]:
    """Keep a read-only session with a client open, so that its owner can restore."""
    task = f"client={client} verb=open open_for={seconds}"
    command = [str(BIN / "ansible"), "-i", str(INVENTORY), "vault", "-m", "paranoid.backup.session", "-a", task]
    with subprocess.Popen(
        command, cwd=ROOT, env=lab.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as session:
        is_open = wait_until(
            lambda: session.poll() is not None or not lab.exec(client, "test", "-e", OPENED).returncode
        )
        assert is_open and session.poll() is None, session.communicate()[0]
        yield
        end_session(lab, client)
        output = session.communicate()[0]
    assert "ended by signal 15" in output, output


def end_session(lab: Lab, client: str) -> None:
    """End the client's open session early, as its owner would: by ending the dispatcher."""
    lab.read(client, "pkill", "-TERM", "-f", "^/usr/bin/python3 -I /usr/local/libexec/paranoid-backup/dispatch")
