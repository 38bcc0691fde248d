# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real mail server on loopback, which keeps what it is given."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
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
    """Collects what was mailed; ``refuse`` holds recipients that are unknown here, ``delay`` those that should wait."""

    port: int
    ca_file: Path
    refuse: set[str] = field(default_factory=set)
    delay: set[str] = field(default_factory=set)
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
        if address in self.delay:
            return "451 4.7.1 come back later"
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


@dataclass
class Script:
    """A mail server that answers each command with these bytes, and hangs up where it has none left for one.

    The greeting is the answer to ``""``, the end of a message that to ``"."``; ``said`` are the commands that came.
    """

    port: int
    answers: dict[str, bytes]
    drip: float = 0  # seconds between two bytes
    said: list[str] = field(default_factory=list)

    def talk(self, connection: socket.socket) -> None:
        """Serve one connection."""
        with connection, connection.makefile("rb") as lines, suppress(OSError):
            self._say(connection, "")
            is_message = False
            for line in lines:
                command = "." if is_message else (line.split() or [b"?"])[0].decode("ascii", "replace").upper()
                if is_message and line != b".\r\n":
                    continue
                self.said.append(line.decode("utf-8", "replace").strip())
                is_message = command == "DATA" and self.answers["DATA"].startswith(b"354")
                if not self._say(connection, command):
                    return

    def _say(self, connection: socket.socket, command: str) -> bool:
        answer = self.answers.get(command, b"")
        for part in [answer[place : place + 1] for place in range(len(answer))] if self.drip else [answer]:
            connection.sendall(part)
            time.sleep(self.drip)
        return bool(answer)


PLAIN = {
    "": b"220 here\r\n", "EHLO": b"250 here\r\n", "MAIL": b"250 ok\r\n", "RCPT": b"250 ok\r\n", "RSET": b"250 ok\r\n",
    "DATA": b"354 go on\r\n", ".": b"250 ok\r\n", "QUIT": b"221 bye\r\n",
}  # fmt: skip


@contextmanager
def scripted(answers: Mapping[str, bytes], drip: float = 0) -> Iterator[Script]:
    """Run a server without any extension, but for these answers, by command."""
    with socket.create_server(("localhost", 0)) as server:
        script = Script(server.getsockname()[1], {**PLAIN, **answers}, drip)

        def serve() -> None:
            with suppress(OSError):
                while True:
                    script.talk(server.accept()[0])

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield script
        server.shutdown(socket.SHUT_RDWR)
        thread.join(5)
