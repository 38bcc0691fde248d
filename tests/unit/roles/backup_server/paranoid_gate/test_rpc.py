# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is taken for a message of Borg's protocol, up to which size, and what an error tells."""

from __future__ import annotations

import tracemalloc
from typing import Any

import msgpack
import pytest
from paranoid_gate.errors import EndOfConnection, Refused
from paranoid_gate.rpc import READ_SIZE, Message, Reader, pack_error, pack_result

LARGEST = 20 * 2**20 - 41  # bytes of data that Borg puts into one object


def pack(value: Any) -> bytes:
    return bytes(msgpack.packb(value, use_bin_type=False))


def call(number: Any = 1, method: Any = "get", arguments: Any = None, **more: Any) -> bytes:
    return pack({"i": number, "m": method, "a": {} if arguments is None else arguments, **more})


def read(data: bytes) -> list[Message]:
    return list(Reader().feed(data))


@pytest.mark.parametrize(
    ("passes", "fails"),
    [
        (call(0), call(-1)),
        (call(2**63 - 1), call(2**63)),
        (call(1), call(1.0)),
        (call(method="x" * 64), call(method="x" * 65)),
        (call(arguments={str(number): 0 for number in range(32)}), call(arguments={str(n): 0 for n in range(33)})),
        (call(arguments={"id": [0] * 32}), call(arguments={"id": [0] * 33})),
        (call(arguments={"a": [[1]]}), call(arguments={"a": [[[1]]]})),
        (call(arguments={"a": {"b": {"c": 1}}}), call(arguments={"a": {"b": {"c": {}}}})),
        (pack([1, 7, "negotiate", [{}]]), pack([1, 7, "open", [{}]])),
        (pack([1, 7, "negotiate", [{}]]), pack([1, 7, "negotiate", [{}, {}]])),
        (pack([1, 7, "negotiate", [{}]]), pack([1, -7, "negotiate", [{}]])),
        (pack([1, 7, "negotiate", [{}]]), pack([1, 7, "negotiate", [{}], 2])),
        (call(), call(x=1)),
        (call(), pack({"i": 1, "m": "get"})),
        (call(), call(method="\xe9")),
        (call(), call(arguments={1: 2})),
        (call(), call(arguments=[])),
    ],
)
def test_bounds_of_a_message(passes: bytes, fails: bytes) -> None:
    assert len(read(passes)) == 1
    with pytest.raises(EndOfConnection, match="not a message of Borg's protocol: ") as caught:
        read(fails)
    assert caught.value.reason == "protocol"


def test_a_message_is_read_in_any_pieces() -> None:
    reader, data = Reader(), call(3, "put", {"id": b"x"}) + call(4)
    found = [message for byte in data for message in reader.feed(bytes([byte]))]
    assert found == [Message(3, "put", {"id": b"x"}), Message(4, "get", {})]


def test_the_first_call_is_answered_in_its_own_form() -> None:
    (first,) = read(pack([1, 7, "negotiate", [{b"client_version": (1, 4, 5)}]]))
    assert first == Message(7, "negotiate", {"client_data": {b"client_version": (1, 4, 5)}}, first=True)
    assert msgpack.unpackb(pack_result(first, 5), raw=True) == [1, 7, None, 5]
    assert msgpack.unpackb(pack_result(Message(8, "get", {}), 5), raw=True) == {b"i": 8, b"r": 5}


def test_the_largest_object_passes_and_what_is_larger_ends_before_it_is_held() -> None:
    (message,) = read(call(method="put", arguments={"id": b"x" * 32, "data": bytes(LARGEST)}))
    assert len(message.arguments["data"]) == LARGEST
    del message
    head = b"\x83\xa1i\x01\xa1m\xa3put\xa1a\x82\xa2id\xa1x\xa4data\xdb\x7f\xff\xff\xff"
    reader, sent = Reader(), 0
    tracemalloc.start()
    try:
        with pytest.raises(EndOfConnection):
            list(reader.feed(head))
            for _ in range(64):
                sent += 1
                list(reader.feed(bytes(READ_SIZE)))
        assert sent <= 22
        assert tracemalloc.get_traced_memory()[1] < 64 * 2**20
    finally:
        tracemalloc.stop()


def test_an_error_names_its_class_and_says_nothing_about_the_server() -> None:
    answer = msgpack.unpackb(pack_error(Message(5, "get", {}), KeyError("/srv/x/repo/data", object()), "/srv/x/repo"))
    assert answer["i"] == 5 and answer["exception_class"] == "KeyError"
    assert answer["exception_args"] == ["repository/data", None]
    assert answer["exception_full"] == answer["exception_short"] == ["the backup server failed: KeyError"]
    assert answer["exception_trace"] is False and answer["sysinfo"] == ""


def test_a_refusal_is_borgs_error_of_one_line() -> None:
    answer = msgpack.unpackb(pack_error(Message(5, "get", {}), Refused("no such thing"), "/srv/x/repo"))
    assert (answer["exception_class"], answer["exception_args"]) == ("Error", ["no such thing"])
    assert answer["exception_short"] == ["Error: no such thing"]
