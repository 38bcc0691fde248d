# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The server's end of the transport ssh: ``sshd -i`` for each connection that comes out of one session's tunnel.

No sshd is shared. To one that listens for all clients they all come from one address: wrong keys or silent connections
of any local user of any client would lock all others out. Here they cost only the sessions of that client. Each sshd
knows one user and one key, and admits to the door, which leads to the gates of this session.
"""

from __future__ import annotations

import asyncio
import os
import pwd
import socket
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ansible_collections.paranoid.backup.plugins.module_utils._common.errors import SessionError
from ansible_collections.paranoid.backup.plugins.module_utils._common.process import SSH, end, kill_group, pipe, spawn
from ansible_collections.paranoid.backup.plugins.module_utils._config.site import Site
from ansible_collections.paranoid.backup.plugins.module_utils._session.directory import listen
from ansible_collections.paranoid.backup.plugins.module_utils._session.log import SessionLog

_SSHD = "/usr/sbin/sshd"  # on Debian and on FreeBSD; it does not start by a relative path
_PRIVSEP_DIR = "/run/sshd"  # Debian's sshd does not start without it, and Debian's service takes it along when it ends
_AT_ONCE = 16  # each is bounded by the LoginGraceTime of its configuration until somebody showed the key
_WAITING = 64
_AT_ALL = 2000
_LAST_WAIT = 5.0  # seconds in which an sshd that was killed is gone


@asynccontextmanager
async def answering(peer: Site, gates: str, directory: str, group: int, log: SessionLog) -> AsyncIterator[str]:
    """Give the socket that the tunnel is to lead to: that of the ``gates``, or one behind which sshd answers."""
    if peer.client.transport != "ssh":
        yield gates
        return
    path = os.path.join(directory, "sshd.sock")
    front = _Front(_command(peer), log, listen(path, group))
    try:
        yield path
    finally:
        await front.close()


def _command(peer: Site) -> list[str]:
    if not peer.server.sshd_config:
        raise SessionError("not_provisioned", f"the server has no sshd for {peer.name}: run site.yml without --limit")
    if os.geteuid() == 0 and sys.platform == "linux":
        os.makedirs(_PRIVSEP_DIR, mode=0o755, exist_ok=True)
    return [_SSHD, "-i", "-e", "-f", peer.server.sshd_config, "-o", f"AllowUsers={peer.client.repository_user}"]


class _Front:
    """Owns the listener and the sshds behind it."""

    def __init__(self, argv: list[str], log: SessionLog, listener: socket.socket) -> None:
        self._argv = argv
        self._log = log
        self._listener = listener
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._running: set[asyncio.Task[None]] = set()
        self._processes: set[Process] = set()
        self._ending = False
        self._accepting = asyncio.ensure_future(self._accept())

    async def close(self) -> None:
        """Take no more connections and kill what still runs: the session is over."""
        self._ending = True
        self._accepting.cancel()
        self._listener.close()
        for process in self._processes:
            kill_group(process)
        if self._running:
            _done, deaf = await asyncio.wait(self._running, timeout=_LAST_WAIT)
            for task in deaf:
                task.cancel()

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        for _number in range(_AT_ALL):
            connection, _address = await loop.sock_accept(self._listener)
            if len(self._running) >= _AT_ONCE + _WAITING:
                connection.close()
                continue
            task = asyncio.ensure_future(self._serve(connection))
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        self._log.say(f"sshd: no more than {_AT_ALL} connections of one session")
        self._listener.close()

    async def _serve(self, connection: socket.socket) -> None:
        async with self._slots:
            with connection:
                if self._ending:
                    return
                try:
                    process = await self._start(connection)
                except OSError as error:
                    self._log.say(f"sshd: it does not start: {error}")
                    return
            self._processes.add(process)
            if self._ending:
                kill_group(process)
            await self._read(pipe(process.stderr))
            await end(process, _LAST_WAIT)
            self._processes.discard(process)

    async def _start(self, connection: socket.socket) -> Process:
        connection.setblocking(True)
        user = pwd.getpwuid(os.geteuid())
        return await spawn(
            self._argv, user, {}, SSH, stdin=connection, stdout=connection, stderr=asyncio.subprocess.PIPE
        )

    async def _read(self, stream: asyncio.StreamReader) -> None:
        while raw := await stream.read(65536):
            self._log.feed(raw)
