# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Borg run by the server itself: without a key, as the repository's own user."""

from __future__ import annotations

import asyncio
import os
import tempfile

from ansible_collections.paranoid.backup.plugins.module_utils._borg.repository import check_repository
from ansible_collections.paranoid.backup.plugins.module_utils._common.process import account, spawn
from ansible_collections.paranoid.backup.plugins.module_utils._common.text import decode, one_line
from ansible_collections.paranoid.backup.plugins.module_utils._config.site import Site

_SAID_LIMIT = 300  # characters of what Borg said


def run_borg(site: Site, *words: str) -> tuple[int, str]:
    """Run Borg on the repository with nothing of our environment; return exit code and last line."""
    return asyncio.run(_run(site, ("-m", "borg", *words, site.client.repository)))


def store_list(site: Site, data: bytes) -> tuple[int, str]:
    """Store ``data`` as the repository's list of archives; return exit code and last line, as of Borg."""
    place = ("--repository", site.client.repository, "--repository-id", check_repository(site))
    return asyncio.run(_run(site, (site.server.lib_dir, "restore-list", *place), data))


async def _run(site: Site, words: tuple[str, ...], data: bytes = b"") -> tuple[int, str]:
    user = account(site.client.repository_user)
    with tempfile.TemporaryDirectory(prefix="upkeep-", dir=site.server.run_dir) as base:
        if os.geteuid() == 0:
            os.chown(base, user.pw_uid, user.pw_gid)
        env = {"BORG_HOST_ID": site.server.host_id, "BORG_BASE_DIR": base}
        env |= {"BORG_EXIT_CODES": "legacy", "BORG_SHOW_SYSINFO": "no"}  # A traceback then ends with its error.
        argv = [site.server.python, "-I", *words]
        null, piped = asyncio.subprocess.DEVNULL, asyncio.subprocess.PIPE
        process = await spawn(argv, user, env, stdin=piped, stdout=null, stderr=piped)
        _nothing, said = await process.communicate(data)
        code = await process.wait()
    lines = decode(said[-4096:]).split("\n")
    return code, one_line(next((line for line in reversed(lines) if line.strip()), "it said nothing"), _SAID_LIMIT)
