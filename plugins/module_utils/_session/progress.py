# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes through the tunnel of a session at present, for who looks at a run: ``<run_dir>/progress/<client>``.

A few bytes of JSON in a file system that lies in memory: ``schema``, ``session``, ``run_id``, ``received`` and ``sent``
(bytes so far). It decides nothing. A session that was killed leaves it, and the client's next one replaces it.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from ansible_collections.paranoid.backup.plugins.module_utils._common.files import save_json

_SCHEMA = 1
_TURN = 2.0  # seconds between two looks


@asynccontextmanager
async def showing_progress(
    run_dir: str, client: str, session: str, run_id: str, count: Callable[[], tuple[int, int]]
) -> AsyncIterator[None]:
    """Keep the note of a session up to date while its body works; ``count`` returns bytes received and sent."""
    path = os.path.join(run_dir, "progress", client)
    task = asyncio.ensure_future(_keep(path, session, run_id, count))
    try:
        yield
    finally:
        task.cancel()
        with suppress(OSError):
            os.unlink(path)


async def _keep(path: str, session: str, run_id: str, count: Callable[[], tuple[int, int]]) -> None:
    before = (-1, -1)
    while True:
        now = count()
        if now != before:
            with suppress(OSError):  # A session is not worse because nobody can look at it.
                save_json(
                    path, {"schema": _SCHEMA, "session": session, "run_id": run_id, "received": now[0], "sent": now[1]}
                )
            before = now
        await asyncio.sleep(_TURN)
