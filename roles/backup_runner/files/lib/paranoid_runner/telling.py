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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path

from paranoid_runner.config import Config, name_places
from paranoid_runner.deliver import DAMAGED, PARTLY, REFUSED
from paranoid_runner.errors import printable
from paranoid_runner.files import write_whole

DELIVER = Path(__file__).parent / "deliver.py"
DELIVER_SECONDS = 300
SPOOL_SECONDS = 300  # after which the rest of the spool waits for the next wake-up: somebody may be due
MOST_SPOOLED = 50  # for the same people or place
LINES_QUOTED = 25
NOTICE_SECONDS = 3 * 86400  # after which nobody wants a notice any more; the next mails have named it
KINDS = {".eml": "mail", ".letter": "letter", ".notice": "notice"}
_WAITS = "a {} waits in the spool and is tried again: {}"


@dataclass(frozen=True)
class Answer:
    """Whether it need not be sent again, and what is wrong in one line: some may not have it.

    ``left`` is a letter for those who are to have it later; ``is_refused``: somebody said no; another may not.
    ``is_damaged``: nobody was asked, for it cannot be sent.
    """

    is_done: bool
    problem: str = ""
    left: bytes = b""
    is_refused: bool = False
    is_damaged: bool = False


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
        return send_spooled(config) or _keep_left(config, notice.run_id, answer)
    try:
        _keep(config, f"{notice.run_id}.eml", mail)
    except OSError as error:
        return f"nobody could be told: {answer.problem}; and the mail cannot be kept: {error.strerror}"
    return _WAITS.format("mail", answer.problem)


def send_digest(config: Config, about: timedelta, clients: Mapping[str, bool]) -> str:
    """Send the mail about the last days; return what is wrong in one line, if it is to be tried again.

    ``clients`` are all that have a schedule, and whether their next turn is yet to come.
    """
    days = max(1, math.ceil(about / timedelta(days=1) - 0.04))  # an hour late is on time, a day late leaves no gap
    answer = _deliver(config, json.dumps({"days": days, "clients": dict(clients)}).encode(), "digest")
    if answer.is_done and answer.problem:
        problem = _keep_left(config, f"digest-{datetime.now(UTC):%Y%m%dT%H%M%SZ}", answer)
        sys.stderr.write(f"paranoid-backup: the digest: {problem}\n")
    return "" if answer.is_done else f"the digest waits for the next wake-up: {answer.problem}"


def send_spooled(config: Config) -> str:
    """Send what waits in the spool, oldest first; return what is wrong first, in one line.

    Whoever could not be told is not tried again at this wake-up, nor is a mail server that did not answer: so nobody
    keeps others waiting.
    """
    problems: list[str] = []
    silent: set[str] = set()
    until = time.monotonic() + SPOOL_SECONDS
    for path in _list_spool(config.state / "spool"):
        transport = "notice" if path.suffix == ".notice" else "mail"
        if silent & {transport, _find_whom(path)}:
            continue
        answer = _try_again(config, path)
        if answer.is_damaged:
            problems.append(f"{path} is damaged ({answer.problem}), so nobody gets it: look at it, then remove it")
            continue
        waits = not answer.is_done or bool(answer.left)
        if answer.problem:
            problems.append(_WAITS.format(KINDS[path.suffix], answer.problem) if waits else answer.problem)
        if waits:
            has_answered = answer.is_done or answer.is_refused or transport == "notice"
            silent.add(_find_whom(path) if has_answered else transport)
        if time.monotonic() > until:
            break
    return problems[0] if problems else ""


def _try_again(config: Config, path: Path) -> Answer:
    """Send a file of the spool. One that a disk does not give or take stays, and keeps nothing else from being done."""
    try:
        return _send_again(config, path)
    except OSError as error:
        return Answer(False, f"{path}: {error.strerror}", is_refused=True)


def _send_again(config: Config, path: Path) -> Answer:
    """Send a file of the spool; it stays, or its letter does, for those who do not have it."""
    answer = _deliver(config, path.read_bytes(), KINDS[path.suffix])
    is_late = path.suffix == ".notice" and time.time() - path.stat().st_mtime > NOTICE_SECONDS
    rest = path if path.suffix == ".letter" else path.with_suffix(".runner.letter")
    if answer.left:
        write_whole(rest, answer.left)
    if (answer.is_done or is_late) and not (answer.left and rest == path):
        path.unlink()
    return answer


def _list_spool(spool: Path) -> list[Path]:
    """Return what waits. Of a flood for the same people only the newest stay."""
    waiting: dict[str, list[Path]] = {}
    for path in sorted(spool.glob("*")) if spool.is_dir() else []:
        if path.suffix in KINDS and not path.name.startswith("."):
            waiting.setdefault(_find_whom(path), []).append(path)
    for path in (path for paths in waiting.values() for path in paths[:-MOST_SPOOLED]):
        path.unlink(missing_ok=True)
    return sorted(path for paths in waiting.values() for path in paths[-MOST_SPOOLED:])


def _find_whom(path: Path) -> str:
    """Return what stands in a name of the spool behind the run's id: equal for the same recipients or place."""
    return path.name.partition(".")[2]


def _keep(config: Config, name: str, content: bytes) -> None:
    """Keep something in the spool; raises OSError."""
    spool = config.state / "spool"
    spool.mkdir(mode=0o700, exist_ok=True)
    write_whole(spool / name, content)


def _keep_left(config: Config, run_id: str, answer: Answer) -> str:
    """Keep what is left of a mail of the runner's own; return what is wrong, if anything is, in one line."""
    if not answer.left:
        return answer.problem
    try:
        _keep(config, f"{run_id}.runner.letter", answer.left)
    except OSError as error:
        return f"not everybody could be told: {answer.problem}; and the mail cannot be kept: {error.strerror}"
    return _WAITS.format("mail", answer.problem)


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
    problem = "" if done.returncode == 0 else printable(lines[-1])[:500]
    left = done.stdout if done.returncode == PARTLY else b""
    code = done.returncode
    return Answer(code in (0, PARTLY), problem, left, is_refused=code == REFUSED, is_damaged=code == DAMAGED)
