# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a repository holds now, and how it came to that: folded from the ledger's entries of its client. No I/O.

Each entry moves the history on, in the order of the chain:

=============  ======================================================================================
repository     everything before it belongs to another repository and is left out
retire         the same: that repository was set aside, and another is not made yet
session        an archive that came is known from now on, as what it is: good, or of a session that failed or was an
               alarm; one that is reported again changes nothing
archive        an archive that came with a session that failed is known from then on
audit          an alarm makes the archive of its session suspicious
trim           what was deleted is gone
unfreeze       what a person gave up is gone
compaction     what was deleted cannot be brought back by the repository itself any more
rollback       entries of later transactions never happened; archives are lost or restored as it says
list           archives are lost or restored as it says
accept         archives that were found too small are good from now on, what was unusual is usual
=============  ======================================================================================

Transactions of a repository are numbered, and after a rollback the numbers come again. So a number says something
only about the entries that are left, and each rollback is applied at its place in the chain.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import (
    AcceptEntry,
    ArchiveEntry,
    AuditEntry,
    CompactionEntry,
    Entry,
    KnownArchive,
    LedgerRow,
    ListEntry,
    ReportedArchive,
    RepositoryEntry,
    RetireEntry,
    RollbackEntry,
    SessionEntry,
    TrimEntry,
    UnfreezeEntry,
)


@dataclass(frozen=True)
class History:
    """The past of the present repository, without what rollbacks undid.

    ``archives`` are those that the repository holds, oldest arrival first; ``found`` are those that were named later
    than they came; ``sessions``, ``trims``, ``compactions``, ``lists`` and ``accepts`` are the entries that made it so,
    oldest first.
    """

    archives: tuple[KnownArchive, ...] = ()
    sessions: tuple[LedgerRow, ...] = ()
    trims: tuple[LedgerRow, ...] = ()
    compactions: tuple[LedgerRow, ...] = ()
    lists: tuple[LedgerRow, ...] = ()
    accepts: tuple[LedgerRow, ...] = ()
    found: tuple[ArchiveEntry, ...] = ()

    @property
    def transactions(self) -> tuple[int, ...]:
        """Where sessions, compactions and restored lists ended, in order."""
        rows = (*self.sessions, *self.trims, *self.compactions, *self.lists)
        return tuple(sorted({one for row in rows if (one := _transaction(row.entry)) is not None}))

    @property
    def waiting_trim(self) -> LedgerRow | None:
        """The newest trim when no compaction has followed it, else None."""
        if not self.trims or (self.compactions and self.compactions[-1].seq > self.trims[-1].seq):
            return None
        return self.trims[-1]

    @property
    def requested(self) -> frozenset[str]:
        """The ids of the archives that trims named: one of these that is gone went because the server said so."""
        return frozenset(one for row in self.trims if isinstance(row.entry, TrimEntry) for one in row.entry.requested)

    @property
    def accepted(self) -> frozenset[str]:
        """The ids of the archives that a person accepted as they are."""
        return _accepted(self.accepts)

    @property
    def accepted_sessions(self) -> frozenset[str]:
        """The ids of the sessions of which a person accepted what was unusual."""
        return frozenset(
            one for row in self.accepts if isinstance(row.entry, AcceptEntry) for one in row.entry.sessions
        )

    def first_compaction_after(self, transaction: int) -> LedgerRow | None:
        """Return the compaction that freed what going back to ``transaction`` needs, None when there is none."""
        return next((row for row in self.compactions if (_transaction(row.entry) or 0) > transaction), None)

    def first_trim_after(self, transaction: int) -> LedgerRow | None:
        """Return the trim that may have deleted what a list of ``transaction`` has, None when there is none."""
        return next((row for row in self.trims if not _is_within(_transaction(row.entry), transaction)), None)

    def lost_by(self, transaction: int) -> tuple[str, ...]:
        """Return the ids of the archives that going back to ``transaction`` takes away, oldest arrival first."""
        off = self._off_the_list_of(transaction)
        return tuple(one.id for one in self.archives if not _is_within(one.transaction, transaction) or one.id in off)

    def restored_by(self, transaction: int) -> tuple[str, ...]:
        """Return the ids of the archives that going back to ``transaction`` brings back: gone since, not made since.

        Those of sessions that failed are among them, because a person may have had them deleted.
        """
        later = [
            row.entry for row in (*self.trims, *self.lists) if not _is_within(_transaction(row.entry), transaction)
        ]
        gone = {one for entry in later for one in _gone_by(entry)}
        entries = (row.entry for row in self.sessions if _is_within(_transaction(row.entry), transaction))
        made = {entry.archive.id for entry in entries if isinstance(entry, SessionEntry) and entry.archive}
        made |= {one.id for one in self.found if _is_within(one.transaction, transaction)}
        there = {one.id for one in self.archives}  # Also what a later list has brought back already.
        return tuple(sorted((gone & made) - self._off_the_list_of(transaction) - there))

    def _off_the_list_of(self, transaction: int) -> frozenset[str]:
        """Return the ids of the archives that were made by then, and to which the list of then did not lead.

        A list that came back leads to what it led to where it was taken from, whether or not the ledger knew of it.
        """
        return frozenset(one for one, made in self._made.items() if self._is_off(made, transaction))

    @property
    def _made(self) -> dict[str, int]:
        """The transaction of each archive that a session named, or that was found later; the first counts."""
        entries = [row.entry for row in self.sessions if isinstance(row.entry, SessionEntry)]
        named = [(entry.archive.id, entry.transaction) for entry in entries if entry.archive]
        made: dict[str, int] = {}
        for one, transaction in (*named, *((entry.id, entry.transaction) for entry in self.found)):
            if transaction is not None:
                made.setdefault(one, transaction)
        return made

    def _is_off(self, made: int, transaction: int) -> bool:
        """Whether a list that came back by a transaction does not lead to what was made before it."""
        lists = (row.entry for row in reversed(self.lists) if isinstance(row.entry, ListEntry))
        for entry in lists:
            if entry.transaction is not None and made < entry.transaction <= transaction:
                return made > entry.kept or self._is_off(made, entry.kept)
        return False


