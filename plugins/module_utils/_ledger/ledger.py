# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The server's own record of sessions, archives, audits, trims and compactions: append-only and hash-chained."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, TypeAlias

from ansible_collections.paranoid.backup.plugins.module_utils._common.alarm import Alarm, alarm_from_words
from ansible_collections.paranoid.backup.plugins.module_utils._common.clock import utc_now
from ansible_collections.paranoid.backup.plugins.module_utils._ledger import schema as sql
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.chain import (
    EMPTY,
    ChainHead,
    ChainReport,
    Link,
    follow,
    link_hash,
)
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.database import (
    closed_on_error,
    connect,
    ensure_schema,
    explained,
    prepare,
    require_schema,
    schema_intact,
    transaction,
)
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import (
    Entry,
    FreezeEntry,
    LedgerError,
    LedgerRow,
    SessionEntry,
    decode,
    encode,
)
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.history import History, fold_history

NAME = "ledger.sqlite"
_BATCH = 2000
_Value: TypeAlias = "str | int"


@dataclass(frozen=True)
class ClientState:
    """What the ledger knows of a client now; ``frozen_by`` is None if it is not frozen."""

    client: str
    last_session: LedgerRow | None
    last_success: LedgerRow | None
    frozen_by: Alarm | None


class Ledger:
    """An open ledger. Every method raises LedgerError, with one line, if the file or the disk fails.

    Each reading method sees one consistent state, and keeps writers waiting no longer than one query takes.
    """

    def __init__(self, path: str, connection: sqlite3.Connection, clock: Callable[[], datetime]) -> None:
        self.path = path
        self._connection = connection
        self._clock = clock

    @classmethod
    def open(cls, path: str, clock: Callable[[], datetime] = utc_now) -> Ledger:
        """Open the ledger at ``path`` to append to it; create it, mode 0600, if there is none."""
        with explained(path):
            prepare(path)
            connection = connect(path)
            with closed_on_error(connection):
                ensure_schema(connection, path)
        return cls(path, connection, clock)

    @classmethod
    def read(cls, path: str) -> Ledger:
        """Open the existing ledger at ``path`` for reading only."""
        with explained(path):
            connection = connect(path)
            with closed_on_error(connection):
                require_schema(connection, path)
                connection.execute("PRAGMA query_only = ON")
        return cls(path, connection, utc_now)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def append(self, entry: Entry) -> ChainHead:
        """Add ``entry`` at the end, on disk when this returns; return the new head."""
        kind, client, body = encode(entry)
        with explained(self.path), transaction(self._connection):
            last = self._head()
            time = self._clock().astimezone(UTC).isoformat(timespec="microseconds")
            head = ChainHead(last.seq + 1, link_hash(last.seq + 1, time, kind, client, body, last.hash))
            self._connection.execute(sql.INSERT, (head.seq, time, kind, client, body, last.hash, head.hash))
        return head

    def take_over(self, links: Iterable[Link]) -> None:
        """Append another ledger's entries unchanged, all or none; the first must continue this ledger's head."""
        with explained(self.path), transaction(self._connection):
            rows = (
                (link.seq, link.time, link.kind, link.client, link.body, link.previous, link.hash) for link in links
            )
            self._connection.executemany(sql.INSERT, rows)

    def head(self) -> ChainHead:
        """Return the newest entry's number and hash, to be noted elsewhere and given to ``verify`` later."""
        with explained(self.path):
            return self._head()

    def verify(self, known: ChainHead = EMPTY, full: bool = True) -> ChainReport:
        """Check every entry (only those after ``known`` if not ``full``), and that the entry ``known`` still exists.

        Only a head that was noted elsewhere shows that a ledger was cut off, or written anew as a whole.
        """
        with explained(self.path):
            if not schema_intact(self._connection):
                return ChainReport(False, EMPTY, 0, None, "its tables or triggers were altered")
            start = EMPTY if full else known
            report = follow(self.links(start.seq), start)
            lost = self._lost(known)
            if lost and (report.ok or not full):
                return ChainReport(False, report.head, report.checked, known.seq, lost)
            return report

    def holds(self, head: ChainHead) -> bool:
        """Tell whether the entry that ``head`` names is there, with its hash."""
        with explained(self.path):
            return not self._lost(head)

    def links(self, after: int) -> Iterator[Link]:
        """Yield the entries after number ``after`` as they are stored, unchecked.

        They are read in batches, so that a long check or a copy never keeps a writer waiting.
        """
        while True:
            batch = self._connection.execute(sql.LINK + " WHERE seq > ? ORDER BY seq LIMIT ?", (after, _BATCH))
            links = [Link(*row) for row in batch.fetchall()]
            if not links:
                return
            yield from links
            after = links[-1].seq

    def entries(
        self, kind: str = "", client: str = "", since: datetime | None = None, limit: int = 1000
    ) -> list[LedgerRow]:
        """Return the newest ``limit`` entries that match, oldest first; ``since`` is an aware time."""
        where: list[tuple[str, _Value]] = []
        if kind:
            where.append(("kind = ?", kind))
        if client:
            where.append(("client = ?", client))
        if since is not None:
            where.append(("time >= ?", since.astimezone(UTC).isoformat(timespec="microseconds")))
        return self._select(where, limit)

    def newest(self, client: str, kind: str) -> LedgerRow | None:
        """Return the newest entry of this kind for ``client``, or None."""
        return next(iter(self._rows(sql.NEWEST, (client, kind))), None)

    def last_clock(self) -> LedgerRow | None:
        """Return the newest entry, of any client, that has a reading of the server's clock, or None."""
        return next(iter(self._rows(sql.CLOCK, ())), None)

    def last_success(self, client: str) -> LedgerRow | None:
        """Return the newest session whose archive arrived and whose audit raised no alarm, or None."""
        return next(iter(self._rows(sql.SUCCESS, (client,))), None)

    def freeze_state(self, client: str) -> LedgerRow | None:
        """Return the entry that froze this client's repository, or None if it is not frozen."""
        freeze = self.newest(client, "freeze")
        lifted = self.newest(client, "unfreeze") if freeze else None
        return freeze if freeze and (lifted is None or lifted.seq < freeze.seq) else None

    def frozen_by(self, client: str) -> Alarm | None:
        """Return the alarm that froze this client's repository, None if it is not frozen."""
        row = self.freeze_state(client)
        if row is None or not isinstance(row.entry, FreezeEntry):
            return None
        alarm = row.entry.alarm or alarm_from_words(client, row.entry.reason)
        return replace(alarm, since=row.time.isoformat(timespec="seconds"))

    def clients(self) -> list[str]:
        """Return the names of all clients that have an entry."""
        with explained(self.path):
            return [row[0] for row in self._connection.execute(sql.CLIENTS)]

    def state(self, client: str) -> ClientState:
        """Return the client's present state."""
        newest = self.newest(client, "session")
        success = newest if newest and _is_success(newest) else self.last_success(client)
        return ClientState(client, newest, success, self.frozen_by(client))

    def states(self) -> list[ClientState]:
        """Return the present state of every client, ordered by name."""
        return [self.state(client) for client in self.clients()]

    def history(self, client: str) -> History:
        """Return what the client's present repository holds, and the entries that explain it."""
        return fold_history(self._rows(sql.HISTORY, (client,)))

    def _head(self) -> ChainHead:
        row = self._connection.execute(sql.HEAD).fetchone()
        return ChainHead(row[0], row[1]) if row else EMPTY

    def _lost(self, known: ChainHead) -> str:
        if known == EMPTY:
            return ""
        row = self._connection.execute("SELECT hash FROM entries WHERE seq = ?", (known.seq,)).fetchone()
        if row is None:
            return f"entry {known.seq} is missing: the ledger was cut off at {self._head().seq}"
        return "" if row[0] == known.hash else f"entry {known.seq} is not the one that was noted"

    def _select(self, where: list[tuple[str, _Value]], limit: int) -> list[LedgerRow]:
        condition = " AND ".join(clause for clause, value in where) or "true"
        query = f"{sql.LINK} WHERE {condition} ORDER BY seq DESC LIMIT ?"
        return self._rows(query, (*(value for clause, value in where), limit))[::-1]

    def _rows(self, query: str, values: tuple[_Value, ...]) -> list[LedgerRow]:
        with explained(self.path):
            return [_read_row(self.path, columns) for columns in self._connection.execute(query, values).fetchall()]


def _is_success(row: LedgerRow) -> bool:
    """Whether it is what the query for the last success looks for: mostly the newest session is, and none is asked."""
    return isinstance(row.entry, SessionEntry) and row.entry.arrived and row.entry.audit != "alarm"


def _read_row(path: str, columns: tuple[Any, ...]) -> LedgerRow:
    link = Link(*columns)
    try:
        entry = decode(link.kind, link.client, link.body)
        return LedgerRow(link.seq, datetime.fromisoformat(link.time), link.kind, link.client, link.hash, entry)
    except ValueError as error:
        raise LedgerError(f"ledger {path}: entry {link.seq} cannot be read: {error}") from None
