#!/usr/bin/python3
# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's mail server: takes mail only after STARTTLS and a login, and keeps each mail as one file."""

from __future__ import annotations

import argparse
import hmac
import os
import socket
import ssl
import threading
import time
from pathlib import Path

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

CONFIG = Path("/etc/lab-mail")
MAILS = Path("/var/mail/lab")


class Keeper:
    """Writes each mail to a file whose name sorts by arrival; a name that ends in ``.eml`` is always whole."""

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Keep one mail."""
        path = MAILS / f"{time.time_ns()}.eml"
        partial = path.with_suffix(".partial")
        partial.write_bytes(envelope.original_content or b"")
        partial.rename(path)
        return "250 OK"


class Login:
    """Knows the one login that may send."""

    def __init__(self, user: str, password: str) -> None:
        self._login = user.encode(), password.encode()

    def __call__(self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: object) -> AuthResult:
        """Let the one login pass, by whatever mechanism it came."""
        if not isinstance(data, LoginPassword):
            return AuthResult(success=False, handled=False)
        right = [hmac.compare_digest(*pair) for pair in zip(self._login, (data.login, data.password), strict=True)]
        return AuthResult(success=all(right), handled=False)


def notify_ready() -> None:
    """Tell systemd that the port is open (sd_notify(3), ``READY=1``)."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--address", required=True)
    parser.add_argument("--port", required=True, type=int)
    parser.add_argument("--user", required=True)
    options = parser.parse_args()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(CONFIG / "mail.pem", CONFIG / "mail.key")
    Controller(
        Keeper(),
        hostname=options.address,
        port=options.port,
        tls_context=context,
        require_starttls=True,
        authenticator=Login(options.user, (CONFIG / "mail_password").read_text().strip()),
        auth_required=True,
        auth_require_tls=True,
    ).start()
    notify_ready()
    threading.Event().wait()


if __name__ == "__main__":
    main()
