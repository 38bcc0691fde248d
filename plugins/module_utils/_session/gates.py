# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The session socket: every connection that comes out of the tunnel gets a gate of its own, as the client's user."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from asyncio.subprocess import Process
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.paranoid.backup.plugins.module_utils._borg.repository import index_size
from ansible_collections.paranoid.backup.plugins.module_utils._common.errors import SessionError
from ansible_collections.paranoid.backup.plugins.module_utils._common.process import (
    account,
    end,
    kill_group,
    limits_for_borg,
    pipe,
    spawn,
)
from ansible_collections.paranoid.backup.plugins.module_utils._common.sandbox import is_entered
from ansible_collections.paranoid.backup.plugins.module_utils._common.text import one_line
from ansible_collections.paranoid.backup.plugins.module_utils._config.site import Site
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.outcome import GateSummary
from ansible_collections.paranoid.backup.plugins.module_utils._session.directory import listen
from ansible_collections.paranoid.backup.plugins.module_utils._session.log import SessionLog

_LINE_LIMIT = 64 * 1024
_REFUSALS_KEPT = 20
_LAST_WAIT = 5.0  # seconds in which a gate that was killed is gone
_COUNTS = ("received", "sent", "read", "put", "delete", "commits", "manifests")


@dataclass(frozen=True)
class GateOrder:
    """What the gates of one session may do. ``at_once`` bounds simultaneous connections, ``at_all`` all of them.

    ``options`` are the gate's, until one of them has begun to write, or has ended without saying what it did.
    ``kept`` is what a trim must leave, as the gate reads it.
    """

    policy: str
    repository_id: str | None
    at_once: int
    at_all: int
    options: tuple[str, ...] = ()
    kept: bytes = b""


