# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Days: what each client did on each day, folded from the ledger into a file of its own, so that a year is read fast.

It is no record, only a shorter form of one: it remembers up to which entry of the chain it goes, begins again where the
ledger does not have that entry, and can be deleted at any time. Days are those of UTC, by the server's clock.
"""

from __future__ import annotations

import os
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import date
from enum import IntEnum
from itertools import islice
from typing import NamedTuple, TypeAlias

from ansible_collections.paranoid.backup.plugins.module_utils._ledger.chain import EMPTY, ChainHead, Link
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.database import transaction
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import (
    AuditEntry,
    Entry,
    FreezeEntry,
    RehearsalEntry,
    SessionEntry,
    decode,
)
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.ledger import Ledger

NAME = "days.sqlite"
_VERSION = 2
_BATCH = 5000
_KINDS = ("session", "audit", "freeze", "rehearsal")
_TABLES = (
    """CREATE TABLE days (
        day INTEGER, client TEXT, state INTEGER, failed INTEGER, duration REAL, size INTEGER, stored INTEGER,
        PRIMARY KEY (day, client)
    ) WITHOUT ROWID""",
    "CREATE TABLE totals (day INTEGER PRIMARY KEY, good INTEGER, bad INTEGER, stored INTEGER)",
    "CREATE TABLE restores (day INTEGER, client TEXT, seconds REAL, PRIMARY KEY (client, day)) WITHOUT ROWID",
    "CREATE TABLE maintenances (client TEXT PRIMARY KEY, failed TEXT) WITHOUT ROWID",
    "CREATE TABLE folded (seq INTEGER, hash TEXT)",
)
# The worst that an alarm says stays; beside that, a good backup counts more than those that failed before or after it.
_ADD = """INSERT INTO days VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
state = max(state, excluded.state), failed = failed + excluded.failed, stored = stored + excluded.stored,
duration = coalesce(excluded.duration, duration), size = coalesce(excluded.size, size)"""
_RESTORED = "INSERT OR REPLACE INTO restores VALUES (?, ?, ?)"
_MAINTAINED = "INSERT OR REPLACE INTO maintenances VALUES (?, ?)"
_SUM = """INSERT OR REPLACE INTO totals
SELECT day, count(*) FILTER (WHERE state = 2), count(*) FILTER (WHERE state <> 2), sum(stored)
FROM days WHERE day = ? GROUP BY day"""


class DayState(IntEnum):
    """What a client's day came to. The file keeps the numbers, and the higher one wins."""

    FAILED = 1
    GOOD = 2
    ALARM = 3


class Day(NamedTuple):
    """One client's day: ``number`` counts from 1 January of the year 1, as ``date.toordinal`` does.

    ``failed`` counts sessions. Of the last good backup are ``duration`` (seconds) and ``size`` (bytes, the client's
    word), None without one; ``stored`` are bytes that the day added, as the server counted.
    """

    number: int
    state: int
    failed: int
    duration: float | None
    size: int | None
    stored: int


class Total(NamedTuple):
    """All clients' day: how many were good, how many were not, and the bytes that were added."""

    number: int
    good: int
    bad: int
    stored: int


class Restore(NamedTuple):
    """A restore that was tried on a day: how many seconds the last one took, 0 if nobody said so."""

    number: int
    seconds: float


