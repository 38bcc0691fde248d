# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One conversation with a client over ssh, from the request to the end of every process, within its deadlines."""

from __future__ import annotations

import asyncio
import time
from asyncio.subprocess import Process
from contextlib import suppress
from dataclasses import asdict, dataclass

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


@dataclass(frozen=True)
class Deadlines:
    """Seconds. ``idle`` and ``stay`` (how long verb open stays) are None where they do not apply."""

    connect: float
    idle: float | None
    total: float
    close: float
    stay: float | None = None


class Conversation:
    """Talks to the dispatcher behind ``ssh``, an asyncio process with three pipes."""

    def __init__(self, verb: str, session: str, deadlines: Deadlines, log: SessionLog) -> None:
        self._verb = verb
        self._session = session
        self._deadlines = deadlines
        self._log = log
        self._begun = time.monotonic()
        self._active = self._begun
        self._settled = asyncio.Event()
        self._hello_at: float | None = None
        self._result: Result | None = None
        self._protocol = ""
        self._late = ""

    def touch(self) -> None:
        """Note that something moved: the idle deadline starts anew."""
        self._active = time.monotonic()

    async def hold(self, ssh: Process, gates: Gates, request: bytes) -> Evidence:
        """Send the request, read the answer, end everything; return what was seen, but for ``ssh_log``."""
        readers = [
            asyncio.ensure_future(self._read_answer(pipe(ssh.stdout))),
            asyncio.ensure_future(self._read_log(pipe(ssh.stderr))),
        ]
        watch = asyncio.ensure_future(self._watch(ssh))
        try:
            with suppress(ConnectionError):  # ssh may be gone already; its own log says why.
                pipe(ssh.stdin).write(request)
                await pipe(ssh.stdin).drain()
            await self._settled.wait()
            await self._part(ssh)
        finally:
            watch.cancel()
            await end(ssh, 0)
            await asyncio.wait(readers, timeout=_GRACE)
            for reader in readers:
                reader.cancel()
            await gates.close(_GRACE)
        return self._evidence(ssh, gates)

    async def _part(self, ssh: Process) -> None:
        pipe(ssh.stdin).close()
        content = self._result is not None and not self._protocol and not self._late
        patience = self._deadlines.close if content else 0 if self._protocol else _GRACE
        with suppress(asyncio.TimeoutError):
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
                    self._hear(line)
                if taken > ANSWER_LIMIT:
                    raise ProtocolError(f"it answered with more than {ANSWER_LIMIT // 1024} KiB")
            if pending:
                raise ProtocolError("its answer broke off in the middle of a line")
        except ProtocolError as error:
            self._protocol = str(error)
        self._settled.set()
        while await stream.read(65536):  # asyncio reaps a process only when its pipes are read to the end.
            pass

    def _hear(self, line: bytes) -> None:
        if self._hello_at is None:
            check_hello(line, self._session)
            self._hello_at = time.monotonic()
        elif self._result is None:
            self._result = parse_result(line, self._verb, self._session)
            self._settled.set()
        else:
            raise ProtocolError("it went on after its result")

    async def _read_log(self, stream: asyncio.StreamReader) -> None:
        while raw := await stream.read(65536):
            self.touch()
            self._log.feed(raw)
            if self._log.full:
                self._protocol = f"it logged more than {LOG_LIMIT // 1024**2} MiB"
                self._settled.set()

    async def _watch(self, ssh: Process) -> None:
        while not self._settled.is_set():
            await asyncio.sleep(_LOOK)
            now = time.monotonic()
            if self._stayed(now) > 0:
                pipe(ssh.stdin).close()
            if not self._settled.is_set():
                self._late = self._passed(now)
            if self._late:
                self._settled.set()

    def _stayed(self, now: float) -> float:
        """Return for how many seconds verb open should already have ended, negative before that."""
        if self._deadlines.stay is None or self._hello_at is None:
            return -1.0
        return now - self._hello_at - self._deadlines.stay

    def _passed(self, now: float) -> str:
        limits = self._deadlines
        if now - self._begun > limits.total:
            return "total_timeout"
        if self._hello_at is None:
            return "connect_timeout" if now - self._begun > limits.connect else ""
        if self._stayed(now) > limits.close:
            return "close_timeout"
        if limits.idle is not None and now - self._active > limits.idle:
            return "idle_timeout"
        return ""

    def _evidence(self, ssh: Process, gates: Gates) -> Evidence:
        return Evidence(
            deadline=self._late,
            seconds=asdict(self._deadlines).get(self._late.removesuffix("_timeout")) or 0,
            ssh_code=ssh.returncode,
            hello=self._hello_at is not None,
            result=self._result,
            protocol=self._protocol,
            last_words=self._log.tail[-1] if self._log.tail else "",
            gate=gates.summary,
        )
