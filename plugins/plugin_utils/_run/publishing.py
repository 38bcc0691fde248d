# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The end of a run: record, pages, mail. A part that fails does not keep the others from being tried."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from email.message import EmailMessage

from ansible_collections.paranoid.backup.plugins.module_utils._common.text import one_line
from ansible_collections.paranoid.backup.plugins.plugin_utils._mail import delivery as transport
from ansible_collections.paranoid.backup.plugins.plugin_utils._mail.message import message
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.directory import RunDir
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.model import MailState, Run
from ansible_collections.paranoid.backup.plugins.plugin_utils._report import layout as render
from ansible_collections.paranoid.backup.plugins.plugin_utils._report.page import page
from ansible_collections.paranoid.backup.plugins.plugin_utils._settings import Settings


@dataclass(frozen=True, slots=True)
class Published:
    """The run as it was recorded; ``complete`` when every file was written and the mail, if wanted, accepted."""

    run: Run
    complete: bool


def publish(run: Run, directory: RunDir, settings: Settings) -> Published:
    """Write the finished run's files and send its mail. Never raises for a full disk or an absent mail server."""
    before = run.problems
    run = _attempt(run, lambda: directory.save(run))
    laid_out = page(run, str(directory.record))
    text, html = render.text(laid_out), render.html(laid_out)
    run = _attempt(run, lambda: directory.write("report.txt", text.encode()))
    run = _attempt(run, lambda: directory.write("report.html", html.encode()))
    if run.mail.state is MailState.PENDING:
        mail = message(run, settings, text, html)
        run = _attempt(run, lambda: directory.write("mail.eml", mail.as_bytes()))
        run = _sent(run, mail, settings)
    run = _attempt(run, lambda: directory.save(run))
    return Published(run, run.problems == before and run.mail.state in (MailState.SENT, MailState.NONE))


def _sent(run: Run, mail: EmailMessage, settings: Settings) -> Run:
    if settings.transport is None:
        return run
    try:
        transport.send(mail, settings.transport, settings.mail_from, settings.mail_to)
    except transport.TransportError as error:
        return replace(run, mail=replace(run.mail, state=MailState.FAILED, error=str(error)))
    return replace(run, mail=replace(run.mail, state=MailState.SENT))


def _attempt(run: Run, write: Callable[[], None]) -> Run:
    try:
        write()
    except OSError as error:
        problem = one_line(f"the report could not be written: {error}", 500)
        return run if problem in run.problems else replace(run, problems=(*run.problems, problem))
    return run
