# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the ledger says of what was written to it, and that its past cannot be changed unseen."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._common.alarm import Alarm
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.chain import EMPTY, ChainHead, parse_head
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import (
    KINDS,
    AcceptEntry,
    ArchiveEntry,
    AuditEntry,
    ClockEntry,
    CompactionEntry,
    DestroyEntry,
    Entry,
    ForgetEntry,
    FreezeEntry,
    LedgerError,
    ListEntry,
    RebuildEntry,
    RehearsalEntry,
    ReportedArchive,
    RepositoryEntry,
    RetireEntry,
    RollbackEntry,
    SessionEntry,
    TrimEntry,
    UnfreezeEntry,
    make_session_entry,
)
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.ledger import Ledger

START = datetime(2026, 11, 1, 3, 0, tzinfo=UTC)


class Clock:
    """A clock that moves an hour with each look."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        self.now += timedelta(hours=1)
        return self.now


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "ledger.sqlite")


@pytest.fixture
def ledger(path: str) -> Any:
    with Ledger.open(path, Clock()) as opened:
        yield opened


def archive_id(number: int) -> str:
    return f"{number:064x}"


def backup(number: int, client: str = "web1", **changes: Any) -> SessionEntry:
    session = SessionEntry(
        client=client,
        verb="backup",
        session=f"{number:032x}",
        run_id="night1",
        status="ok",
        commits=1,
        manifests=1,
        archive=ReportedArchive(archive_id(number), f"{client}-{number}", start="2026-11-01T03:00:00"),
        audit="clean",
    )
    return replace(session, **changes)


def ids(ledger: Ledger, client: str = "web1") -> list[int]:
    return [int(archive.id, 16) for archive in ledger.history(client).archives]


EVERY_KIND: list[Entry] = [
    RepositoryEntry("web1", archive_id(9), "5" * 32),
    backup(1),
    AuditEntry("web1", "1" * 32, "alarm", ("12 objects gone",), 17, 12, 4096),
    ArchiveEntry("web1", archive_id(5), "web1-5", "1" * 32, 17),
    TrimEntry("web1", "2" * 32, (archive_id(1), archive_id(2)), (archive_id(1),)),
    CompactionEntry("web1", 4096, 1024, 19),
    FreezeEntry("web1", "12 objects gone", "1" * 32),
    FreezeEntry("web1", session="1" * 32, alarm=Alarm("history", "web1", ("12 objects gone", "nonce went back"))),
    UnfreezeEntry("web1", "a test", "anna"),
    RollbackEntry("web1", "back to Friday", (archive_id(3),), 13),
    AcceptEntry("web1", "old data went", "alice", ("a" * 64,), ("1" * 32,)),
    ClockEntry("web1", "it was off", "alice", {"trusted": None, "doubt": "", "told": False}),
    RebuildEntry("web1", "copy", f"4:{archive_id(1)}", f"7:{archive_id(2)}"),
    ListEntry("web1", "its list omits archives", 13, (archive_id(3),), 21, (archive_id(4),), "anna"),
    RehearsalEntry("web1", "restore", "anna", archive_name="web1-2026-11-20", files=3, bytes=4711),
    ForgetEntry("web1", archive_id(5), (archive_id(6),), ("ana",), "bo"),
    RetireEntry("web1", "ana left", "bo", archive_id(5), "old-000000000005", "2027-07-21", 41),
    DestroyEntry("web1", "its time is over", "bo", archive_id(5), 4711),
]


class TestEntries:
    def test_every_kind_comes_back_as_it_went_in(self, ledger: Ledger, path: str) -> None:
        heads = [ledger.append(entry) for entry in EVERY_KIND]
        with Ledger.read(path) as reader:
            records = reader.entries()
        assert [record.entry for record in records] == EVERY_KIND
        assert {record.kind for record in records} == set(KINDS)
        assert [ChainHead(record.seq, record.hash) for record in records] == heads
        assert records[0].time == START + timedelta(hours=1)

    def test_the_file_is_only_roots(self, ledger: Ledger, path: str) -> None:
        assert os.stat(path).st_mode & 0o777 == 0o600

    def test_filters(self, ledger: Ledger) -> None:
        for number in range(1, 7):
            ledger.append(backup(number, client=f"web{number % 2}", run_id=f"night{number % 3}"))
        ledger.append(FreezeEntry("web1", "why"))
        since = START + timedelta(hours=5)
        assert [record.seq for record in ledger.entries(kind="session", client="web1")] == [1, 3, 5]
        assert [record.seq for record in ledger.entries(since=since)] == [5, 6, 7]
        assert [record.seq for record in ledger.entries(since=since.astimezone(timezone(timedelta(hours=9))))] == [
            5,
            6,
            7,
        ]
        assert [record.seq for record in ledger.entries(limit=2)] == [6, 7]

    def test_a_result_becomes_an_entry(self) -> None:
        result: dict[str, Any] = {
            **dict.fromkeys(("reason", "code", "log"), ""),
            **dict.fromkeys(("client", "started", "finished"), "some text"),
            "verb": "backup",
            "session": "1" * 32,
            "run_id": "r",
            "status": "ok",
            "duration": 1.5,
            "bytes_received": 7,
            "bytes_sent": 8,
            "info": None,
            "archive": {"id": archive_id(1), "name": "n", "nfiles": 3},
            "gate": {"put": 1, "delete": 0, "commits": 1, "manifests": 1, "refused": ["no"]},
            "log_tail": [],
            "audit": {"verdict": "clean", "findings": []},
            "stored": {"objects": 5, "bytes": 9},
        }
        entry = make_session_entry(result)
        assert entry.archive == ReportedArchive(archive_id(1), "n", nfiles=3)
        assert (entry.commits, entry.refused, entry.audit, entry.duration) == (1, 1, "clean", 1.5)
        assert (entry.stored_objects, entry.stored_bytes, entry.bytes_received) == (5, 9, 7)
        older = make_session_entry({**result, "stored": None})
        assert (older.stored_objects, older.stored_bytes) == (0, 0)

    @pytest.mark.parametrize("text", ["a\0b", "\ud800", "\x1b[2J", "\u202e", "x" * 1_000_000, "two\nlines"])
    def test_hostile_text_is_printable_one_line_and_short(self, ledger: Ledger, text: str) -> None:
        ledger.append(backup(1, reason=text, archive=ReportedArchive(archive_id(1), text)))
        entry = ledger.entries()[0].entry
        assert isinstance(entry, SessionEntry)
        for kept in (entry.reason, entry.archive.name if entry.archive else ""):
            assert kept.isprintable()
            assert 0 < len(kept) <= 500
        assert ledger.verify().ok

    def test_findings_are_cut_and_ids_never_are(self, ledger: Ledger) -> None:
        ledger.append(AuditEntry("web1", "", "alarm", tuple(f"object {number}" for number in range(9999))))
        entry = ledger.entries()[0].entry
        assert isinstance(entry, AuditEntry)
        assert (len(entry.findings), entry.findings[-1]) == (51, "and 9949 more")
        many = tuple(archive_id(number) for number in range(900))
        ledger.append(TrimEntry("web1", "", many, many))
        with pytest.raises(LedgerError, match="at most"):
            ledger.append(TrimEntry("web1", "", many * 9, ()))

    @pytest.mark.parametrize("client", ["", "a\nb", "x" * 600, "\x1b"])
    def test_a_client_without_a_proper_name_is_refused(self, ledger: Ledger, client: str) -> None:
        with pytest.raises(LedgerError, match="no entry for a client"):
            ledger.append(FreezeEntry(client, "why"))
        assert ledger.head() == EMPTY


class TestArchives:
    def test_only_what_the_gate_saw_committed_has_arrived(self, ledger: Ledger) -> None:
        entries = [
            backup(1),
            backup(2, status="failed"),
            backup(3, commits=0),
            backup(4, manifests=0),
            backup(5, archive=None),
            backup(6, verb="info"),
            backup(7, client="web2"),
        ]
        for entry in entries:
            ledger.append(entry)
        assert ids(ledger) == [1]
        assert ledger.history("web1").archives[0].arrival == START + timedelta(hours=1)

    def test_an_archive_arrives_once(self, ledger: Ledger) -> None:
        for number in (1, 2, 1):
            ledger.append(backup(number))
        assert [(int(item.id, 16), item.seq) for item in ledger.history("web1").archives] == [(1, 1), (2, 2)]

    def test_what_was_trimmed_or_rolled_back_is_gone(self, ledger: Ledger) -> None:
        for number in range(1, 6):
            ledger.append(backup(number))
        ledger.append(TrimEntry("web1", "", (archive_id(1), archive_id(2)), (archive_id(1),)))
        ledger.append(TrimEntry("web2", "", (archive_id(4),), (archive_id(4),)))
        ledger.append(RollbackEntry("web1", "why", (archive_id(5),)))
        assert ids(ledger) == [2, 3, 4]

    def test_a_new_repository_starts_empty(self, ledger: Ledger) -> None:
        ledger.append(backup(1))
        ledger.append(RepositoryEntry("web1", archive_id(9)))
        ledger.append(backup(2))
        assert ids(ledger) == [2]

    def test_an_alarm_makes_an_archive_suspicious_also_afterwards(self, ledger: Ledger) -> None:
        for entry in (backup(1), backup(2, audit="alarm"), backup(3), backup(4)):
            ledger.append(entry)
        ledger.append(AuditEntry("web1", backup(3).session, "alarm"))
        ledger.append(AuditEntry("web1", backup(4).session, "clean"))
        assert [item.good for item in ledger.history("web1").archives] == [True, False, False, True]

    @pytest.mark.parametrize("start", ["1970-01-01T00:00:00", "2999-12-31T23:59:59", "never"])
    def test_the_time_that_a_client_claims_changes_nothing(self, tmp_path: Path, start: str) -> None:
        known = []
        for name, claimed in (("honest", "2026-11-01T03:00:00"), ("forged", start)):
            with Ledger.open(str(tmp_path / name), Clock()) as ledger:
                for number in range(1, 4):
                    ledger.append(
                        backup(number, archive=ReportedArchive(archive_id(number), "n", start=claimed, end=claimed))
                    )
                known.append(ledger.history("web1").archives)
        assert known[0] == known[1] != ()


class TestStates:
    def test_last_success_passes_over_failures_and_alarms(self, ledger: Ledger) -> None:
        assert ledger.last_success("web1") is None
        for entry in (backup(1), backup(2), backup(3, status="failed"), backup(4, audit="alarm"), backup(5, commits=0)):
            ledger.append(entry)
            success = ledger.last_success("web1")
            assert ledger.state("web1").last_success == success
        assert success is not None and success.seq == 2

    def test_frozen_until_lifted(self, ledger: Ledger) -> None:
        states = []
        for entry in (FreezeEntry("web1", "one"), UnfreezeEntry("web1", "seen", "anna"), FreezeEntry("web1", "two")):
            ledger.append(entry)
            state = ledger.freeze_state("web1")
            states.append(state.entry if state else None)
        assert states == [FreezeEntry("web1", "one"), None, FreezeEntry("web1", "two")]
        assert ledger.freeze_state("web2") is None

    @pytest.mark.parametrize("hours", [1, -1], ids=["a clock that goes", "a clock that is put back each time"])
    def test_what_was_entered_last_counts_whatever_the_clock_said(self, path: str, hours: int) -> None:
        times = (START + number * timedelta(hours=hours) for number in range(9))
        with Ledger.open(path, lambda: next(times)) as ledger:
            for entry, is_frozen in (
                (FreezeEntry("web1", "one"), True),
                (UnfreezeEntry("web1", "seen", "anna"), False),
                (FreezeEntry("web1", "two"), True),
            ):
                ledger.append(entry)
                assert (ledger.freeze_state("web1") is not None) is is_frozen

    def test_times_are_utc_wherever_the_server_is(self, path: str) -> None:
        zone = timezone(timedelta(hours=9))
        with Ledger.open(path, lambda: START.astimezone(zone)) as ledger:
            ledger.append(backup(1))
            assert [link.time for link in ledger.links(0)] == ["2026-11-01T03:00:00.000000+00:00"]
            assert ledger.entries(since=START) and not ledger.entries(since=START + timedelta(seconds=1))

    def test_states_of_all_clients(self, ledger: Ledger) -> None:
        for entry in (backup(1, client="b"), backup(2, client="a"), backup(3, client="b", status="failed")):
            ledger.append(entry)
        ledger.append(FreezeEntry("a", "why"))
        found = [(state.client, state.last_session, state.last_success) for state in ledger.states()]
        assert [(name, *(item and item.seq for item in items)) for name, *items in found] == [
            ("a", 2, 2),
            ("b", 3, 1),
        ]
        since = (START + timedelta(hours=4)).isoformat()
        assert [state.frozen_by for state in ledger.states()] == [Alarm("words", "a", ("why",), since), None]


class TestAppendOnly:
    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE entries SET body = '{}' WHERE seq = 2",
            "DELETE FROM entries WHERE seq = 3",
            "DELETE FROM entries",
            "INSERT OR REPLACE INTO entries SELECT seq, time, kind, 'x', body, previous, hash FROM entries LIMIT 1",
            "INSERT INTO entries SELECT seq + 9, time, kind, client, body, previous, hash FROM entries WHERE seq = 3",
            "INSERT INTO entries SELECT seq + 1, time, kind, client, body, previous, hash FROM entries WHERE seq = 3",
        ],
    )
    def test_the_database_refuses(self, ledger: Ledger, path: str, statement: str) -> None:
        for number in range(1, 4):
            ledger.append(backup(number))
        with sqlite3.connect(path) as other, pytest.raises(sqlite3.IntegrityError, match=r"append-only|grows"):
            other.execute(statement)
        assert ledger.verify().checked == 3

    def test_a_reader_cannot_write(self, ledger: Ledger, path: str) -> None:
        with Ledger.read(path) as reader, pytest.raises(LedgerError, match="may not be written"):
            reader.append(backup(1))


def tamper(path: str, *statements: str) -> None:
    """What root with a shell can do: take the triggers away, change, and put them back."""
    with sqlite3.connect(path) as database:
        triggers = database.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _text in triggers:
            database.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            database.execute(statement)
        for _name, text in triggers:
            database.execute(text)


class TestChain:
    @pytest.fixture
    def filled(self, ledger: Ledger) -> Ledger:
        for number in range(1, 9):
            ledger.append(backup(number))
        return ledger

    def test_the_hash_is_what_the_page_says(self, filled: Ledger, path: str) -> None:
        with sqlite3.connect(path) as database:
            rows = database.execute("SELECT previous, seq, time, kind, client, body, hash FROM entries").fetchall()
        previous = "0" * 64
        for row in rows:
            assert row[0] == previous
            previous = hashlib.sha256("\n".join(map(str, row[:6])).encode()).hexdigest()
            assert row[6] == previous
        assert filled.head() == ChainHead(8, previous)

    @pytest.mark.parametrize("column", ["time", "kind", "client", "body", "previous", "hash"])
    def test_a_change_is_found_at_its_place(self, filled: Ledger, path: str, column: str) -> None:
        tamper(path, f"UPDATE entries SET {column} = replace({column}, substr({column}, 3, 1), '~') WHERE seq = 5")
        report = filled.verify()
        assert (report.ok, report.first_bad, report.checked) == (False, 5, 4)

    @pytest.mark.parametrize(
        ("statement", "first_bad"),
        [
            ("DELETE FROM entries WHERE seq = 1", 1),
            ("DELETE FROM entries WHERE seq = 4", 4),
            ("UPDATE entries SET seq = -seq WHERE seq = 2", 2),
        ],
    )
    def test_a_gap_is_found(self, filled: Ledger, path: str, statement: str, first_bad: int) -> None:
        tamper(path, statement)
        assert filled.verify().first_bad == first_bad

    def test_an_entry_with_a_new_hash_no_longer_fits_the_next(self, filled: Ledger, path: str) -> None:
        entry = filled.entries()[4]
        with sqlite3.connect(path) as database:
            row = database.execute("SELECT previous, seq, time, kind, 'x', body FROM entries WHERE seq = 5").fetchone()
        forged = hashlib.sha256("\n".join(map(str, row)).encode()).hexdigest()
        tamper(path, f"UPDATE entries SET client = 'x', hash = '{forged}' WHERE seq = {entry.seq}")
        report = filled.verify()
        assert (report.first_bad, report.problem) == (6, "entry 6 does not continue entry 5")

    def test_only_a_noted_head_tells_a_cut(self, filled: Ledger, path: str) -> None:
        noted = filled.head()
        tamper(path, "DELETE FROM entries WHERE seq > 6")
        assert filled.verify().ok
        for full in (True, False):
            report = filled.verify(noted, full)
            assert (report.ok, report.first_bad) == (False, 8)
            assert "cut off at 6" in report.problem

    def test_a_chain_written_anew_is_not_the_one_that_was_noted(self, filled: Ledger, tmp_path: Path) -> None:
        noted = filled.head()
        with Ledger.open(str(tmp_path / "other"), Clock()) as forged:
            for number in range(11, 21):
                forged.append(backup(number))
            assert forged.verify().ok
            for full in (True, False):
                assert forged.verify(noted, full).first_bad == 8

    def test_from_a_checkpoint_only_the_rest_is_read(self, filled: Ledger, path: str) -> None:
        checkpoint = ChainHead(5, filled.entries()[4].hash)
        assert (filled.verify(checkpoint, full=False).checked, filled.verify(checkpoint).checked) == (3, 8)
        tamper(path, "UPDATE entries SET client = 'x' WHERE seq = 2")
        assert filled.verify(checkpoint, full=False).ok
        tamper(path, "UPDATE entries SET client = 'x' WHERE seq = 7")
        assert filled.verify(checkpoint, full=False).first_bad == 7
        assert filled.verify(checkpoint).first_bad == 2

    @pytest.mark.parametrize(
        "statement", ["DROP TRIGGER entries_stay", "DROP INDEX arrivals", "CREATE VIEW entries2 AS SELECT 1"]
    )
    def test_altered_tables_are_told(self, filled: Ledger, path: str, statement: str) -> None:
        with sqlite3.connect(path) as database:
            database.execute(statement)
        assert "triggers were altered" in filled.verify().problem

    def test_a_head_as_text(self, filled: Ledger) -> None:
        assert parse_head(f" {filled.head()}\n") == filled.head()
        for text in ("", "8", "8:abc", "-1:" + "0" * 64, "8:" + "G" * 64):
            with pytest.raises(ValueError, match="a head is"):
                parse_head(text)
