# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real mail server on loopback, with STARTTLS and login, and one that never answers."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
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

    async def recipient(self, _smtp: SMTP, _session: Session, envelope: Envelope, address: str, _options: Any) -> str:
        if address in self.refuse:
            return f"550 5.1.1 no such user {address}"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def data(self, _smtp: SMTP, _session: Session, envelope: Envelope) -> str:
        if self.answer.startswith("250"):
            self.mails.append(message_from_bytes(envelope.original_content or b"", policy=policy.default))
            self.recipients.append(envelope.rcpt_tos)
        return self.answer


# The names that aiosmtpd looks for.
Mailbox.handle_RCPT = Mailbox.recipient
Mailbox.handle_DATA = Mailbox.data


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def other_certificate(tmp_path: Path) -> Path:
    """Certificate of somebody else for the same name."""
    return make_certificate(tmp_path)


def make_certificate(directory: Path) -> Path:
    """Return a PEM file with key and certificate for localhost, which is its own authority."""
    key, certificate = directory / "key.pem", directory / "certificate.pem"
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    name = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "2"]
    openssl = shutil.which("openssl") or "openssl"
    subprocess.run(
        [openssl, "req", "-x509", *curve, *name, "-keyout", key, "-out", certificate], check=True, capture_output=True
    )
    both = directory / "both.pem"
    both.write_text(key.read_text() + certificate.read_text())
    return both


@pytest.fixture
def mailbox(certificate: Path) -> Iterator[Mailbox]:
    """Server that demands STARTTLS and then a login."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    yield from _serve(
        Mailbox(_free_port(), certificate),
        tls_context=context,
        require_starttls=True,
        auth_required=True,
        authenticator=_login,
    )


@pytest.fixture
def plain_mailbox(certificate: Path) -> Iterator[Mailbox]:
    """Server without any security."""
    yield from _serve(Mailbox(_free_port(), certificate))


@pytest.fixture
def tls_mailbox(certificate: Path) -> Iterator[Mailbox]:
    """Server that speaks TLS from the first byte."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    box = Mailbox(_free_port(), certificate)
    controller = Controller(box, hostname="localhost", port=box.port, ssl_context=context)
    controller.start()
    yield box
    controller.stop()


@pytest.fixture
def mute_port() -> Iterator[int]:
    """Port that accepts connections and never says a word."""
    with socket.create_server(("localhost", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def closed_port() -> int:
    return _free_port()


def _serve(box: Mailbox, **options: Any) -> Iterator[Mailbox]:
    controller = Controller(box, hostname="localhost", port=box.port, **options)
    controller.start()
    yield box
    controller.stop()


def _login(_server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: Any) -> AuthResult:
    right = (data.login, data.password) == (USER.encode(), PASSWORD.encode())
    return AuthResult(success=right, handled=right)


def _free_port() -> int:
    with socket.create_server(("localhost", 0)) as server:
        return server.getsockname()[1]
