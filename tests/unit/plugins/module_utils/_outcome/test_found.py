# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives that nobody named when they came: which of them the server knows by where their objects lie."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import (
    ArchiveEntry,
    Entry,
    LedgerRow,
    ReportedArchive,
    SessionEntry,
)
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.history import fold_history
from ansible_collections.paranoid.backup.plugins.module_utils._outcome import found as found_module
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.found import find_archives

A, B, C = ("a" * 64, "b" * 64, "c" * 64)
FAILED = SessionEntry("web1", "backup", "s7", "", "failed", "client_failed", transaction=7)
NAMED = [{"id": A, "name": "one"}]


@pytest.fixture
def places(monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[int, int]]:
    """Where the repository's objects lie: the index."""
    held: dict[str, tuple[int, int]] = {A: (6, 8), B: (7, 8), C: (4, 8)}

    @contextmanager
    def newest_index(_path: str) -> Iterator[Any]:
        yield SimpleNamespace(find=lambda key: held.get(key.hex()))

    monkeypatch.setattr(found_module, "newest_index", newest_index)
    return held


def site(tmp_path: Any, *entries: Entry) -> Any:
    rows = [LedgerRow(n, datetime(2026, 11, 1, tzinfo=UTC), "", "web1", "", entry) for n, entry in enumerate(entries)]
    return SimpleNamespace(
        name="web1",
        client=SimpleNamespace(repository=""),
        ledger=SimpleNamespace(history=lambda _name: fold_history(rows)),
        state_file=lambda name: str(tmp_path / name),
    )


BEFORE = SessionEntry("web1", "backup", "s4", "", "ok", transaction=4, commits=1, manifests=1)


@pytest.mark.usefixtures("places")
def test_it_came_with_a_backup_that_failed(tmp_path: Any) -> None:
    assert find_archives(site(tmp_path, BEFORE, FAILED), NAMED) == [ArchiveEntry("web1", A, "one", "s7", 7)]


@pytest.mark.parametrize(
    "session",
    [
        replace(FAILED, status="ok", code=""),
        replace(FAILED, verb="maintain"),
        replace(FAILED, archive=ReportedArchive(B, "two"), came=B),
        replace(FAILED, transaction=5),
        replace(FAILED, transaction=None),
    ],
    ids=["it was ok", "it was no backup", "it brought another", "it was another one", "it committed nothing"],
)
@pytest.mark.usefixtures("places")
def test_it_stays_unknown(tmp_path: Any, session: SessionEntry) -> None:
    assert find_archives(site(tmp_path, BEFORE, session), NAMED) == []


def test_what_the_repository_does_not_hold_stays_unknown(tmp_path: Any, places: dict[str, tuple[int, int]]) -> None:
    places.clear()
    assert find_archives(site(tmp_path, BEFORE, FAILED), NAMED) == []


@pytest.mark.usefixtures("places")
def test_the_clients_word_makes_one_archive_of_a_session_and_no_second(tmp_path: Any) -> None:
    both = [{"id": A, "name": "one"}, {"id": B, "name": "two"}]
    first = find_archives(site(tmp_path, BEFORE, FAILED), both)
    assert [entry.id for entry in first] == [A]
    assert find_archives(site(tmp_path, BEFORE, FAILED, *first), both) == []
