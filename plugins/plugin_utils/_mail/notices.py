# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Notices beside mail: short words for people, and one JSON object for programs (docs/report.md).

Nothing that a client said goes to a chat, where a line may call everybody or be a link: only names of the inventory,
codes and words of ours. The JSON has the reasons, made printable.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.paranoid.backup.plugins.module_utils._common.programs import TooSlow, run_program
from ansible_collections.paranoid.backup.plugins.module_utils._common.text import one_line
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.model import Run
from ansible_collections.paranoid.backup.plugins.plugin_utils._report.page import Page
from ansible_collections.paranoid.backup.plugins.plugin_utils._targets import Target

SCHEMA = 1
MOST_NAMED = 50
_PROGRAM = Path(__file__).parent / "notifier.py"
_LINES = 12


@dataclass(frozen=True, slots=True)
class Notice:
    """What is told: ``title`` and ``lines`` to people, ``content`` to programs."""

    title: str
    lines: tuple[str, ...]
    content: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Return what a spool keeps, from which ``Notice(**…)`` makes it again."""
        return {"title": self.title, "lines": list(self.lines), "content": dict(self.content)}


def make_notice(run: Run, page: Page, subject: str) -> Notice:
    """Return the notice of a finished run."""
    failed = [client for client in run.clients if client.has_failed]
    lines = [f"{alert.kind}: {alert.client}" for alert in page.alerts[:_LINES]]
    lines += [f"{one.kind}: {one.what}" for one in page.changes if one.tone != "quiet"]
    lines += [f"{cause.count} {cause.code}" for cause in page.causes] or [
        f"{item.client}: {item.code or item.label}" for item in page.failures[:_LINES]
    ]
    lines += ["The run itself had a problem."] if run.problems else []
    lines += [f"{note.heading} ({note.count})" for note in page.notes if note.urgent]
    return Notice(subject, tuple(lines[:_LINES]), {
        "schema": SCHEMA,
        "run_id": run.run_id,
        "title": run.title,
        "status": run.status,
        "what": page.what,
        "headline": one_line(page.headline, 1000),
        "check": run.check,
        "started": run.started,
        "finished": run.finished,
        "tally": {name: getattr(run.tally, name) for name in ("total", "succeeded", "failed", "skipped", "not_run")},
        "alerts": [{"kind": one.kind, "client": one.client} for one in page.alerts[:MOST_NAMED]],
        "failed": [
            {
                "client": client.name,
                "work": str(client.work),
                "code": client.session.code if client.session else "",
                "reason": client.session.reason if client.session else "",
            }
            for client in failed[:MOST_NAMED]
        ],
        "problems": list(run.problems[:MOST_NAMED]),
        "mail": {"state": str(run.mail.state), "error": run.mail.error},
    })  # fmt: skip


def send_notice(notice: Notice, target: Target, seconds: float) -> str:
    """Tell one place; return what went wrong in one line, which has nothing secret in it, or an empty string."""
    told = _make_webhook(notice, target, seconds) if target.kind == "webhook" else _make_apprise(notice, target)
    try:
        done = run_program([sys.executable, "-I", str(_PROGRAM)], json.dumps(told).encode(), seconds)
    except TooSlow:
        return f"it was not done within {seconds:g} s"
    except OSError as error:
        return f"it could not be started: {error.strerror}"
    if done.returncode == 0:
        return ""
    line = (done.complaint.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
    for secret in filter(None, (target.url, target.secret)):
        line = line.replace(secret, "***")
    return one_line(line, 200)


def _make_apprise(notice: Notice, target: Target) -> dict[str, Any]:
    return {
        "kind": "apprise",
        "url": target.url,
        "title": notice.title,
        "body": "\n".join(notice.lines) or notice.title,
    }


def _make_webhook(notice: Notice, target: Target, seconds: float) -> dict[str, Any]:
    """The signature is over the time as well, so that an old notice cannot be sent again as a new one."""
    body, now = json.dumps(notice.content), str(int(time.time()))
    signed = hmac.new(target.secret.encode(), f"{now}.{body}".encode(), hashlib.sha256).hexdigest()
    headers = {"Content-Type": "application/json", "User-Agent": "paranoid-backup", "X-Paranoid-Backup-Time": now}
    headers |= {"X-Paranoid-Backup-Signature": f"sha256={signed}"} if target.secret else {}
    content = {"url": target.url, "body": body, "headers": headers, "ca_file": target.ca_file, "seconds": seconds}
    return {"kind": "webhook", **content}
