# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Borg run by the server itself, and a compaction that was cut off: it must not look like tampering afterwards."""

from __future__ import annotations

import asyncio
import os
import tempfile

from ansible_collections.paranoid.backup.plugins.module_utils._audit import ALARM, rebase
from ansible_collections.paranoid.backup.plugins.module_utils._audit_baseline import Baseline
from ansible_collections.paranoid.backup.plugins.module_utils._examine import baseline_path, load_baseline
from ansible_collections.paranoid.backup.plugins.module_utils._files import save_json
from ansible_collections.paranoid.backup.plugins.module_utils._outcome import SessionError
from ansible_collections.paranoid.backup.plugins.module_utils._process import account, spawn
from ansible_collections.paranoid.backup.plugins.module_utils._records import ClientRecord, ServerRecord
from ansible_collections.paranoid.backup.plugins.module_utils._text import decode, one_line

_SAID_LIMIT = 300  # characters of what Borg said


def run_borg(server: ServerRecord, client: ClientRecord, *words: str) -> tuple[int, str]:
    """Run Borg on the repository as its own user, without key and environment; return exit code and last line."""
    return asyncio.run(_run_borg(server, client, words))


def begin_compaction(server: ServerRecord, client: ClientRecord, before: Baseline) -> None:
    """Note that segments are about to be rewritten, and what they held before."""
    save_json(_note(server, client), before.to_dict())


def end_compaction(server: ServerRecord, client: ClientRecord) -> None:
    """Forget the note: the baseline tells the new state now."""
    os.unlink(_note(server, client))


def settle(server: ServerRecord, client: ClientRecord) -> None:
    """Make the baseline anew after a compaction that was cut off; the caller holds the client's lock.

    When more than a compaction happened, the old baseline stays, and the next audit says what is wrong.
    """
    try:
        before = load_baseline(_note(server, client))
    except ValueError as error:
        raise SessionError("server_error", f"{_note(server, client)} cannot be read: {error}") from None
    if before is None:
        return
    code, said = run_borg(server, client, "check", "--repository-only")  # It replays what has no index yet.
    if code:
        raise SessionError("check_failed", f"{client.client}: a compaction was cut off, and borg check says: {said}")
    found, now = rebase(client.repository, before)
    if found.verdict != ALARM:
        save_json(baseline_path(server, client), now.to_dict())
    end_compaction(server, client)


def _note(server: ServerRecord, client: ClientRecord) -> str:
    return os.path.join(server.state_dir, client.client, "compacting.json")


async def _run_borg(server: ServerRecord, client: ClientRecord, words: tuple[str, ...]) -> tuple[int, str]:
    user = account(client.repository_user)
    with tempfile.TemporaryDirectory(prefix="upkeep-", dir=server.run_dir) as base:
        if os.geteuid() == 0:
            os.chown(base, user.pw_uid, user.pw_gid)
        env = {"BORG_HOST_ID": server.host_id, "BORG_BASE_DIR": base, "BORG_EXIT_CODES": "legacy"}
        argv = [server.python, "-I", "-m", "borg", *words, client.repository]
        pipe, null = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
        process = await spawn(argv, user, env, stdin=null, stdout=null, stderr=pipe)
        said = await process.stderr.read()
        code: int = await process.wait()
    lines = decode(said[-4096:]).split("\n")
    return code, one_line(next((line for line in reversed(lines) if line.strip()), "it said nothing"), _SAID_LIMIT)