def fold_history(rows: Iterable[LedgerRow]) -> History:
    """Return the history that one client's entries, oldest first, come to."""
    current: list[LedgerRow] = []
    gone: set[str] = set()
    alarmed: set[str] = set()
    for row in rows:
        entry = row.entry
        if isinstance(entry, (RepositoryEntry, RetireEntry)):
            current, gone = [], set()
        elif isinstance(entry, RollbackEntry):
            current = [one for one in current if not _is_undone(one.entry, entry.transaction)]
            gone = gone.union(entry.lost).difference(entry.restored)
        elif isinstance(entry, AuditEntry):
            alarmed.update([entry.session] if entry.verdict == "alarm" else ())
        elif isinstance(entry, UnfreezeEntry):
            gone.update(entry.lost)
        else:
            current.append(row)
            gone.update(_gone_by(entry))
            gone.difference_update(entry.restored if isinstance(entry, ListEntry) else ())
    return History(
        archives=_archives(current, gone, alarmed, _accepted(current)),
        sessions=tuple(row for row in current if isinstance(row.entry, SessionEntry)),
        trims=tuple(row for row in current if isinstance(row.entry, TrimEntry)),
        compactions=tuple(row for row in current if isinstance(row.entry, CompactionEntry)),
        lists=tuple(row for row in current if isinstance(row.entry, ListEntry)),
        accepts=tuple(row for row in current if isinstance(row.entry, AcceptEntry)),
        found=tuple(row.entry for row in current if isinstance(row.entry, ArchiveEntry)),
    )


def _archives(
    current: Iterable[LedgerRow], gone: set[str], alarmed: set[str], accepted: frozenset[str]
) -> tuple[KnownArchive, ...]:
    """Return the archives that came and are not gone; the first arrival of each counts, and that of its session."""
    found: dict[str, KnownArchive] = {}
    sessions: dict[str, LedgerRow] = {}
    for row in current:
        entry = row.entry
        if isinstance(entry, SessionEntry):
            sessions[entry.session] = row
            if entry.archive and entry.brought:
                found.setdefault(entry.archive.id, _known(row, entry, entry.archive, alarmed, accepted))
        elif isinstance(entry, ArchiveEntry) and entry.session in sessions:
            came, archive = sessions[entry.session], ReportedArchive(entry.id, entry.name)
            if isinstance(came.entry, SessionEntry):
                found.setdefault(entry.id, _known(came, came.entry, archive, alarmed, accepted))
    held = (archive for archive in found.values() if archive.id not in gone)
    return tuple(sorted(held, key=lambda archive: archive.seq))


def _known(
    row: LedgerRow, session: SessionEntry, archive: ReportedArchive, alarmed: set[str], accepted: frozenset[str]
) -> KnownArchive:
    sizes = (archive.original_size, archive.deduplicated_size, archive.nfiles)
    seen = (session.transaction, session.stored_objects, session.stored_bytes)
    unharmed = session.audit != "alarm" and session.session not in alarmed
    good = unharmed and (session.status == "ok" or archive.id in accepted)
    return KnownArchive(archive.id, archive.name, row.time, row.seq, good, *sizes, *seen, unharmed and not good)


def _accepted(rows: Iterable[LedgerRow]) -> frozenset[str]:
    return frozenset(one for row in rows if isinstance(row.entry, AcceptEntry) for one in row.entry.archives)


def _gone_by(entry: Entry) -> tuple[str, ...]:
    """Return the archives that an entry took away."""
    match entry:
        case TrimEntry():
            return entry.deleted
        case ListEntry():
            return entry.lost
        case _:
            return ()


def _transaction(entry: Entry) -> int | None:
    numbered = (SessionEntry, ArchiveEntry, TrimEntry, CompactionEntry, ListEntry)
    return entry.transaction if isinstance(entry, numbered) else None


def _is_within(transaction: int | None, limit: int) -> bool:
    """Whether it is known to be of ``limit`` or an earlier transaction."""
    return transaction is not None and transaction <= limit


def _is_undone(entry: Entry, back_to: int | None) -> bool:
    """Whether it is known to be of a later transaction than ``back_to``."""
    transaction = _transaction(entry)
    return back_to is not None and transaction is not None and transaction > back_to
