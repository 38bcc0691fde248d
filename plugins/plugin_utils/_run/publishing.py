# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The end of a run: record, pages, mail. If one part fails, the others are still tried."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from email.message import EmailMessage

from ansible_collections.paranoid.backup.plugins.module_utils._common.text import one_line
from ansible_collections.paranoid.backup.plugins.plugin_utils._mail.delivery import DeliveryError, send
from ansible_collections.paranoid.backup.plugins.plugin_utils._mail.message import list_recipients, make_message
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.directory import RunDir
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.model import MailState, Run
from ansible_collections.paranoid.backup.plugins.plugin_utils._report.layout import render_html, render_text
from ansible_collections.paranoid.backup.plugins.plugin_utils._report.page import make_page
from ansible_collections.paranoid.backup.plugins.plugin_utils._settings import Settings


@dataclass(frozen=True, slots=True)
class Published:
    """The run as it was recorded; ``complete`` when every file was written and the mail, if wanted, accepted."""

    run: Run
    complete: bool


def publish(run: Run, directory: RunDir, settings: Settings) -> Published:
    """Write the finished run's files and send its mail. Never raises for a full disk or an absent mail server."""
    before = run.problems  # What cannot be written from here on makes the report incomplete.
    run = _try(run, lambda: directory.save(run))
    page = make_page(run, str(directory.record))
    text, html = render_text(page), render_html(page)
    run = _try(run, lambda: directory.write("report.txt", text.encode()))
    run = _try(run, lambda: directory.write("report.html", html.encode()))
    if run.mail.state is MailState.PENDING:
        mail = make_message(run, settings, text, html)
        run = _try(run, lambda: directory.write("mail.eml", mail.as_bytes()))
        run = _send(run, mail, settings)
    run = _try(run, lambda: directory.save(run))
    return Published(run, run.problems == before and run.mail.state not in (MailState.PENDING, MailState.FAILED))


def _send(run: Run, mail: EmailMessage, settings: Settings) -> Run:
    """Send the mail; return the run with its new mail state."""
    if settings.transport is None:
        return run
    try:
        is_away = send(mail, settings.transport, settings.mail_from.addr_spec, list_recipients(settings))
    except DeliveryError as error:
        return replace(run, mail=replace(run.mail, state=MailState.FAILED, error=str(error), accepted=error.accepted))
    return replace(run, mail=replace(run.mail, state=MailState.SENT if is_away else MailState.QUEUED))


def _try(run: Run, write: Callable[[], None]) -> Run:
    """Write; return the run, with a problem if the write failed."""
    try:
        write()
    except OSError as error:
        problem = one_line(f"the report could not be written: {error}", 500)
        return run if problem in run.problems else replace(run, problems=(*run.problems, problem))
    return run
