# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real mail servers on loopback, with STARTTLS and login or without, and one that never answers."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from mail_server import Mailbox, free_port, login, served


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
    box = Mailbox(free_port(), certificate)
    with served(box, tls_context=context, require_starttls=True, auth_required=True, authenticator=login):
        yield box


@pytest.fixture
def plain_mailbox(certificate: Path) -> Iterator[Mailbox]:
    """Server without any security."""
    with served(Mailbox(free_port(), certificate)) as box:
        yield box


@pytest.fixture
def tls_mailbox(certificate: Path) -> Iterator[Mailbox]:
    """Server that speaks TLS from the first byte."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    with served(Mailbox(free_port(), certificate), ssl_context=context) as box:
        yield box


@pytest.fixture
def mute_port() -> Iterator[int]:
    """Port that accepts connections and never says a word."""
    with socket.create_server(("localhost", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def closed_port() -> int:
    return free_port()
