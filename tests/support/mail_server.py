# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real mail server on loopback, which keeps what it is given."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

USER, PASSWORD = "report", "correct horse 'battery' $taple"


@dataclass
class Mailbox:
    """Collects what was mailed; ``refuse`` holds recipients that are unknown here."""

    port: int
    ca_file: Path
    refuse: set[str] = field(default_factory=set)
    answer: str = "250 OK"
    mails: list[EmailMessage] = field(default_factory=list)
    recipients: list[list[str]] = field(default_factory=list)
    greetings: list[str] = field(default_factory=list)

    def text(self, place: int = 0) -> str:
        """Return a mail, the first, as plain text; aiosmtpd would read a property."""
        plain = self.mails[place].get_body(("plain",))
        assert plain
        return str(plain.get_content())

    async def handle_RCPT(self, _smtp: SMTP, _session: Session, envelope: Envelope, address: str, _options: Any) -> str:
        if address in self.refuse:
            return f"550 5.1.1 no such user {address}"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _smtp: SMTP, session: Session, envelope: Envelope) -> str:
        if self.answer.startswith("250"):
            self.mails.append(message_from_bytes(envelope.original_content or b"", policy=policy.default))
            self.recipients.append(envelope.rcpt_tos)
            self.greetings.append(str(session.host_name))
        return self.answer


@contextmanager
def served(box: Mailbox, **options: Any) -> Iterator[Mailbox]:
    """Run a server for the mailbox, with these options of aiosmtpd."""
    controller = Controller(box, hostname="localhost", port=box.port, **options)
    controller.start()
    try:
        yield box
    finally:
        controller.stop()


def login(_server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: Any) -> AuthResult:
    """Let in the one user with the right password."""
    right = (data.login, data.password) == (USER.encode(), PASSWORD.encode())
    return AuthResult(success=right, handled=right)


def free_port() -> int:
    """Return a port of loopback on which nobody listens."""
    with socket.create_server(("localhost", 0)) as server:
        port: int = server.getsockname()[1]
        return port
