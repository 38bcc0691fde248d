# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One conversation with a dispatcher: reads its answer and its log as they come, and watches the deadlines.

====================  ==================================  =====================================================
state                 it leaves this state by             the deadline that ends the conversation meanwhile
====================  ==================================  =====================================================
``CONNECTING``        hello                               ``connect``
``WORKING``           the result                          ``idle``: neither a byte nor a log line for so long
``STAYING``           the result                          ``stay``: then stdin is closed, which asks it to end
``LEAVING``           the result                          ``close``
``SETTLED``                                               ``close``, until ssh has ended
====================  ==================================  =====================================================

Only ``open`` stays; ``total`` holds in each state, and each deadline also while ssh has not taken the whole request.
A byte too many, a second result or a log without end settles it as a breach of the protocol, and no patience is left
then.
"""

from __future__ import annotations

import asyncio
import time
from asyncio.subprocess import Process
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from enum import Enum, auto

from ansible_collections.paranoid.backup.plugins.module_utils._common.process import end, pipe
from ansible_collections.paranoid.backup.plugins.module_utils._session.evidence import Evidence
from ansible_collections.paranoid.backup.plugins.module_utils._session.gates import Gates
from ansible_collections.paranoid.backup.plugins.module_utils._session.log import LOG_LIMIT, SessionLog
from ansible_collections.paranoid.backup.plugins.module_utils._session.protocol import (
    ANSWER_LIMIT,
    ProtocolError,
    Result,
    check_hello,
    parse_result,
)

_LOOK = 0.2  # seconds between two looks at the deadlines
_GRACE = 15.0  # seconds in which a dispatcher may end what it started, once its stdin is closed


class State(Enum):
    """How far a conversation has come."""

    CONNECTING = auto()
    WORKING = auto()
    STAYING = auto()
    LEAVING = auto()
    SETTLED = auto()


@dataclass(frozen=True)
class Deadlines:
    """Seconds. ``idle`` and ``stay`` (how long verb open stays) are None where they do not apply."""

    connect: float
    idle: float | None
    total: float
    close: float
    stay: float | None = None


class Conversation:
    """Talks to the dispatcher behind ``ssh``, an asyncio process with three pipes; ``clock`` is monotonic."""

    def __init__(
        self,
        verb: str,
        session: str,
        deadlines: Deadlines,
        log: SessionLog,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._verb = verb
        self._session = session
        self._deadlines = deadlines
        self._log = log
        self._clock = clock
        self._began = self._active = self._entered = clock()
        self._ended = asyncio.Event()
        self.state = State.CONNECTING
        self._hello = False
        self._result: Result | None = None
        self._protocol = ""
        self._late = ""
        self._ssh_signal: int | None = None

    def touch(self) -> None:
        """Note that something moved: the idle deadline starts anew."""
        self._active = self._clock()

    async def hold(self, ssh: Process, gates: Gates, request: bytes) -> Evidence:
        """Send the request, read the answer, end everything; return what was seen, but for ``ssh_log``."""
        readers = [
            asyncio.ensure_future(self._read_answer(pipe(ssh.stdout))),
            asyncio.ensure_future(self._read_log(pipe(ssh.stderr))),
        ]
        pipe(ssh.stdin).write(request)  # Nobody waits for ssh to take it: only the deadlines do.
        watch = asyncio.ensure_future(self._watch(pipe(ssh.stdin)))
        try:
            await self._ended.wait()
            await self._disconnect(ssh)
            if ssh.returncode is not None and ssh.returncode < 0:  # and not by us, who end it only now
                self._ssh_signal = -ssh.returncode
        finally:
            watch.cancel()
            await end(ssh, 0)
            await asyncio.wait(readers, timeout=_GRACE)
            for reader in readers:
                reader.cancel()
            await gates.close(_GRACE)
        return self._evidence(ssh, gates)

    async def _disconnect(self, ssh: Process) -> None:
        pipe(ssh.stdin).close()
        content = self._result is not None and not self._protocol and not self._late
        patience = self._deadlines.close if content else 0 if self._protocol else _GRACE
        with suppress(TimeoutError):
            await asyncio.wait_for(ssh.wait(), patience)
        if ssh.returncode is None and content:
            self._late = "close_timeout"

    async def _read_answer(self, stream: asyncio.StreamReader) -> None:
        taken = 0
        pending = b""
        try:
            while raw := await stream.read(16384):
                self.touch()
                taken += len(raw)
                *lines, pending = (pending + raw).split(b"\n")
                for line in lines:
                    self._take_line(line)
                if taken > ANSWER_LIMIT:
                    raise ProtocolError(f"it answered with more than {ANSWER_LIMIT // 1024} KiB")
            if pending:
                raise ProtocolError("its answer broke off in the middle of a line")
        except ProtocolError as error:
            self._protocol = str(error)
        self._enter(State.SETTLED)
        while await stream.read(65536):  # asyncio reaps a process only when its pipes are read to the end.
            pass

    def _take_line(self, line: bytes) -> None:
        if not self._hello:
            check_hello(line, self._session)
            self._hello = True
            if self.state is State.CONNECTING:
                self._enter(State.WORKING if self._deadlines.stay is None else State.STAYING)
        elif self._result is None:
            self._result = parse_result(line, self._verb, self._session)
            self._enter(State.SETTLED)
        else:
            raise ProtocolError("it went on after its result")

    async def _read_log(self, stream: asyncio.StreamReader) -> None:
        while raw := await stream.read(65536):
            self.touch()
            self._log.feed(raw)
            if self._log.full:
                self._protocol = f"it logged more than {LOG_LIMIT // 1024**2} MiB"
                self._enter(State.SETTLED)

    async def _watch(self, stdin: asyncio.StreamWriter) -> None:
        while self.state is not State.SETTLED:
            await asyncio.sleep(_LOOK)
            self.look(stdin.close)

    def look(self, ask_to_end: Callable[[], None]) -> None:
        """Act on a deadline that has passed: ask a client that stayed long enough to end, give up any other."""
        if self.state is State.STAYING and self._open_time_left() < 0:
            ask_to_end()
            self._enter(State.LEAVING)
        if self.state is not State.SETTLED:
            self._late = self._passed_deadline()
        if self._late:
            self._enter(State.SETTLED)

    def _open_time_left(self) -> float:
        return (self._deadlines.stay or 0) - (self._clock() - self._entered)

    def _passed_deadline(self) -> str:
        now, limits = self._clock(), self._deadlines
        if now - self._began > limits.total:
            return "total_timeout"
        match self.state:
            case State.CONNECTING if now - self._began > limits.connect:
                return "connect_timeout"
            case State.WORKING if limits.idle is not None and now - self._active > limits.idle:
                return "idle_timeout"
            case State.LEAVING if now - self._entered > limits.close:
                return "close_timeout"
        return ""

    def _enter(self, state: State) -> None:
        if self.state is State.SETTLED:
            return
        self.state, self._entered = state, self._clock()
        if state is State.SETTLED:
            self._ended.set()

    def _evidence(self, ssh: Process, gates: Gates) -> Evidence:
        return Evidence(
            deadline=self._late,
            seconds=asdict(self._deadlines).get(self._late.removesuffix("_timeout")) or 0,
            ssh_code=ssh.returncode,
            ssh_signal=self._ssh_signal,
            hello=self._hello,
            result=self._result,
            protocol=self._protocol,
            last_words=self._log.tail[-1] if self._log.tail else "",
            gate=gates.summary,
        )
