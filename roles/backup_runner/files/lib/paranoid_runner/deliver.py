# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hand in what is on standard input, to whom and how the callback says. A process of its own: see telling.py.

Ansible reads its configuration when it is imported, so this must not happen in the runner, which lives longer.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from importlib import import_module
from typing import Any

NAME = "paranoid.backup.report"
PARTLY = 3  # To send it again would send it again to those who have it: what is left is a letter for the others.
REFUSED = 4  # Somebody answered that nobody gets it. Another one may fare better.
DAMAGED = 5  # What was given can be sent by nobody, now or later.
PACKAGE = "ansible_collections.paranoid.backup.plugins.plugin_utils"  # there once Ansible has found the collection


class DamagedError(ValueError):
    """What is to be handed in is not what was once kept; the message is one line."""


def load_plugin() -> Any:
    """Return the callback with its options read, from the collection that the project's ansible.cfg leads to."""
    from ansible.plugins.loader import callback_loader, init_plugin_loader

    init_plugin_loader()
    plugin = callback_loader.get(NAME)
    if plugin is None:
        raise LookupError(f"the callback {NAME} is not found: is the collection where ansible.cfg says it is?")
    plugin.set_options()
    return plugin


def load_settings() -> Any:
    """Return the callback's settings."""
    plugin = load_plugin()  # Only then are the packages of the collection there.
    return import_module(f"{PACKAGE}._settings").load_settings(plugin.get_option)


def load_mail_settings() -> Any:
    """Return the callback's settings; LookupError if they send no mail."""
    settings = load_settings()
    if settings.transport is None:
        raise LookupError("method = none sends no mail: nobody can be told")
    return settings


def deliver(content: bytes) -> None:
    """Complete the mail and send it, or tell the places beside mail if there is none; raises what went wrong."""
    mail = message_from_bytes(content, policy=policy.SMTP)
    if not mail["Subject"] or not mail["X-Paranoid-Backup-Run"]:
        raise DamagedError("it is no mail of the runner")
    settings = load_settings()
    if settings.transport is None and settings.targets:
        tell_places(mail, settings)
        return
    settings = load_mail_settings()
    title = import_module(f"{PACKAGE}._record.sanitize").take_text(settings.title, 80)  # as in all other mails
    mail.replace_header("Subject", f"[{title}] {mail['Subject']}"[:200])
    mail["From"] = settings.mail_from
    mail["To"] = settings.mail_to
    mail["Date"] = datetime.now(UTC)
    mail["Message-ID"] = f"<runner-{mail['X-Paranoid-Backup-Run']}@paranoid-backup.invalid>"
    send(mail, settings, import_module(f"{PACKAGE}._mail.message").list_recipients(settings))


def tell_places(mail: EmailMessage, settings: Any) -> None:
    """Tell the places beside mail what the runner would mail; LookupError if none of them takes it."""
    begun = import_module(f"{PACKAGE}._run.observer").make_run(settings, mail["X-Paranoid-Backup-Run"], "", False)
    run = replace(begun, finished=begun.started, problems=(str(mail["Subject"]),))
    notices, page = (import_module(f"{PACKAGE}.{name}") for name in ("_mail.notices", "_report.page"))
    notice = notices.make_notice(run, page.make_page(run, ""), f"[{run.title}] {mail['Subject']}"[:200])
    problems = [
        f"{target.name}: {problem}"
        for target in settings.targets
        if (problem := notices.send_notice(notice, target, settings.notice_seconds))
    ]
    if len(problems) == len(settings.targets):
        raise LookupError(problems[0])


def read_kept(content: bytes, form: Mapping[str, type]) -> Mapping[str, Any]:
    """Return what was kept in a file of the spool; DamagedError if it does not have this form."""
    try:
        told = json.loads(content)
    except (ValueError, RecursionError):
        raise DamagedError("it is no JSON") from None
    if not isinstance(told, dict) or not all(isinstance(told.get(name), kind) for name, kind in form.items()):
        raise DamagedError("it is not what was kept")
    return told


def send_letter(content: bytes) -> None:
    """Send a run's mail to those who do not have it; whoever is no longer to hear of anything is done."""
    told = read_kept(content, {"recipients": list, "mail": str})
    settings = load_mail_settings()
    owners = (address for addresses in settings.owners.values() for address in addresses)
    wanted = {address.addr_spec for address in (*settings.mail_to, *owners)}
    recipients = tuple(one for one in told["recipients"] if one in wanted)
    if recipients:
        mail = message_from_bytes(told["mail"].encode("ascii", "surrogateescape"), policy=policy.SMTP)
        send(mail, settings, recipients, for_all=True)


def notify(content: bytes) -> None:
    """Send a notice again; one for a place that is no longer there is done."""
    told = read_kept(content, {"title": str, "lines": list, "content": dict, "target": str})
    settings = load_settings()
    notices = import_module(f"{PACKAGE}._mail.notices")
    notice = notices.Notice(told["title"], tuple(told["lines"]), told["content"])
    for target in settings.targets:
        if target.name == told["target"]:
            problem = notices.send_notice(notice, target, settings.notice_seconds)
            if problem:
                raise LookupError(f"{target.name}: {problem}")


def tell_digest(content: bytes) -> None:
    """Make the mail about the last days of what the runs have handed on, and send it."""
    told, now = json.loads(content), datetime.now(UTC)
    settings = load_mail_settings()
    history = import_module(f"{PACKAGE}._record.history").load_history(settings.report_dir)
    format_host = import_module(f"{PACKAGE}._run.ansible_events").format_host  # as the records have their names
    clients = {format_host(name): is_fresh for name, is_fresh in told["clients"].items()}
    make_digest = import_module(f"{PACKAGE}._report.digest").make_digest
    page = make_digest(history, settings.title, now, int(told["days"]), clients)
    messages = import_module(f"{PACKAGE}._mail.message")
    send(messages.make_digest_mail(page, settings, now), settings, messages.list_recipients(settings))


def send(mail: EmailMessage, settings: Any, recipients: tuple[str, ...], for_all: bool = False) -> None:
    """Send a mail. Where only some get it, a letter on standard output is for those who were refused for now.

    ``for_all``: it is for whoever was refused, for only a person knows whether that is for ever.
    """
    delivery = import_module(f"{PACKAGE}._mail.delivery")
    try:
        delivery.send(mail, settings.transport, settings.mail_from.addr_spec, recipients)
    except delivery.DeliveryError as error:
        left = [one for one in recipients if one not in error.accepted] if for_all else list(error.later)
        if error.accepted and left:
            text = mail.as_bytes().decode("ascii", "surrogateescape")
            sys.stdout.write(json.dumps({"recipients": left, "error": str(error), "mail": text}))
        raise


KINDS = {"mail": deliver, "letter": send_letter, "notice": notify, "digest": tell_digest}


def main(argv: list[str]) -> int:
    """Return 0 when it was accepted, one of the codes above for what came of it, else 1; with one line."""
    try:
        KINDS[argv[0]](sys.stdin.buffer.read())
    except Exception as error:  # Whatever is wrong with Ansible here, it stays in the spool.
        sys.stderr.write(f"{' '.join(str(error).split()) or type(error).__name__}\n")
        if getattr(error, "accepted", ()):
            return PARTLY
        if isinstance(error, DamagedError):
            return DAMAGED
        return REFUSED if getattr(error, "is_answered", False) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