class Gates:
    """Owns the session socket and the gates behind it; ``summary`` is what they saw so far."""

    def __init__(self, site: Site, order: GateOrder, log: SessionLog, touch: Callable[[], None]) -> None:
        self._site = site
        self._order = order
        self._log = log
        self._touch = touch
        self._slots = asyncio.Semaphore(order.at_once)
        self._running: set[asyncio.Task[None]] = set()
        self._processes: set[Process] = set()
        self._moving: dict[int, dict[str, int]] = {}  # what running gates have counted, by their report's descriptor
        self._ending = False
        self._is_budget_spent = False
        self._is_openness_said = False
        self._first_segment: int | None = None
        self.summary = GateSummary()

    def listen(self, path: str, group: int) -> None:
        """Bind the socket at ``path`` for ``group`` and begin to take connections."""
        self._listener = listen(path, group)
        self._path = path
        self._accepting = asyncio.ensure_future(self._accept())

    def count_bytes(self) -> tuple[int, int]:
        """Return how many bytes came and went so far, also through gates that are still at work."""
        counts = [{"received": self.summary.received, "sent": self.summary.sent}, *self._moving.values()]
        return sum(one.get("received", 0) for one in counts), sum(one.get("sent", 0) for one in counts)

    async def close(self, grace: float) -> None:
        """Take no more connections, give the running gates ``grace`` seconds to end, then kill them."""
        self._ending = True
        self._accepting.cancel()
        self._listener.close()
        os.unlink(self._path)
        if self._running:
            await asyncio.wait(self._running, timeout=grace)
        for process in self._processes:
            kill_group(process)
        if self._running:  # Whoever took over a gate may have left somebody with its report open.
            _done, deaf = await asyncio.wait(self._running, timeout=_LAST_WAIT)
            for task in deaf:
                task.cancel()
            for process in self._processes:
                process._transport.close()  # type: ignore[attr-defined]  # asyncio has no other way to let go of it
            await asyncio.gather(*deaf, return_exceptions=True)

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            connection, _address = await loop.sock_accept(self._listener)
            if self.summary.connections >= self._order.at_all:
                self._refuse(f"connection {self.summary.connections + 1} of one session")
                connection.close()
                self._listener.close()  # Each further one would cost a line of the log.
                return
            self.summary = replace(self.summary, connections=self.summary.connections + 1)
            task = asyncio.ensure_future(self._serve(connection))
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    async def _serve(self, connection: socket.socket) -> None:
        async with self._slots:
            if self._ending:
                connection.close()
                return
            connection.setblocking(True)
            report, report_end = os.pipe()
            try:
                process = await self._start(connection, report_end)
            except (OSError, SessionError) as error:
                os.close(report)
                self._note_trouble("error", f"it does not start: {error}")
                return
            finally:
                os.close(report_end)
                connection.close()
            self._processes.add(process)
            await asyncio.gather(self._read_report(report), self._read_errors(pipe(process.stderr)))
            await end(process, 5)
            self._processes.discard(process)

    async def _start(self, connection: socket.socket, report_end: int) -> Process:
        server, client = self._site.server, self._site.client
        argv = [server.python, "-I", server.lib_dir, "gate", "--policy", self._order.policy]
        argv += ["--repository", client.repository, "--report-fd", str(report_end)]
        if not self._is_budget_spent:  # What may be deleted is for one connection, not for each.
            argv += self._order.options
        if self._order.repository_id is not None:
            argv += ["--repository-id", self._order.repository_id]
        if self._first_segment is not None:  # What this session has stored, it may also take back.
            argv += ["--first-segment", str(self._first_segment)]
        if client.quota is not None:
            argv += ["--quota", str(client.quota)]
        env = {"BORG_HOST_ID": server.host_id, "BORG_SELFTEST": "disabled"}
        streams: dict[str, Any] = {"stdin": connection, "stdout": connection, "stderr": asyncio.subprocess.PIPE}
        limits = limits_for_borg(index_size(client.repository))
        with as_file(self._order.kept) as kept:
            argv += ["--kept-fd", str(kept)] if self._order.kept else []
            user, inherited = account(client.repository_user), (report_end, kept)
            process = await spawn(argv, user, env, limits, client.repository, pass_fds=inherited, **streams)
        self._say_if_open(process.pid)
        return process

    def _say_if_open(self, pid: int) -> None:
        if not self._is_openness_said and not is_entered(pid):
            self._is_openness_said = True
            self._log.say("server: this machine gives gates no namespaces: they see its network")

    async def _read_errors(self, stream: asyncio.StreamReader) -> None:
        while raw := await stream.read(65536):
            self._log.feed(raw)

    async def _read_report(self, descriptor: int) -> None:
        reader = asyncio.StreamReader(limit=_LINE_LIMIT)
        loop = asyncio.get_running_loop()
        transport, _protocol = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb")
        )
        progress: dict[str, int] = {}
        ended = False
        try:
            while line := await reader.readline():
                event = _event(line)
                ended = ended or event.get("event") == "end"
                progress = self._apply_event(event, progress)
                self._moving[descriptor] = progress
        except ValueError:  # A line beyond the limit: no gate of ours writes one.
            ended = False
        finally:
            self._moving.pop(descriptor, None)
            transport.close()
        if not ended:
            self._is_budget_spent = True
            self._add(progress)
            if not self._ending:
                self._note_trouble("error", "the gate ended without its report")

    def _apply_event(self, event: dict[str, Any], progress: dict[str, int]) -> dict[str, int]:
        """Return the counts so far of this gate, which are added to the session's when it ends."""
        self._touch()
        match event:
            case {"event": "progress"}:
                return _counts(event)
            case {"event": "begin", "first_segment": int() as number}:
                self._is_budget_spent = True
                self._first_segment = number if self._first_segment is None else self._first_segment
            case {"event": "commit", "transaction": int() as number}:
                self.summary = replace(self.summary, transaction=number)
            case {"event": "refused"}:
                self._refuse(f"{event.get('policy')}: {event.get('call')} {event.get('detail') or ''}")
            case {"event": "end"}:
                self._add(_counts(event))
                if event.get("reason"):
                    self._note_trouble(str(event["reason"]), str(event.get("detail") or ""))
                return {}
        return progress

    def _add(self, counts: dict[str, int]) -> None:
        before = {name: getattr(self.summary, name) for name in counts}
        self.summary = replace(self.summary, **{name: before[name] + counts[name] for name in counts})

    def _note_trouble(self, trouble: str, detail: str) -> None:
        self._log.say(f"gate: {trouble}: {detail}")
        self.summary = replace(self.summary, trouble=trouble, detail=one_line(detail, 300))

    def _refuse(self, sentence: str) -> None:
        shown = one_line(sentence, 200)
        self._log.say(f"gate refused {shown}")
        if len(self.summary.refused) < _REFUSALS_KEPT:
            self.summary = replace(self.summary, refused=(*self.summary.refused, shown))


@contextmanager
def as_file(content: bytes) -> Iterator[int]:
    """Have ``content`` in a file without a name, to be read from its beginning by a process that inherits it."""
    descriptor = os.memfd_create("kept", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, content)
        os.lseek(descriptor, 0, os.SEEK_SET)
        yield descriptor
    finally:
        os.close(descriptor)


def _event(line: bytes) -> dict[str, Any]:
    content = json.loads(line)
    return content if isinstance(content, dict) else {}


def _counts(event: dict[str, Any]) -> dict[str, int]:
    """Return what a gate counted; whatever it sent may have been read, as long as it does not say how much was."""
    counts = {name: value for name in _COUNTS if isinstance(value := event.get(name), int)}
    return {"read": counts.get("sent", 0), **counts}
