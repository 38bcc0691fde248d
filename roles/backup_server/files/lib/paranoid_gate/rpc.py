# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Borg's RPC on the wire: the client's messages, unpacked within bounds, and answers and errors for it.

The form is that of ``borg.remote`` 1.4: a map of ``i`` (number), ``m`` (method), ``a`` (named arguments) one way, of
``i`` and ``r`` (result) or ``exception_*`` the other. Only the first call, `negotiate`, comes as a list, and is
answered so: 1, number, method, arguments one way, 1, number, error, result the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import msgpack
from borg.constants import MAX_DATA_SIZE
from borg.helpers import Error
from borg.helpers import msgpack as borg_msgpack

from paranoid_gate.errors import EndOfConnection, Refused

READ_SIZE = 1024 * 1024  # bytes per read from the connection
_MESSAGE_SIZE = MAX_DATA_SIZE + 64 * 1024  # one object and the words around it
_WIDTH = 32  # entries of a map or of a list
_DEPTH = 4  # message, arguments, what `negotiate` says about the client, its version
_NUMBER_LIMIT = 2**63


@dataclass(frozen=True, slots=True)
class Message:
    """One call of the client."""

    number: int
    method: str
    arguments: dict[str, Any]
    first: bool = False


class Reader:
    """Turns bytes into messages; never holds more than one message and one read."""

    def __init__(self) -> None:
        self._unpacker = msgpack.Unpacker(
            raw=True,
            use_list=False,
            strict_map_key=False,
            object_hook=_map_with_depth,
            list_hook=_list_with_depth,
            max_buffer_size=_MESSAGE_SIZE + READ_SIZE,
            max_str_len=MAX_DATA_SIZE,
            max_bin_len=MAX_DATA_SIZE,
            max_array_len=_WIDTH,
            max_map_len=_WIDTH,
            max_ext_len=0,
        )

    def feed(self, data: bytes) -> Iterator[Message]:
        """Yield the messages that are complete with ``data``; end the connection on anything else."""
        try:
            self._unpacker.feed(data)
            for unpacked in self._unpacker:
                yield _parse_call(unpacked)
        except (ValueError, TypeError, msgpack.UnpackException) as error:
            raise EndOfConnection("protocol", f"not a message of Borg's protocol: {type(error).__name__}") from None


def pack_result(message: Message, result: Any) -> bytes:
    """Return the answer to a call."""
    answer = (1, message.number, None, result) if message.first else {b"i": message.number, b"r": result}
    return bytes(borg_msgpack.packb(answer))


def pack_error(message: Message, error: Exception, path: str) -> bytes:
    """Return ``error`` as Borg's client rebuilds it, without traceback, facts about the server, or ``path``."""
    name = "Error" if isinstance(error, Refused) else type(error).__name__
    arguments: list[Any] = [_without_path(argument, path) for argument in error.args]
    text = error.get_message() if isinstance(error, Error) else f"the backup server failed: {name}"
    return bytes(
        borg_msgpack.packb(
            {
                b"i": message.number,
                b"exception_class": name,
                b"exception_args": arguments,
                b"exception_full": [_without_path(text, path)],
                b"exception_short": [_without_path(text, path)],
                b"exception_trace": False,
                b"sysinfo": "",
            }
        )
    )


def _without_path(value: Any, path: str) -> Any:
    if isinstance(value, str):
        return value.replace(path, "repository")
    return value if isinstance(value, (bytes, int)) else None


class _Map(dict[Any, Any]):
    depth = 1


class _List(tuple[Any, ...]):
    depth = 1


def _map_with_depth(content: dict[Any, Any]) -> _Map:
    result = _Map(content)
    result.depth = _depth(content.values())
    return result


def _list_with_depth(content: Iterable[Any]) -> _List:
    result = _List(content)
    result.depth = _depth(result)
    return result


def _depth(values: Iterable[Any]) -> int:
    depth = 1 + max((value.depth for value in values if isinstance(value, (_Map, _List))), default=0)
    if depth > _DEPTH:
        raise ValueError("nested too deeply")
    return depth


def _parse_call(unpacked: Any) -> Message:
    if isinstance(unpacked, tuple):
        return _parse_negotiation(unpacked)
    if not isinstance(unpacked, dict) or unpacked.keys() != {b"i", b"m", b"a"}:
        raise ValueError("not a call")
    number, method, arguments = unpacked[b"i"], unpacked[b"m"], unpacked[b"a"]
    if not _is_number(number) or not isinstance(method, bytes) or len(method) > 64 or not isinstance(arguments, dict):
        raise ValueError("not a call")
    if not all(isinstance(name, bytes) for name in arguments):
        raise ValueError("arguments without names")
    return Message(number, method.decode("ascii"), {name.decode("ascii"): value for name, value in arguments.items()})


def _parse_negotiation(unpacked: tuple[Any, ...]) -> Message:
    _kind, number, method, arguments = unpacked
    if not _is_number(number) or method != b"negotiate" or not isinstance(arguments, tuple) or len(arguments) != 1:
        raise ValueError("not a call")
    return Message(number, "negotiate", {"client_data": arguments[0]}, first=True)


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and 0 <= value < _NUMBER_LIMIT
