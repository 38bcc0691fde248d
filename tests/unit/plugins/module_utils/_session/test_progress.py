# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The note of a session's bytes: there while it works, gone afterwards, and never a reason for it to fail."""

from __future__ import annotations

import asyncio
import functools
import json
from pathlib import Path

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._session import progress
from ansible_collections.paranoid.backup.plugins.module_utils._session.progress import showing_progress
from waiting import wait_until


def test_the_note_follows_the_session_and_goes_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_TURN", 0.01)
    seen = []
    counts = [(0, 0)]

    def says(received: int) -> bool:
        return note.exists() and bool(json.loads(note.read_text())["received"] == received)

    async def work() -> None:
        async with showing_progress(str(tmp_path / "run"), "web1", "s" * 32, "run-1", lambda: counts[0]):
            for received in (5, 7000):
                counts[0] = received, 3
                is_there = functools.partial(says, received)
                assert await asyncio.to_thread(wait_until, is_there, 20)
                seen.append(json.loads(note.read_text()))
            raise ValueError("whatever ends it")

    note = tmp_path / "run/progress/web1"
    with pytest.raises(ValueError, match="whatever"):
        asyncio.run(work())
    blank = {"schema": 1, "session": "s" * 32, "run_id": "run-1", "sent": 3}
    assert seen == [{**blank, "received": 5}, {**blank, "received": 7000}]
    assert list(note.parent.iterdir()) == []


def test_a_place_that_cannot_be_written_disturbs_nothing(tmp_path: Path) -> None:
    (tmp_path / "progress").write_text("a file")

    async def work() -> str:
        async with showing_progress(str(tmp_path), "web1", "s", "r", lambda: (1, 2)):
            await asyncio.sleep(0)
            return "done"

    assert asyncio.run(work()) == "done"
