# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Borg run by the server itself: without a key, as the repository's own user."""

from __future__ import annotations

import asyncio
import os
import tempfile

from ansible_collections.paranoid.backup.plugins.module_utils._borg.repository import check_repository, index_size
from ansible_collections.paranoid.backup.plugins.module_utils._common.errors import SessionError
from ansible_collections.paranoid.backup.plugins.module_utils._common.process import (
    account,
    kill_group,
    limits_for_borg,
    pipe,
    spawn,
)
from ansible_collections.paranoid.backup.plugins.module_utils._common.text import decode, one_line
from ansible_collections.paranoid.backup.plugins.module_utils._config.site import Site

_SAID_LIMIT = 300  # characters of what Borg said
_TAIL = 4096  # bytes


def run_borg(site: Site, *words: str) -> tuple[int, str]:
    """Run Borg on the repository with nothing of our environment; return exit code and last line.

    It has as long as a session, since it holds the client's lock; SessionError when that was not enough. What it was at
    is then cut off, which the next session puts in order.
    """
    return asyncio.run(_run(site, f"borg {words[0]}", ("-m", "borg", *words, site.client.repository)))


def store_list(site: Site, data: bytes) -> tuple[int, str]:
    """Store ``data`` as the repository's list of archives; return exit code and last line, as of Borg."""
    place = ("--repository", site.client.repository, "--repository-id", check_repository(site))
    return asyncio.run(_run(site, "storing the list", (site.server.lib_dir, "restore-list", *place), data))


async def _run(site: Site, what: str, words: tuple[str, ...], data: bytes = b"") -> tuple[int, str]:
    user = account(site.client.repository_user)
    with tempfile.TemporaryDirectory(prefix="upkeep-", dir=site.server.run_dir) as base:
        if os.geteuid() == 0:
            os.chown(base, user.pw_uid, user.pw_gid)
        env = {"BORG_HOST_ID": site.server.host_id, "BORG_BASE_DIR": base}
        env |= {"BORG_EXIT_CODES": "legacy", "BORG_SHOW_SYSINFO": "no"}  # A traceback then ends with its error.
        argv = [site.server.python, "-I", *words]
        null, piped = asyncio.subprocess.DEVNULL, asyncio.subprocess.PIPE
        limits = limits_for_borg(index_size(site.client.repository))
        process = await spawn(argv, user, env, limits, site.client.repository, stdin=piped, stdout=null, stderr=piped)
        pipe(process.stdin).write(data)
        pipe(process.stdin).close()  # It is still written, as far as somebody reads it.
        try:
            async with asyncio.timeout(site.server.total_timeout):
                said = await _read_tail(pipe(process.stderr))
                code = await process.wait()
        except TimeoutError:
            kill_group(process)
            await process.wait()
            late = f"{what} of {site.name} was not done after {site.server.total_timeout} s"
            reason = f"{late}: raise backup_server_total_timeout, run site.yml"
            raise SessionError("total_timeout", reason) from None
    lines = decode(said).split("\n")
    return code, one_line(next((line for line in reversed(lines) if line.strip()), "it said nothing"), _SAID_LIMIT)


async def _read_tail(stream: asyncio.StreamReader) -> bytes:
    """Return the end of what it says: a broken repository can make Borg say a line for each object."""
    tail = b""
    while data := await stream.read(_TAIL):
        tail = (tail + data)[-_TAIL:]
    return tail
