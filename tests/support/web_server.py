# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real web server on loopback, which keeps what is posted to it, and does what the path says."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


@dataclass
class Web:
    """What came: path, headers and body. ``answer`` is the status for a path that says nothing else."""

    port: int = 0
    answer: int = 200
    requests: list[tuple[str, Mapping[str, str], bytes]] = field(default_factory=list)


class _Handler(BaseHTTPRequestHandler):
    """Does what the path says."""

    server: _Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.web.requests.append((self.path, dict(self.headers), body))
        with suppress(OSError):
            self._answer(self.path.partition("?")[0])

    def do_GET(self) -> None:
        self.server.web.requests.append((self.path, {}, b""))
        self._send(200)

    def _answer(self, path: str) -> None:
        match path:
            case "/cut":
                self.connection.close()
            case "/away":
                self._send(302, Location="/elsewhere")
            case "/drip":
                for _second in range(100):
                    self.wfile.write(b"H")
                    time.sleep(0.1)
            case "/long":
                self._send(200)
                self.wfile.write(b"x" * 5_000_000)
            case _:
                self._send(500 if path == "/500" else self.server.web.answer)

    def _send(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_told: Any) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads, block_on_close = True, False

    def __init__(self, web: Web) -> None:
        super().__init__(("localhost", 0), _Handler)
        self.web = web

    def handle_error(self, *_told: Any) -> None:
        """Say nothing: clients that hang up are meant."""


@contextmanager
def served_web(certificate: Path | None = None) -> Iterator[Web]:
    """Run a server, with TLS if there is a certificate."""
    web = Web()
    server = _Server(web)
    if certificate:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    web.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield web
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
