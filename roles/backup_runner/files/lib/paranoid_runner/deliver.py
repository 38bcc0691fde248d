# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hand in the mail on standard input, to whom and how the callback says. A process of its own: see telling.py.

Ansible reads its configuration when it is imported, so this must not happen in the runner, which lives longer.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from email import message_from_binary_file, policy
from email.message import EmailMessage
from importlib import import_module
from typing import Any

NAME = "paranoid.backup.report"
PARTLY = 3  # To send it again would send it again to those who have it.
PACKAGE = "ansible_collections.paranoid.backup.plugins.plugin_utils"  # there once Ansible has found the collection


def load_plugin() -> Any:
    """Return the callback with its options read, from the collection that the project's ansible.cfg leads to."""
    from ansible.plugins.loader import callback_loader, init_plugin_loader

    init_plugin_loader()
    plugin = callback_loader.get(NAME)
    if plugin is None:
        raise LookupError(f"the callback {NAME} is not found: is the collection where ansible.cfg says it is?")
    plugin.set_options()
    return plugin


def deliver(mail: EmailMessage) -> None:
    """Complete the mail and send it; raises what went wrong, with one line."""
    plugin = load_plugin()
    settings = import_module(f"{PACKAGE}._settings").load_settings(plugin.get_option)
    if settings.transport is None:
        raise LookupError("method = none sends no mail: nobody can be told")
    mail.replace_header("Subject", f"[{settings.title}] {mail['Subject']}"[:200])
    mail["From"] = settings.mail_from
    mail["To"] = settings.mail_to
    mail["Date"] = datetime.now(UTC)
    mail["Message-ID"] = f"<runner-{mail['X-Paranoid-Backup-Run']}@paranoid-backup.invalid>"
    recipients = import_module(f"{PACKAGE}._mail.message").list_recipients(settings)
    import_module(f"{PACKAGE}._mail.delivery").send(mail, settings.transport, settings.mail_from.addr_spec, recipients)


def main() -> int:
    """Return 0 when the mail was accepted, PARTLY when some have it and others never will, else 1; with one line."""
    mail = message_from_binary_file(sys.stdin.buffer, policy=policy.SMTP)
    try:
        deliver(mail)
    except Exception as error:  # Whatever is wrong with Ansible here, the mail stays in the spool.
        sys.stderr.write(f"{' '.join(str(error).split()) or type(error).__name__}\n")
        return PARTLY if getattr(error, "accepted", ()) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
