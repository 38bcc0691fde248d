# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Conversations with a gate that begin as Borg's do, and then go wrong somewhere: types, sizes, order, ids, cuts."""

from __future__ import annotations

import random
import select
import socket
import struct
from typing import Any

import msgpack
from hostile import MANIFEST_ID, VERSION
from paranoid_gate.policy import POLICIES

Call = tuple[Any, dict[Any, Any]]
_METHODS = (
    *sorted(POLICIES["trim"].calls),
    *("save_key", "destroy", "break_lock", "put_many", "__init__", "__class__", "call_put", "close", "answer", ""),
)
_ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**63, 2**64 - 1, -(2**63), 0.0, float("nan"), float("inf"), -float("inf"), 1e308),
    *(b"", b"\0", b"x" * 31, b"x" * 33, b"x" * 70_000, "text", [], {}, {b"a": b"b"}, list(range(32))),
)
# What is no message at all: it ends the connection, so there is little of it.
_WILD: tuple[Any, ...] = (
    *("\ud7ff", [[[[[[]]]]]], {b"a": {b"b": {b"c": {}}}}, [None] * 33),
    *(msgpack.ExtType(1, b"x"), msgpack.ExtType(127, b"\0" * 8), msgpack.Timestamp(2**33, 1)),
)


class Talker:
    """Makes conversations from a seed; ``keys`` are ids of objects that are stored."""

    def __init__(self, seed: int, keys: list[bytes]) -> None:
        self._bits = random.Random(seed)
        self._keys = keys

    def conversation(self) -> bytes:
        """Return the bytes of one connection."""
        calls = self._valid()
        for _ in range(self._bits.randrange(5)):
            self._bits.choice((self._change, self._drop, self._repeat, self._swap, self._rename, self._mix))(calls)
        numbers = range(1, len(calls) + 1)
        data = b"".join(self._pack(number, call) for number, call in zip(numbers, calls, strict=True))
        return self._bits.choice((bytes, bytes, bytes, bytes, bytes, self._cut, self._flip, self._lie_about_size))(data)

    def _valid(self) -> list[Call]:
        opening = {"path": b"/x", "create": False, "lock_wait": self._bits.choice((0, 1, None)), "lock": True}
        begin: list[Call] = [("negotiate", VERSION), ("open", {**opening, "exclusive": True, "append_only": False})]
        kinds = (self._backup, self._read, self._delete, self._crowd, self._nonces, self._many_commits)
        return [*begin, *self._bits.choice(kinds)(), *self._bits.choice(kinds)()]

    def _new(self) -> bytes:
        return self._bits.randbytes(32)

    def _is_tame(self) -> bool:
        return self._bits.random() < 0.9

    def _any(self) -> bytes:
        return self._bits.choice([*self._keys, MANIFEST_ID, self._new()])

    def _backup(self) -> list[Call]:
        puts: list[Call] = [
            ("put", {"id": self._new(), "data": self._bits.randbytes(self._bits.choice((0, 9, 5000, 90_000)))})
            for _ in range(self._bits.randrange(1, 20))
        ]
        return [("get", {"id": MANIFEST_ID}), ("get_free_nonce", {}), *puts, ("commit", {"compact": False})]

    def _read(self) -> list[Call]:
        gets: list[Call] = [("get", {"id": self._any()}) for _ in range(9)]
        marker = self._bits.choice((None, self._any()))
        lists: list[Call] = [(name, {"limit": 5, "marker": marker}) for name in ("list", "scan")]
        return [*lists, *gets, ("__len__", {}), ("check", {"repair": False, "max_duration": 0})]

    def _delete(self) -> list[Call]:
        made: list[Call] = []
        for _ in range(self._bits.randrange(1, 12)):
            key = self._any()
            made += [("put", {"id": key, "data": b"other"})] * self._bits.randrange(2)
            made += [("delete", {"id": key})] * self._bits.randrange(3)
            made += [(self._bits.choice(("commit", "rollback")), {"compact": False})] * self._bits.randrange(2)
        return [*made, ("commit", {"compact": self._bits.random() < 0.1})]

    def _crowd(self) -> list[Call]:
        prefix = self._bits.randbytes(4)
        puts: list[Call] = [("put", {"id": prefix + self._bits.randbytes(28), "data": b""}) for _ in range(1500)]
        return [*puts, ("commit", {"compact": False})]

    def _nonces(self) -> list[Call]:
        steps = [self._bits.choice((0, 2**30, 2**61 + 1, 2**63, 2**64 - 1, 2**70 % 2**64)) for _ in range(6)]
        return [("commit_nonce_reservation", {"next_unreserved": step, "start_nonce": None}) for step in steps]

    def _many_commits(self) -> list[Call]:
        return [
            call
            for _ in range(self._bits.randrange(1, 30))
            for call in (("put", {"id": self._new(), "data": b""}), ("commit", {"compact": False}))
        ]

    def _change(self, calls: list[Call]) -> None:
        at = self._bits.randrange(len(calls))
        method, arguments = calls[at]
        name = self._bits.choice([*arguments, "extra"] if self._is_tame() else [b"\xff", 7])
        calls[at] = (method, {**arguments, name: self._bits.choice(_ODD if self._is_tame() else _WILD)})

    def _drop(self, calls: list[Call]) -> None:
        calls.pop(self._bits.randrange(len(calls)))
        calls.append(("list", {}))

    def _repeat(self, calls: list[Call]) -> None:
        at = self._bits.randrange(len(calls))
        calls[at:at] = [calls[at]] * self._bits.randrange(1, 200)

    def _swap(self, calls: list[Call]) -> None:
        one, other = self._bits.randrange(1, len(calls)), self._bits.randrange(1, len(calls))
        calls[one], calls[other] = calls[other], calls[one]

    def _rename(self, calls: list[Call]) -> None:
        at = self._bits.randrange(1, len(calls))
        calls[at] = (self._bits.choice(_METHODS if self._is_tame() else _ODD), calls[at][1])

    def _mix(self, calls: list[Call]) -> None:
        middle = calls[2:]
        self._bits.shuffle(middle)
        calls[2:] = middle

    def _pack(self, number: int, call: Call) -> bytes:
        method, arguments = call
        if method == "negotiate":
            return _pack((1, number, method, [arguments]))
        return _pack({b"i": number, b"m": method, b"a": arguments})

    def _cut(self, data: bytes) -> bytes:
        return data[: self._bits.randrange(len(data))]

    def _flip(self, data: bytes) -> bytes:
        changed = bytearray(data)
        for _ in range(self._bits.randrange(1, 6)):
            changed[self._bits.randrange(len(data))] = self._bits.randrange(256)
        return bytes(changed)

    def _lie_about_size(self, data: bytes) -> bytes:
        header = self._bits.choice((b"\xc6", b"\xdb", b"\xdd", b"\xdf", b"\xc9"))
        return data + header + struct.pack(">I", self._bits.choice((2**31, 2**24, 2**32 - 1, 40_000))) + data


def _pack(value: Any) -> bytes:
    return bytes(msgpack.packb(value, use_bin_type=False, unicode_errors="surrogatepass"))


def say(connection: socket.socket, data: bytes, patience: float = 120, quiet: float = 0.3) -> None:
    """Send all of it, take every answer, hang up after so many ``quiet`` seconds; raise TimeoutError if it hangs.

    Who hangs up at once ends a call that is under way.
    """
    view, is_open = memoryview(data), True
    connection.setblocking(False)
    while True:
        limit = patience if view or not is_open else quiet
        readable, writable, _ = select.select([connection], [connection] if view else [], [], limit)
        try:
            if not (readable or writable):
                if view or not is_open:
                    raise TimeoutError(f"{len(view)} bytes of {len(data)} are not taken")
                connection.shutdown(socket.SHUT_WR)
                is_open = False
            if writable:
                view = view[connection.send(view) :]
            if readable and not connection.recv(2**20):
                return
        except (BrokenPipeError, ConnectionResetError):
            return
        except BlockingIOError:
            continue
