# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file under the ledger: made with rights of its own, opened, and its errors put into one line."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote

from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import LedgerError
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.schema import STATEMENTS, VERSION

BUSY_SECONDS = 60.0
_ADVICE = (
    ("disk is full", "no space left on its file system: free some, then run again; nothing was written"),
    ("database is locked", "another process has kept it busy for a minute: see who with fuser"),
    ("readonly database", "it may not be written here"),
    ("unable to open", "it cannot be opened: is the path right, may this user read and write there?"),
    ("malformed", "it is damaged: take it from a snapshot, or see 'Recovery' in docs/ledger.md"),
    ("not a database", "it is damaged: take it from a snapshot, or see 'Recovery' in docs/ledger.md"),
)


@contextmanager
def explained(path: str) -> Iterator[None]:
    """Turn what SQLite or the system says about the file at ``path`` into a LedgerError of one line."""
    try:
        yield
    except (sqlite3.Error, OSError, ValueError) as error:
        said = str(error)
        advice = next((text for sign, text in _ADVICE if sign in said), said)
        raise LedgerError(f"ledger {path}: {advice}") from error


def connect(path: str) -> sqlite3.Connection:
    """Open the existing file at ``path``; SQLite falls back to reading where the file system is read-only."""
    if not os.path.exists(path):
        raise LedgerError(f"ledger {path}: there is none yet, the first session makes it")
    connection = sqlite3.connect(f"file:{quote(path)}?mode=rw", uri=True, timeout=BUSY_SECONDS, isolation_level=None)
    # EXTRA: a commit that was reported survives a power cut, the removal of its journal included.
    connection.execute("PRAGMA synchronous = EXTRA")
    return connection


def prepare(path: str) -> None:
    """Create the file at ``path``, mode 0600, when there is none; its journal gets the same mode from SQLite."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        return


def ensure_schema(connection: sqlite3.Connection, path: str) -> None:
    """Make the tables in an empty file; LedgerError when the file holds something else."""
    if _version(connection) == 0:
        with transaction(connection):
            if _version(connection) == 0 and not _tables(connection):
                for statement in STATEMENTS:
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {VERSION}")
    require_schema(connection, path)


def require_schema(connection: sqlite3.Connection, path: str) -> None:
    """LedgerError when the file is not a ledger of this version."""
    if _version(connection) != VERSION:
        raise LedgerError(f"ledger {path}: not a ledger of version {VERSION}: was it made by another release?")


def schema_intact(connection: sqlite3.Connection) -> bool:
    """Tell whether tables, indexes and triggers are word for word those that were made."""
    return _tables(connection) == set(STATEMENTS)


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """One write transaction: it takes its place in the queue at once, and leaves nothing behind when it fails."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


@contextmanager
def closed_on_error(connection: sqlite3.Connection) -> Iterator[None]:
    """Close ``connection`` when what follows fails, so that no descriptor and no lock stays behind."""
    try:
        yield
    except BaseException:
        connection.close()
        raise


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _tables(connection: sqlite3.Connection) -> set[str]:
    return {row[0] for row in connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")}
