# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The end of a run: record, pages, mails. If one part fails, the others are still tried."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from ansible_collections.paranoid.backup.plugins.module_utils._common.text import one_line
from ansible_collections.paranoid.backup.plugins.plugin_utils._mail.delivery import DeliveryError, send
from ansible_collections.paranoid.backup.plugins.plugin_utils._mail.letters import Letter, Owner, write_letters
from ansible_collections.paranoid.backup.plugins.plugin_utils._mail.message import format_subject
from ansible_collections.paranoid.backup.plugins.plugin_utils._mail.notices import make_notice, send_notice
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.directory import RunDir
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.history import (
    TEAM,
    History,
    add_run,
    dump_history,
    note_told,
)
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.model import (
    Mail,
    MailState,
    NoticeState,
    Run,
    SentNotice,
)
from ansible_collections.paranoid.backup.plugins.plugin_utils._report.layout import render_html, render_text
from ansible_collections.paranoid.backup.plugins.plugin_utils._report.page import Page, make_page
from ansible_collections.paranoid.backup.plugins.plugin_utils._run.spooling import (
    keep_letter,
    keep_notice,
    list_waiting,
)
from ansible_collections.paranoid.backup.plugins.plugin_utils._settings import Settings

_MISSED = (MailState.FAILED, MailState.WAITING)


@dataclass(frozen=True, slots=True)
class Published:
    """The run as it was recorded; ``complete`` when every file was written and the mails, if wanted, accepted."""

    run: Run
    complete: bool


@dataclass(frozen=True, slots=True)
class _Sent:
    """What came of a letter; ``is_away`` if it has left this machine, or will never."""

    letter: Letter
    error: str
    is_away: bool
    accepted: tuple[str, ...]


def publish(run: Run, directory: RunDir, settings: Settings, history: History, owners: Sequence[Owner]) -> Published:
    """Write the finished run's files and send its mails. Never raises for a full disk or an absent mail server."""
    run = replace(run, waiting=list_waiting())
    before = run.problems  # What cannot be written from here on makes the report incomplete.
    run = _try(run, lambda: directory.save(run))
    page = make_page(run, str(directory.record), history)
    run = _try(run, lambda: directory.write("report.txt", render_text(page).encode()))
    run = _try(run, lambda: directory.write("report.html", render_html(page).encode()))
    told: tuple[str, ...] = ()
    if run.mail.state is MailState.PENDING:
        letters = write_letters(run, str(directory.record), settings, history, owners)
        run, told = _send_letters(run, directory, settings, letters)
    if run.mail.state is not MailState.LATER:  # else the report of all of them tells, and goes on from what was before
        run = replace(run, notices=tuple(_notify(run, page, settings)))
        history = note_told(add_run(history, run), told, run.finished)
    run = replace(run, history=dump_history(history))
    run = _try(run, lambda: directory.save(run))
    is_told = run.mail.state not in (MailState.PENDING, *_MISSED)
    is_complete = run.problems == before and is_told and all(one.state is NoticeState.SENT for one in run.notices)
    return Published(run, is_complete)


def _send_letters(
    run: Run, directory: RunDir, settings: Settings, letters: Iterable[Letter]
) -> tuple[Run, tuple[str, ...]]:
    """Send each letter; return the run with its new mail state, and whom they reached."""
    sent = []
    for letter in letters:
        run = _try(run, partial(directory.write, letter.file, letter.mail.as_bytes()))
        sent.append(_send(letter, settings))
    if not sent:
        return replace(run, mail=Mail(MailState.NONE)), ()
    errors = [one.error for one in sent if one.error]
    kept = [_keep(run, one) for one in sent if one.error]  # All of them, whatever becomes of one.
    missed = MailState.WAITING if all(kept) else MailState.FAILED
    state = MailState.SENT if all(one.is_away for one in sent) else MailState.QUEUED
    mail = Mail(
        state=missed if errors else state,
        to=tuple(address for one in sent for address in one.letter.recipients),
        error=one_line("; ".join(errors), 500),
        accepted=tuple(address for one in sent for address in one.accepted) if errors else (),
    )
    return replace(run, mail=mail), tuple(one.letter.whom for one in sent if not one.error)


def _send(letter: Letter, settings: Settings) -> _Sent:
    if settings.transport is None:
        return _Sent(letter, "method = none sends no mail", False, ())
    try:
        is_away = send(letter.mail, settings.transport, settings.mail_from.addr_spec, letter.recipients)
    except DeliveryError as error:
        return _Sent(letter, str(error), True, error.accepted)
    return _Sent(letter, "", is_away, letter.recipients)


def _keep(run: Run, sent: _Sent) -> bool:
    """Keep a letter for those who do not have it; return whether somebody tries again.

    What none of the team has is not kept: the runner tells them by a mail of its own.
    """
    missing = tuple(one for one in sent.letter.recipients if one not in sent.accepted)
    if sent.letter.whom == TEAM and not sent.accepted:
        return False
    return keep_letter(run.run_id, sent.letter.mail, missing, sent.error)


def _notify(run: Run, page: Page, settings: Settings) -> Iterator[SentNotice]:
    """Tell the places beside mail. It comes last, so that a notice can say that no mail went out."""
    if run.check and not settings.mail_in_check:
        return
    notice = make_notice(run, page, format_subject(run, settings))
    for place, target in enumerate(settings.targets, 1):
        if target.failures_only and not page.is_urgent and run.mail.state not in _MISSED:
            continue
        error = send_notice(notice, target, settings.notice_seconds)
        if not error:
            yield SentNotice(target.name, NoticeState.SENT)
        elif keep_notice(run.run_id, notice, target, place, error):
            yield SentNotice(target.name, NoticeState.WAITING, error)
        else:
            yield SentNotice(target.name, NoticeState.FAILED, error)


def _try(run: Run, write: Callable[[], None]) -> Run:
    """Write; return the run, with a problem if the write failed."""
    try:
        write()
    except OSError as error:
        problem = one_line(f"the report could not be written: {error}", 500)
        return run if problem in run.problems else replace(run, problems=(*run.problems, problem))
    return run
