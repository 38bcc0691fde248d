# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runner's own mail, for what the callback of the run could not tell; what cannot be sent now waits in a spool."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path

from paranoid_runner.config import Config
from paranoid_runner.files import write_whole

DELIVER = Path(__file__).parent / "deliver.py"
DELIVER_SECONDS = 300
MOST_SPOOLED = 50
LINES_QUOTED = 25


@dataclass(frozen=True)
class Notice:
    """What the runner tells by itself: a line, and the end of the run's output."""

    run_id: str
    line: str
    output: Sequence[str] = ()


def make_mail(notice: Notice) -> bytes:
    """Return the mail without sender and recipients, which the callback's own settings have."""
    mail = EmailMessage(policy=SMTP)
    mail["Subject"] = _printable(f"FAILURE: {notice.line}")[:200]
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Paranoid-Backup-Run"] = notice.run_id
    quoted = [f"  {_printable(line)[:500]}" for line in notice.output[-LINES_QUOTED:]]
    body = [f"FAILURE: {_printable(notice.line)}", "", f"Run {notice.run_id}.", "The runner tells this by itself.", ""]
    body += ["The last lines of its output:", *quoted, ""] if quoted else []
    mail.set_content("\n".join(body), cte="quoted-printable")
    return mail.as_bytes()


def tell(config: Config, notice: Notice) -> str:
    """Put a notice into the spool and send what lies there; return why something still waits, or an empty string."""
    spool = config.state / "spool"
    spool.mkdir(mode=0o700, exist_ok=True)
    write_whole(spool / f"{notice.run_id}.eml", make_mail(notice))
    return send_spooled(config)


def send_spooled(config: Config) -> str:
    """Send what waits in the spool, oldest first; return why the first that cannot be sent could not."""
    for path in _list_spool(config.state / "spool"):
        problem = _deliver(config, path)
        if problem:
            return problem
        path.unlink()
    return ""


def _list_spool(spool: Path) -> list[Path]:
    """Return what waits. Of a flood only the newest stay: they say the same."""
    waiting = sorted(spool.glob("*.eml")) if spool.is_dir() else []
    for path in waiting[:-MOST_SPOOLED]:
        with suppress(OSError):
            path.unlink()
    return waiting[-MOST_SPOOLED:]


def _deliver(config: Config, path: Path) -> str:
    """Hand a mail in by a process of its own, which reads ansible.cfg; return what went wrong in one line."""
    environment = {**os.environ, "ANSIBLE_CONFIG": str(config.project / "ansible.cfg")}
    argv = [sys.executable, "-I", str(DELIVER)]
    try:
        with path.open("rb") as mail:
            done = subprocess.run(
                argv,
                stdin=mail,
                capture_output=True,
                text=True,
                cwd=config.project,
                env=environment,
                timeout=DELIVER_SECONDS,
                check=False,
            )
    except subprocess.TimeoutExpired:
        return f"the mail could not be handed in within {DELIVER_SECONDS} s"
    except OSError as error:
        return f"the mail could not be handed in: {error.strerror}"
    lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
    return "" if done.returncode == 0 else _printable(lines[-1])[:500]


def _printable(text: str) -> str:
    """Return one line for a mail and a terminal: what a run prints may come from anywhere."""
    return "".join(c if c.isprintable() else " " for c in text)
