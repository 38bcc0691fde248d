# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The states of a conversation and their deadlines, by a clock of the test's own and without ssh."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._session.conversation import (
    Conversation,
    Deadlines,
    State,
)
from ansible_collections.paranoid.backup.plugins.module_utils._session.log import SessionLog
from ansible_collections.paranoid.backup.plugins.module_utils._session.protocol import ProtocolError

SESSION = "5" * 32
HELLO = json.dumps({"schema": 1, "hello": SESSION}).encode()
LIMITS = Deadlines(connect=10, idle=20, total=100, close=5)
STAYING = Deadlines(connect=10, idle=None, total=100, close=5, stay=30)


def result(verb: str) -> bytes:
    return json.dumps({"schema": 1, "session": SESSION, "verb": verb, "status": "ok"}).encode()


class Talk:
    """A conversation, the time of its clock, and how often the client was asked to end."""

    def __init__(self, log: SessionLog, verb: str, deadlines: Deadlines) -> None:
        self.now, self.asked, self.verb = 1000.0, 0, verb
        self.conversation = Conversation(verb, SESSION, deadlines, log, lambda: self.now)

    def hear(self, *lines: bytes) -> None:
        for line in lines:
            self.conversation._take_line(line)

    def pass_time(self, seconds: float) -> tuple[State, str]:
        """Let time pass and look once; return the state and the deadline that passed."""
        self.now += seconds
        if self.conversation.state is not State.SETTLED:
            self.conversation.look(self._ask)
        return self.conversation.state, self.conversation._late

    def _ask(self) -> None:
        self.asked += 1


@pytest.fixture
def talk(tmp_path: Path) -> Callable[..., Talk]:
    return lambda verb="backup", deadlines=LIMITS: Talk(SessionLog(str(tmp_path), "log"), verb, deadlines)


def test_who_says_no_hello_is_given_up(talk: Callable[..., Talk]) -> None:
    one = talk()
    one.conversation.touch()
    assert one.pass_time(10) == (State.CONNECTING, "")
    assert one.pass_time(0.1) == (State.SETTLED, "connect_timeout")


def test_after_the_hello_every_byte_begins_the_idle_time_anew(talk: Callable[..., Talk]) -> None:
    one = talk()
    one.now += 9
    one.hear(HELLO)
    one.conversation.touch()
    assert one.pass_time(20) == (State.WORKING, "")
    one.conversation.touch()
    assert one.pass_time(20) == (State.WORKING, "")
    assert one.pass_time(0.1) == (State.SETTLED, "idle_timeout")


def test_total_ends_also_who_is_never_idle(talk: Callable[..., Talk]) -> None:
    one = talk()
    one.hear(HELLO)
    for _ in range(10):
        one.conversation.touch()
        assert one.pass_time(10) == (State.WORKING, "")
        one.conversation.touch()
    assert one.pass_time(0.1) == (State.SETTLED, "total_timeout")


def test_a_result_settles_it(talk: Callable[..., Talk]) -> None:
    one = talk()
    one.hear(HELLO, result("backup"))
    assert one.pass_time(1000) == (State.SETTLED, "")
    with pytest.raises(ProtocolError, match="went on after its result"):
        one.hear(b"more")


def test_open_stays_is_asked_to_end_and_then_has_the_time_to_close(talk: Callable[..., Talk]) -> None:
    one = talk("open", STAYING)
    one.hear(HELLO)
    assert one.pass_time(30) == (State.STAYING, "") and one.asked == 0
    assert one.pass_time(0.1) == (State.LEAVING, "") and one.asked == 1
    assert one.pass_time(5) == (State.LEAVING, "") and one.asked == 1
    assert one.pass_time(0.1) == (State.SETTLED, "close_timeout")


def test_open_that_ends_when_it_is_asked(talk: Callable[..., Talk]) -> None:
    one = talk("open", STAYING)
    one.hear(HELLO)
    one.pass_time(31)
    one.hear(result("open"))
    assert one.pass_time(1000) == (State.SETTLED, "")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (HELLO + b"\n" + result("backup") + b"\n", ""),
        (HELLO + b"\n" + result("backup") + b"\nmore\n", "went on after its result"),
        (HELLO + b"\n" + result("backup")[:20], "broke off in the middle of a line"),
        (HELLO + b"\n" + result("info") + b"\n", "of another session"),
        (HELLO + b"\n" + b"x" * 300_000, "more than 256 KiB"),
        (b"motd\n", "not JSON"),
    ],
)
def test_what_is_no_answer_ends_it(talk: Callable[..., Talk], answer: bytes, said: str) -> None:
    one = talk()

    async def read() -> None:
        stream = asyncio.StreamReader()
        stream.feed_data(answer)
        stream.feed_eof()
        await one.conversation._read_answer(stream)

    asyncio.run(read())
    assert one.conversation.state is State.SETTLED
    assert said in one.conversation._protocol and bool(one.conversation._protocol) == bool(said)
