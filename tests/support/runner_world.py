# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runner as a timer starts it: real runs of ansible-playbook, the real callback, a real mail server."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mail_server import Mailbox
from report_bench import Bench, smtp
from report_samples import PLAYBOOK
from tool import ROOT

LIB = ROOT / "roles/backup_runner/files/lib"
CLEAN = {k: v for k, v in os.environ.items() if not k.startswith(("PARANOID_", "ANSIBLE_"))}
ALWAYS = {"every": "1h", "window": "00:00-00:00", "retries": 20, "retry_minutes": 1}


@dataclass
class RunnerWorld:
    """A machine with a runner: its project is a bench, and everybody's turn comes every hour."""

    bench: Bench
    mailbox: Mailbox
    playbook: str = PLAYBOOK
    hours: float = 1.0
    options: dict[str, str] = field(default_factory=dict)

    @property
    def state(self) -> Path:
        """The runner's own directory."""
        return self.bench.root / "state"

    def configure(self, **changes: Any) -> None:
        """Write what the role would write, and the project."""
        self.state.mkdir(exist_ok=True)
        self.bench.settings = smtp(self.mailbox, **self.options)
        self.bench.lay_out(self.playbook)
        book = str(self.bench.root / "playbook.yml")
        found = {
            "project": str(self.bench.root),
            "inventory": str(self.bench.root / self.bench.inventory),
            "state": str(self.state),
            "reports": str(self.bench.reports),
            "programs": str(Path(sys.executable).parent),
            "hours": self.hours,
            "playbooks": dict.fromkeys(("backup", "maintain", "compact", "audit", "drill"), book),
            "clients": dict.fromkeys(self.bench.hosts, ALWAYS),
            "upkeep": {},
            "progress": str(self.bench.root / "progress"),
        }
        (self.bench.root / "runner.json").write_text(json.dumps({**found, **changes}))

    def start(self, *words: str, under: Sequence[str] = ()) -> subprocess.Popen[str]:
        """Type a command, behind the words of another one that starts it."""
        pipe = subprocess.PIPE
        argv = [*under, *self._make_argv(words)]
        return subprocess.Popen(argv, env=CLEAN, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True)

    def _make_argv(self, words: Sequence[str]) -> list[str]:
        return [sys.executable, "-I", str(LIB), *words, "--config", str(self.bench.root / "runner.json")]

    def type(self, *words: str) -> tuple[int, str]:
        """Type a command on a real terminal of 24 lines and 80 columns; return its exit code, and all that it drew."""
        (self.bench.root / "runner.sh").write_text(f"stty rows 24 cols 80; {shlex.join(self._make_argv(words))}\n")
        argv = ["script", "-qec", f"sh {self.bench.root}/runner.sh", "/dev/null"]
        done = subprocess.run(
            argv,
            env={**CLEAN, "TERM": "xterm"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=300,
            check=False,
        )
        return done.returncode, done.stdout.decode()

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Type a command and wait for it."""
        process = self.start(*words)
        out, said = process.communicate(timeout=300)
        return subprocess.CompletedProcess(words, process.returncode, out, said)

    def records(self) -> list[dict[str, Any]]:
        """Return the records of all runs, in their order."""
        paths = sorted(self.bench.reports.glob("*/record.json"), key=lambda path: path.stat().st_mtime_ns)
        return [json.loads(path.read_text()) for path in paths]
