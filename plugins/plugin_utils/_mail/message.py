# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The mail of a run: headers that nobody can inject into, text and HTML side by side."""

from __future__ import annotations

from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP

from ansible_collections.paranoid.backup.plugins.module_utils._common.formatting import count_seconds, format_duration
from ansible_collections.paranoid.backup.plugins.module_utils._common.text import one_line
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.model import Run
from ansible_collections.paranoid.backup.plugins.plugin_utils._report.headline import format_status
from ansible_collections.paranoid.backup.plugins.plugin_utils._report.layout import render_html, render_text
from ansible_collections.paranoid.backup.plugins.plugin_utils._report.page import Page
from ansible_collections.paranoid.backup.plugins.plugin_utils._settings import Settings


def make_message(run: Run, settings: Settings, text: str, html: str, mark: str = "") -> EmailMessage:
    """Return the mail of a finished run as multipart/alternative; ``mark`` tells one of several apart."""
    mail = _make_mail(settings, format_subject(run, settings), datetime.fromisoformat(run.finished), text, html)
    mail["Message-ID"] = f"<{run.run_id}{mark}@paranoid-backup.invalid>"
    mail["X-Paranoid-Backup-Run"] = run.run_id
    return mail


def make_digest_mail(page: Page, settings: Settings, now: datetime) -> EmailMessage:
    """Return the mail of a digest."""
    subject = one_line(f"[{page.title}] {page.what}: {page.headline}", 200)
    mail = _make_mail(settings, subject, now, render_text(page), render_html(page))
    mail["Message-ID"] = f"<digest-{now:%Y%m%dT%H%M%SZ}@paranoid-backup.invalid>"
    return mail


def _make_mail(settings: Settings, subject: str, now: datetime, text: str, html: str) -> EmailMessage:
    mail = EmailMessage(policy=SMTP)
    mail["Subject"] = subject
    mail["From"] = settings.mail_from
    mail["To"] = settings.mail_to
    mail["Date"] = now
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(text, cte="quoted-printable")
    mail.add_alternative(html, subtype="html", cte="quoted-printable")
    return mail


def list_recipients(settings: Settings) -> tuple[str, ...]:
    """Return the addresses of the recipients, without their names."""
    return tuple(address.addr_spec for address in settings.mail_to)


def format_subject(run: Run, settings: Settings) -> str:
    """Return the subject, one printable line of at most 200 characters."""
    tally = run.tally
    line = settings.subject.substitute(
        STATUS=run.status,
        WHAT=format_status(run),
        SUCCEEDED=tally.succeeded,
        FAILED=tally.failed,
        SKIPPED=tally.skipped,
        TOTAL=tally.total,
        RUNTIME=format_duration(count_seconds(run.started, run.finished)),
        RUN_ID=run.run_id,
        TITLE=run.title,
    )
    return one_line(line, 200)