class Days:
    """The open file. Close it with ``contextlib.closing``."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    @property
    def head(self) -> ChainHead:
        """The entry of the ledger up to which it goes."""
        return ChainHead(*self._connection.execute("SELECT seq, hash FROM folded").fetchone())

    def fold(self, ledger: Ledger) -> None:
        """Add what the ledger has that is not in here yet; the caller has begun a transaction."""
        touched: set[int] = set()
        for batch in _batches(ledger.links(self.head.seq)):
            told = [(link, decode(link.kind, link.client, link.body)) for link in batch if link.kind in _KINDS]
            rows = [row for link, entry in told if (row := _read(link, entry))]
            self._connection.executemany(_ADD, rows)
            self._connection.execute("UPDATE folded SET seq = ?, hash = ?", (batch[-1].seq, batch[-1].hash))
            touched.update(row[0] for row in rows)
            self._connection.executemany(_RESTORED, filter(None, (_read_restore(*one) for one in told)))
            self._connection.executemany(_MAINTAINED, filter(None, (_read_maintenance(entry) for _link, entry in told)))
        self._connection.executemany(_SUM, ((day,) for day in sorted(touched)))

    def of_all(self, since: int) -> dict[str, list[Day]]:
        """Return the days of each client from a day on, oldest first."""
        found: dict[str, list[Day]] = defaultdict(list)
        query = "SELECT client, day, state, failed, duration, size, stored FROM days WHERE day >= ?"
        for client, *day in self._connection.execute(query, (since,)):
            found[client].append(Day._make(day))
        return found

    def of_one(self, client: str, numbers: Iterable[int]) -> list[Day]:
        """Return one client's days among those of these numbers."""
        listed = ",".join(str(int(number)) for number in numbers)  # The key begins with the day: each is looked up.
        query = f"SELECT day, state, failed, duration, size, stored FROM days WHERE day IN ({listed}) AND client = ?"
        return [Day._make(row) for row in self._connection.execute(f"{query} ORDER BY day", (client,))]

    def restores(self) -> dict[str, list[Restore]]:
        """Return the restores that were tried of each client, oldest first."""
        found: dict[str, list[Restore]] = defaultdict(list)
        for client, *row in self._connection.execute("SELECT client, day, seconds FROM restores ORDER BY client, day"):
            found[client].append(Restore._make(row))
        return found

    def failed_maintenances(self) -> dict[str, str]:
        """Return the clients whose last maintenance failed, each with the reason in one line."""
        return dict(self._connection.execute("SELECT client, failed FROM maintenances WHERE failed <> ''").fetchall())

    def totals(self, since: int) -> list[Total]:
        """Return what all clients' days came to, from a day on, oldest first."""
        query = "SELECT day, good, bad, stored FROM totals WHERE day >= ? ORDER BY day"
        return [Total._make(row) for row in self._connection.execute(query, (since,))]


def open_days(state_dir: str, ledger: Ledger) -> Days:
    """Return the days as the ledger has them now. A file that does not belong to it, or is damaged, is made again."""
    path = os.path.join(state_dir, NAME)
    try:
        return _open(path, ledger)
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):  # A full disk, a lock: nothing that deleting would heal.
            raise
    os.unlink(path)
    return _open(path, ledger)


def _open(path: str, ledger: Ledger) -> Days:
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
    connection = sqlite3.connect(path, isolation_level=None, timeout=60)
    try:
        connection.execute("PRAGMA synchronous = OFF")  # After a power cut it is made again.
        days = Days(connection)
        with transaction(connection):
            if not _is_current(connection) or not ledger.holds(days.head):
                _begin_again(connection)
            days.fold(ledger)
        return days
    except BaseException:
        connection.close()
        raise


def _is_current(connection: sqlite3.Connection) -> bool:
    return bool(connection.execute("PRAGMA user_version").fetchone()[0] == _VERSION)


def _begin_again(connection: sqlite3.Connection) -> None:
    for name in ("days", "totals", "restores", "maintenances", "folded"):
        connection.execute(f"DROP TABLE IF EXISTS {name}")
    for statement in _TABLES:
        connection.execute(statement)
    connection.execute("INSERT INTO folded VALUES (?, ?)", (EMPTY.seq, EMPTY.hash))
    connection.execute(f"PRAGMA user_version = {_VERSION}")


_Row: TypeAlias = "tuple[int, str, int, int, float | None, int | None, int]"


def _batches(links: Iterator[Link]) -> Iterator[list[Link]]:
    while batch := list(islice(links, _BATCH)):
        yield batch


def _day(link: Link) -> int:
    return date.fromisoformat(link.time[:10]).toordinal()  # the ledger's times are UTC


def _read_restore(link: Link, entry: Entry) -> tuple[int, str, float] | None:
    match entry:
        case RehearsalEntry(what="restore"):
            return _day(link), link.client, entry.seconds
    return None


def _read_maintenance(entry: Entry) -> tuple[str, str] | None:
    match entry:
        case SessionEntry(verb="maintain", status="ok"):
            return entry.client, ""
        case SessionEntry(verb="maintain", status="failed"):
            return entry.client, entry.reason or entry.code or "it failed"
    return None


def _read(link: Link, entry: Entry) -> _Row | None:
    day = _day(link)
    match entry:
        case SessionEntry(verb="backup"):
            return (day, link.client, *_read_session(entry))
        case SessionEntry(audit="alarm") | AuditEntry(verdict="alarm") | FreezeEntry():
            return day, link.client, DayState.ALARM, 0, None, None, 0
    return None


def _read_session(entry: SessionEntry) -> tuple[int, int, float | None, int | None, int]:
    if entry.audit == "alarm":
        return DayState.ALARM, 1, None, None, entry.stored_bytes
    if not entry.arrived or entry.archive is None:
        return DayState.FAILED, 1, None, None, entry.stored_bytes
    return DayState.GOOD, 0, entry.duration, entry.archive.original_size, entry.stored_bytes
