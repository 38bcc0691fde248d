# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A hostile client: it speaks Borg's RPC directly, and keeps none of the rules that Borg's own client keeps.

It needs only a connected pair of descriptors, whatever is between them and the gate.
"""

from __future__ import annotations

import os
import select
from typing import Any

import msgpack

MANIFEST_ID = bytes(32)
VERSION = {b"client_version": (1, 4, 5, -1)}


class Refusal(Exception):
    """The other side answered with an exception; ``kind`` is its class."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(f"{kind}: {message}")
        self.kind = kind
        self.message = message


class Closed(Exception):
    """The other side ended the connection."""


class Hostile:
    """One connection to a server that speaks Borg's RPC."""

    def __init__(self, reading: int, writing: int, timeout: float = 60.0) -> None:
        self._reading = reading
        self._writing = writing
        self._timeout = timeout
        os.set_blocking(writing, False)
        self._number = 0
        self._unpacker = msgpack.Unpacker(raw=True, strict_map_key=False, max_buffer_size=2**30)

    def hello(self, **options: Any) -> bytes:
        """Negotiate and open as a writer does; return the repository's id."""
        self.negotiate()
        return self.open(**options)

    def negotiate(self) -> Any:
        """Make the first call, which says what version we claim to be."""
        self._number += 1
        self.send(_pack((1, self._number, "negotiate", [VERSION])))
        return self.receive()

    def open(self, **options: Any) -> bytes:
        """Open a path, by default for writing; return the repository's id."""
        return bytes(self.call("open", **{"path": "/anything", "exclusive": True, "lock_wait": 1, **options}))

    def call(self, method: str, **arguments: Any) -> Any:
        """Make one call and return its result; raise Refusal or Closed."""
        self.post(method, **arguments)
        return self.receive()

    def post(self, method: str, **arguments: Any) -> None:
        """Make one call without waiting for its result."""
        self._number += 1
        self.send(_pack({b"i": self._number, b"m": method, b"a": arguments}))

    def send(self, data: bytes) -> None:
        """Send any bytes."""
        view = memoryview(data)
        try:
            while view:
                if not select.select([], [self._writing], [], self._timeout)[1]:
                    raise TimeoutError
                view = view[os.write(self._writing, view) :]
        except (BrokenPipeError, ConnectionResetError):
            raise Closed from None

    def receive(self) -> Any:
        """Return the next result; raise Refusal, Closed or TimeoutError."""
        answer = self._next()
        if isinstance(answer, dict):
            if b"exception_class" in answer:
                message = b"\n".join(answer[b"exception_short"]).decode()
                raise Refusal(answer[b"exception_class"].decode(), message)
            return answer[b"r"]
        _, _, error, result = answer
        if error is not None:
            raise Refusal(error.decode(), str(result))
        return result

    def wait(self, timeout: float) -> None:
        """Set how many seconds to wait for an answer from now on."""
        self._timeout = timeout

    def _next(self) -> Any:
        while True:
            for answer in self._unpacker:
                return answer
            if not select.select([self._reading], [], [], self._timeout)[0]:
                raise TimeoutError
            try:
                data = os.read(self._reading, 2**20)
            except ConnectionResetError:
                data = b""
            if not data:
                raise Closed
            self._unpacker.feed(data)


def _pack(value: Any) -> bytes:
    return bytes(msgpack.packb(value, use_bin_type=False))
