# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Days folded from the ledger: the same however often it is done, and never those of another ledger."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import (
    AuditEntry,
    Entry,
    FreezeEntry,
    RehearsalEntry,
    SessionEntry,
)
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.ledger import NAME, Ledger
from ansible_collections.paranoid.backup.plugins.module_utils._page import days as module
from ansible_collections.paranoid.backup.plugins.module_utils._page.days import Day, DayState, Restore, Total, open_days
from page_world import HOSTS, link, make_entries, make_session

NIGHT = datetime(2026, 11, 25, 23, 30, tzinfo=UTC)
DAY = NIGHT.date().toordinal()
GOOD = make_session(HOSTS[0], 0, NIGHT, Random(1))
FAILED = SessionEntry("db1", "backup", "f" * 32, "r1", "failed", code="unreachable")
assert GOOD.archive
TIME, SIZE, STORED = GOOD.duration, GOOD.archive.original_size, GOOD.stored_bytes
AUDITED = SessionEntry("db1", "backup", "a" * 32, "r1", "failed", code="alarm", audit="alarm", stored_bytes=5)


def write(path: Path, *entries: Entry, begin: datetime = NIGHT) -> None:
    """Make a ledger of entries that come an hour after each other."""
    with Ledger.open(str(path / NAME)) as ledger:
        ledger.take_over(link((begin + timedelta(hours=place), entry) for place, entry in enumerate(entries)))


def read(path: Path) -> dict[str, list[Day]]:
    with Ledger.read(str(path / NAME)) as ledger, closing(open_days(str(path), ledger)) as days:
        return days.of_all(0)


@pytest.mark.parametrize(
    ("entries", "day"),
    [
        ([GOOD], (DayState.GOOD, 0, TIME, SIZE, STORED)),
        ([FAILED], (DayState.FAILED, 1, None, None, 0)),
        ([FAILED, FAILED, GOOD], (DayState.GOOD, 2, TIME, SIZE, STORED)),
        ([GOOD, FAILED], (DayState.GOOD, 1, TIME, SIZE, STORED)),
        ([GOOD, GOOD], (DayState.GOOD, 0, TIME, SIZE, 2 * STORED)),
        ([AUDITED, GOOD], (DayState.ALARM, 1, TIME, SIZE, STORED + 5)),
        ([GOOD, FreezeEntry("db1", "why")], (DayState.ALARM, 0, TIME, SIZE, STORED)),
        ([GOOD, AuditEntry("db1", "", "alarm")], (DayState.ALARM, 0, TIME, SIZE, STORED)),
        ([GOOD, AuditEntry("db1", "", "clean")], (DayState.GOOD, 0, TIME, SIZE, STORED)),
    ],
)
def test_what_a_day_comes_to(tmp_path: Path, entries: list[Entry], day: tuple[object, ...]) -> None:
    write(tmp_path, *entries, begin=NIGHT.replace(hour=1))
    assert [tuple(one) for one in read(tmp_path)["db1"]] == [(DAY, *day)]
    assert [tuple(one) for one in read(tmp_path)["db1"]] == [(DAY, *day)], "the second time nothing is added"


@pytest.mark.parametrize("verb", ["maintain", "info", "escrow", "create", "open"])
def test_only_backups_make_a_day(tmp_path: Path, verb: str) -> None:
    write(tmp_path, SessionEntry("db1", verb, "1" * 32, "r1", "ok", commits=1, manifests=1))
    assert read(tmp_path) == {}


def test_midnight_is_that_of_utc_and_totals_go_along(tmp_path: Path) -> None:
    write(tmp_path, GOOD, FAILED)
    assert [(one.number - DAY, one.state) for one in read(tmp_path)["db1"]] == [
        (0, DayState.GOOD),
        (1, DayState.FAILED),
    ]
    with Ledger.open(str(tmp_path / NAME), lambda: NIGHT) as ledger:
        ledger.append(SessionEntry("web1", "backup", "2" * 32, "r1", "failed"))
        with closing(open_days(str(tmp_path), ledger)) as days:
            assert days.totals(DAY) == [Total(DAY, 1, 1, STORED), Total(DAY + 1, 0, 1, 0)]
            assert days.totals(DAY + 1) == [Total(DAY + 1, 0, 1, 0)]
            assert [one.number for one in days.of_one("db1", range(DAY, DAY + 9))] == [DAY, DAY + 1]


def test_restores_that_were_tried_stay_by_client(tmp_path: Path) -> None:
    tried = [RehearsalEntry("db1", "restore", "ana", seconds=seconds) for seconds in (7.5, 8.5, 0.0)]
    write(tmp_path, tried[0], tried[1], RehearsalEntry("db1", "escrow", "ana", seconds=1.0), tried[2])
    with Ledger.read(str(tmp_path / NAME)) as ledger, closing(open_days(str(tmp_path), ledger)) as days:
        assert days.restores() == {"db1": [Restore(DAY, 7.5), Restore(DAY + 1, 0.0)]}
    assert read(tmp_path) == {}


def test_folded_in_pieces_is_folded_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entries = list(make_entries(HOSTS, 30, NIGHT))
    whole, pieces = tmp_path / "whole", tmp_path / "pieces"
    whole.mkdir()
    pieces.mkdir()
    write(whole, *(entry for _when, entry in entries))
    at_once = read(whole)
    monkeypatch.setattr(module, "_BATCH", 7)
    for count in (1, 50, len(entries)):
        (pieces / NAME).unlink(missing_ok=True)
        write(pieces, *(entry for _when, entry in entries[:count]))
        folded = read(pieces)
    assert folded == at_once
    assert len(folded) > 5


def test_another_ledger_begins_again(tmp_path: Path) -> None:
    write(tmp_path, GOOD, FAILED, begin=NIGHT - timedelta(days=9))
    assert read(tmp_path)
    (tmp_path / NAME).unlink()
    write(tmp_path, FAILED, FAILED)
    assert {one.number for one in read(tmp_path)["db1"]} == {DAY, DAY + 1}


@pytest.mark.parametrize(
    "rubbish", [b"no database at all, but longer than its head " * 9, b"SQLite format 3\0" + b"\xff" * 900]
)
def test_a_damaged_file_is_made_again(tmp_path: Path, rubbish: bytes) -> None:
    write(tmp_path, GOOD)
    before = read(tmp_path)
    (tmp_path / module.NAME).write_bytes(rubbish)
    assert read(tmp_path) == before


def test_a_file_of_another_release_is_made_again(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    before = read(tmp_path)
    with closing(sqlite3.connect(tmp_path / module.NAME)) as connection:
        connection.executescript("DROP TABLE days; CREATE TABLE days (x); PRAGMA user_version = 99")
    assert read(tmp_path) == before
    assert (tmp_path / module.NAME).stat().st_mode & 0o777 == 0o600


def test_no_link_is_followed(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    (tmp_path / module.NAME).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"):
        read(tmp_path)
    assert not (tmp_path / "elsewhere").exists()
