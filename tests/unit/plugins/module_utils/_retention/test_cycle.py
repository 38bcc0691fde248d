# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a trim waits for its compaction, how long everything is held, and what a freeze forbids."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._common.errors import SessionError
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import (
    CompactionEntry,
    Entry,
    FreezeEntry,
    ListEntry,
    RepositoryEntry,
    RollbackEntry,
    TrimEntry,
    UnfreezeEntry,
)
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.ledger import Ledger
from ansible_collections.paranoid.backup.plugins.module_utils._retention.cycle import (
    hold_ends,
    refuse_frozen,
)

START = datetime(2026, 11, 1, tzinfo=UTC)
TRIM = TrimEntry("web1", "s", ("a", "b"), ("a",), 20)


class Clock:
    """A day passes with each entry."""

    def __init__(self) -> None:
        self.day = -1

    def __call__(self) -> datetime:
        self.day += 1
        return START + timedelta(days=self.day)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(str(tmp_path / "ledger.sqlite"), Clock()) as opened:
        yield opened


@pytest.mark.parametrize(
    ("entries", "waits"),
    [
        ([], False),
        ([TRIM], True),
        ([TRIM, CompactionEntry("web1", 9, 5)], False),
        ([CompactionEntry("web1", 9, 5), TRIM], True),
        ([TRIM, CompactionEntry("web2", 9, 5)], True),
        ([TRIM, RollbackEntry("web1", "r", (), 19)], False),
        ([TRIM, RollbackEntry("web1", "r", (), 20)], True),
        ([TRIM, RollbackEntry("web1", "r", (), None)], True),
        ([TRIM, RollbackEntry("web1", "r", (), 19), TRIM], True),
        ([TRIM, CompactionEntry("web1", 9, 5, 30), RollbackEntry("web1", "a copy of before", (), 25)], True),
        ([TRIM, CompactionEntry("web1", 9, 5, 30), TRIM, CompactionEntry("web1", 5, 4, 50)], False),
        ([TRIM, RepositoryEntry("web1", "ab" * 32)], False),
    ],
)
def test_a_trim_waits_until_it_is_final_or_undone(ledger: Ledger, entries: list[Entry], waits: bool) -> None:
    for entry in entries:
        ledger.append(entry)
    assert (ledger.history("web1").waiting_trim is not None) is waits


def test_the_hold_begins_with_whatever_came_last(ledger: Ledger) -> None:
    assert hold_ends(ledger, "web1", 14) is None
    entries: list[Entry] = [
        *(TRIM, FreezeEntry("web1", "x"), UnfreezeEntry("web1", "y"), RollbackEntry("web1", "z")),
        ListEntry("web1", "r", 20, (), 30),
    ]
    for day, entry in enumerate(entries):
        ledger.append(entry)
        began = day - 1 if isinstance(entry, UnfreezeEntry) else day
        assert hold_ends(ledger, "web1", 14) == START + timedelta(days=began + 14)
    ledger.append(TRIM)
    ledger.append(CompactionEntry("web1", 9, 5))
    assert hold_ends(ledger, "web1", 14) == START + timedelta(days=len(entries) + 14), "not with what came first"
    assert hold_ends(ledger, "web2", 14) is None


def test_a_freeze_forbids_until_it_is_lifted(ledger: Ledger) -> None:
    refuse_frozen(ledger, "web1")
    ledger.append(FreezeEntry("web1", "everything is gone"))
    with pytest.raises(SessionError, match=r"web1 is frozen since 2026-11-01T.*everything is gone") as caught:
        refuse_frozen(ledger, "web1")
    assert caught.value.code == "frozen"
    refuse_frozen(ledger, "web2")
    ledger.append(UnfreezeEntry("web1", "seen"))
    refuse_frozen(ledger, "web1")


def test_what_was_asked_for_is_remembered(ledger: Ledger) -> None:
    ledger.append(TRIM)
    assert ledger.history("web1").requested == {"a", "b"}
    assert ledger.history("web2").requested == frozenset()
    ledger.append(RollbackEntry("web1", "wrong rules", (), 19, ("a",)))
    assert ledger.history("web1").requested == frozenset(), "from now on whoever deletes them is missed"
