# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long ago somebody saw that the escrow opens and that a restore works, and when that is too long."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._common.errors import SessionError
from ansible_collections.paranoid.backup.plugins.module_utils._config.site import Site
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import (
    Entry,
    RehearsalEntry,
    ReportedArchive,
    RepositoryEntry,
    RetireEntry,
    SessionEntry,
)
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.ledger import NAME, Ledger
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.rehearsals import (
    describe_rehearsals,
    record_rehearsal,
)
from made_site import make_site

START = datetime(2026, 1, 1, tzinfo=UTC)
MADE = RepositoryEntry("web1", "a" * 64)
OPENED = RehearsalEntry("web1", "escrow", "ana", "ana", "d1")
RESTORED = RehearsalEntry("web1", "restore", "ana", archive_name="web1-1", files=3)
ESCROW = {"state": "kept", "holders": ["ana"], "digest": "d1", "kept": "2026-01-02T00:00:00Z", "problem": ""}


def day(number: int) -> str:
    return (START + timedelta(days=number)).strftime("%Y-%m-%dT%H:%M:%SZ")


def tell(
    place: Path, at: int, *entries: tuple[int, Entry], escrow: dict[str, Any] | None = ESCROW, days: int = 90
) -> Any:
    """Return what is told on day ``at`` of a client with these entries, each of its day."""
    site = make_site(place)
    moments = iter([START + timedelta(days=number) for number, _entry in entries])
    with Ledger.open(f"{site.server.state_dir}/{NAME}", clock=lambda: next(moments)) as ledger:
        for _number, entry in entries:
            ledger.append(entry)
    site = Site(replace(site.server, rehearsal_days=days), site.client)
    return describe_rehearsals(site, escrow, START + timedelta(days=at))


@pytest.mark.parametrize(
    ("at", "entries", "escrow", "told"),
    [
        (5, [(0, MADE)], ESCROW, ("", "", [])),
        (90, [(0, MADE)], ESCROW, ("", "", [])),
        (91, [(0, MADE)], ESCROW, ("", "", ["restore"])),
        (92, [(0, MADE)], ESCROW, ("", "", ["escrow", "restore"])),
        (92, [(0, MADE), (50, OPENED)], ESCROW, (day(50), "", ["restore"])),
        (92, [(0, MADE), (50, OPENED), (60, RESTORED)], ESCROW, (day(50), day(60), [])),
        (141, [(0, MADE), (10, OPENED), (20, RESTORED), (60, OPENED), (70, RESTORED)], ESCROW, (day(60), day(70), [])),
        (141, [(0, MADE), (50, OPENED), (60, RESTORED)], ESCROW, (day(50), day(60), ["escrow"])),
        (151, [(0, MADE), (50, OPENED), (60, RESTORED)], ESCROW, (day(50), day(60), ["escrow", "restore"])),
        (92, [(0, MADE), (50, replace(OPENED, escrow="d0"))], ESCROW, ("", "", ["escrow", "restore"])),
        (92, [(0, MADE), (50, replace(OPENED, client="db1"))], ESCROW, ("", "", ["escrow", "restore"])),
        (92, [(0, MADE), (1, RESTORED), (2, replace(MADE, repository_id="b" * 64))], None, ("", "", [])),
        (92, [(0, MADE), (457, OPENED), (60, RESTORED)], ESCROW, (day(457), day(60), ["escrow"])),
        (999, [(0, MADE)], {**ESCROW, "state": "outdated"}, ("", "", ["restore"])),
        (999, [(0, MADE)], {**ESCROW, "kept": "yesterday"}, ("", "", ["restore"])),
        (999, [(0, MADE)], None, ("", "", ["restore"])),
        (999, [], None, ("", "", [])),
    ],
)
def test_what_is_overdue(
    tmp_path: Path, at: int, entries: list[tuple[int, Entry]], escrow: dict[str, Any] | None, told: tuple[Any, ...]
) -> None:
    found = tell(tmp_path, at, *entries, escrow=escrow)
    assert (found["escrow"], found["restore"], found["overdue"]) == told


def test_nothing_is_overdue_where_nobody_wants_it(tmp_path: Path) -> None:
    assert tell(tmp_path, 9999, (0, MADE), days=0)["overdue"] == []


@pytest.mark.parametrize("entry", [OPENED, RESTORED])
def test_only_what_the_server_has_can_have_been_rehearsed(tmp_path: Path, entry: RehearsalEntry) -> None:
    """The word of who ran it is taken, but not for another client's escrow, or an archive that never came."""
    site = make_site(tmp_path)
    with pytest.raises(SessionError, match=r"has no escrow|knows no archive"):
        record_rehearsal(site, entry)
    assert site.ledger.entries() == []
    site.close()


def test_of_the_archives_that_came_it_must_be_one(tmp_path: Path) -> None:
    archive = ReportedArchive("1" * 64, "web1-1")
    site = make_site(tmp_path)
    came = SessionEntry("web1", "backup", "1" * 32, "r", "ok", commits=1, manifests=1, archive=archive, came="1" * 64)
    site.ledger.append(came)
    with pytest.raises(SessionError, match="knows no archive 'web1-2'"):
        record_rehearsal(site, replace(RESTORED, archive_name="web1-2"))
    record_rehearsal(site, RESTORED)
    site.close()


@pytest.mark.parametrize("files", [0, -1])
def test_a_restore_that_brought_nothing_is_no_rehearsal(tmp_path: Path, files: int) -> None:
    site = make_site(tmp_path)
    with pytest.raises(SessionError, match="nothing of web1 came back"):
        record_rehearsal(site, replace(RESTORED, files=files))
    assert site.ledger.entries() == []
    site.close()


def test_the_history_of_a_client_whose_repository_was_set_aside_is_empty(tmp_path: Path) -> None:
    retired = RetireEntry("web1", "a leak", "bo", "a" * 64, "old-aaaaaaaaaaaa", "2027-01-01")
    site = make_site(tmp_path)
    for entry in (MADE, retired):
        site.ledger.append(entry)
    assert site.ledger.history("web1").archives == ()
    site.close()
