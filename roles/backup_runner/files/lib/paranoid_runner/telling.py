# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runner's own mail, for what the callback of the run could not tell; what cannot be sent now waits in a spool."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path

from paranoid_runner.config import Config, name_places
from paranoid_runner.deliver import PARTLY
from paranoid_runner.errors import printable
from paranoid_runner.files import write_whole

DELIVER = Path(__file__).parent / "deliver.py"
DELIVER_SECONDS = 300
MOST_SPOOLED = 50
LINES_QUOTED = 25
MOST_PROBLEMS = 3
NOTICE_SECONDS = 86400  # after which nobody wants a notice any more: its mail and this command's exit code have told it
_WAITS = "a {} waits in the spool and is tried again: {}"


@dataclass(frozen=True)
class Answer:
    """Whether a mail need not be sent again, and what is wrong in one line: some may not have it."""

    is_done: bool
    problem: str = ""


@dataclass(frozen=True)
class Notice:
    """What the runner tells by itself: a line, and the end of the run's output."""

    run_id: str
    line: str
    output: Sequence[str] = ()


def make_mail(notice: Notice) -> bytes:
    """Return the mail without sender and recipients, which the callback's own settings have."""
    mail = EmailMessage(policy=SMTP)
    mail["Subject"] = printable(f"FAILURE: {notice.line}")[:200]
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Paranoid-Backup-Run"] = notice.run_id
    quoted = [f"  {printable(line)[:500]}" for line in notice.output[-LINES_QUOTED:]]
    body = [f"FAILURE: {printable(notice.line)}", "", f"Run {notice.run_id}.", "The runner tells this by itself.", ""]
    body += ["The last lines of its output:", *quoted, ""] if quoted else []
    mail.set_content("\n".join(body), cte="quoted-printable")
    return mail.as_bytes()


def tell(config: Config, notice: Notice) -> str:
    """Send a notice, and what waits in the spool; return what is wrong in one line, or an empty string.

    It is sent before it is written anywhere: a full disk may be what it tells of.
    """
    mail = make_mail(notice)
    answer = _deliver(config, mail)
    if answer.is_done:
        return send_spooled(config) or answer.problem
    spool = config.state / "spool"
    try:
        spool.mkdir(mode=0o700, exist_ok=True)
        write_whole(spool / f"{notice.run_id}.eml", mail)
    except OSError as error:
        return f"nobody could be told: {answer.problem}; and the mail cannot be kept: {error.strerror}"
    return _WAITS.format("mail", answer.problem)


def send_digest(config: Config, about: timedelta) -> str:
    """Send the mail about the last days; return what is wrong in one line, if it is to be tried again."""
    days = max(1, math.ceil(about / timedelta(days=1) - 0.04))  # an hour late is on time, a day late leaves no gap
    answer = _deliver(config, json.dumps({"days": days}).encode(), "digest")
    if answer.is_done and answer.problem:
        sys.stderr.write(f"paranoid-backup: the digest: {answer.problem}\n")
    return "" if answer.is_done else f"the digest waits for the next wake-up: {answer.problem}"


def send_spooled(config: Config) -> str:
    """Send what waits in the spool, oldest first, until three fail; return what is wrong first, in one line."""
    problems: list[str] = []
    for path in _list_spool(config.state / "spool"):
        kind = path.suffix.removeprefix(".").replace("eml", "mail")
        answer = _deliver(config, path.read_bytes(), kind)
        if answer.is_done or (kind == "notice" and time.time() - path.stat().st_mtime > NOTICE_SECONDS):
            path.unlink()
        if answer.problem:
            problems.append(answer.problem if answer.is_done else _WAITS.format(kind, answer.problem))
        if len(problems) == MOST_PROBLEMS:
            break
    return problems[0] if problems else ""


def _list_spool(spool: Path) -> list[Path]:
    """Return what waits. Of a flood only the newest stay: they say the same."""
    waiting = sorted(path for path in spool.glob("*") if path.suffix in (".eml", ".notice")) if spool.is_dir() else []
    for path in waiting[:-MOST_SPOOLED]:
        path.unlink(missing_ok=True)
    return waiting[-MOST_SPOOLED:]


def _deliver(config: Config, content: bytes, kind: str = "mail") -> Answer:
    """Hand a mail or a notice in by a process of its own, which reads ansible.cfg."""
    cfg = str(config.project / "ansible.cfg")
    environment = {
        **os.environ,
        "ANSIBLE_CONFIG": cfg,
        "PARANOID_REPORT_DIR": str(config.reports),
        **name_places(config),
    }
    argv = [sys.executable, "-I", str(DELIVER), kind]
    try:
        done = subprocess.run(
            argv,
            input=content,
            capture_output=True,
            cwd=config.project,
            env=environment,
            timeout=DELIVER_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Answer(False, f"it could not be handed in within {DELIVER_SECONDS} s")
    except OSError as error:
        return Answer(False, f"it could not be handed in: {error.strerror}")
    lines = done.stderr.decode("utf-8", "replace").strip().splitlines() or [f"exit code {done.returncode}"]
    is_done = done.returncode in (0, PARTLY)
    return Answer(is_done, "" if done.returncode == 0 else printable(lines[-1])[:500])
