# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An SMTP connection that ends, whatever the server does: smtplib bounds the wait for a byte, not the conversation."""

from __future__ import annotations

import os
import smtplib
import socket
import ssl
from contextlib import suppress
from threading import Timer
from types import TracebackType
from typing import BinaryIO, cast

from ansible_collections.paranoid.backup.plugins.plugin_utils._settings import Smtp

ANSWERS = 8  # how many answers may take as long as one may: with 30 s the whole conversation is over after 4 min
MOST_SAID = 1024 * 1024  # bytes of all answers together


class Watch:
    """Cuts a connection after some seconds; ``is_over`` says that it did. A context, in which it watches."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.is_over = False
        self._socket: socket.socket | None = None
        self._timer = Timer(seconds, self._cut)
        self._timer.daemon = True

    def __enter__(self) -> Watch:
        self._timer.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        self._timer.cancel()
        if self._socket:
            self._socket.close()

    def follow(self, connection: socket.socket) -> None:
        """Watch this connection; a descriptor of our own outlives its wrapping in TLS."""
        self._socket = socket.socket(fileno=os.dup(connection.fileno()))
        if self.is_over:
            raise TimeoutError

    def _cut(self) -> None:
        self.is_over = True
        with suppress(OSError):  # It may have ended by itself in this moment.
            if self._socket:
                self._socket.shutdown(socket.SHUT_RDWR)


class Connection(smtplib.SMTP):
    """A connection under a watch, whose server may not talk without end either."""

    def __init__(self, smtp: Smtp, context: ssl.SSLContext, watch: Watch) -> None:
        self._watch, self._tls = watch, context if smtp.security == "tls" else None
        # Without a greeting smtplib looks for the machine's full name, else takes its address.
        super().__init__(smtp.host, smtp.port, smtp.greeting or None, timeout=smtp.timeout)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        """What smtplib calls to connect."""
        connection = socket.create_connection((host, port), timeout)
        self._watch.follow(connection)
        return self._tls.wrap_socket(connection, server_hostname=host) if self._tls else connection

    def getreply(self) -> tuple[int, bytes]:
        """What smtplib calls to read an answer."""
        if self.file is None and self.sock:
            self.file = _Limited(cast(BinaryIO, self.sock.makefile("rb")))
        return super().getreply()


class _Limited:
    """What a server says, up to a limit."""

    def __init__(self, source: BinaryIO) -> None:
        self._source, self._room = source, MOST_SAID
        self.close = source.close

    def readline(self, most: int) -> bytes:
        line = self._source.readline(most)
        self._room -= len(line)
        if self._room < 0:
            raise OSError("it talks without end")
        return line
