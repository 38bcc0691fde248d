# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cycle of a repository: trim, hold, compaction, next trim; and what must not go on while it is frozen."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Optional

from ansible_collections.paranoid.backup.plugins.module_utils._common.errors import SessionError
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import (
    CompactionEntry,
    FreezeEntry,
    LedgerRow,
    RollbackEntry,
    SessionEntry,
    TrimEntry,
)
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.ledger import Ledger
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.tamper_check import chain_problem

_ALL = 100_000
_HOLDING = ("trim", "freeze", "rollback")


def refuse_frozen(ledger: Ledger, client: str) -> None:
    """Raise SessionError ``frozen`` while an alarm of this client waits for a person."""
    record = ledger.freeze_state(client)
    if record is not None and isinstance(record.entry, FreezeEntry):
        since = record.time.isoformat(timespec="seconds")
        reason = f"{client} is frozen since {since}: look, roll back or not, then unfreeze it ({record.entry.reason})"
        raise SessionError("frozen", reason[:500])


def refuse_broken(ledger: Ledger, now: datetime) -> None:
    """Raise SessionError ``alarm`` when the ledger is not what it was: nothing is deleted by what it says."""
    problem = chain_problem(ledger, now)
    if problem:
        raise SessionError("alarm", f"ALARM: {problem}"[:500])


def current_entries(ledger: Ledger, client: str, *kinds: str) -> list[LedgerRow]:
    """Return the entries of these kinds that made the present repository what it is, without what rollbacks undid.

    Numbers of transactions come again after a rollback; one of an entry that is left is of the present course.
    """
    created = ledger.newest(client, "repository")
    found = [record for kind in (*kinds, "rollback") for record in ledger.entries(kind, client, limit=_ALL)]
    left: list[LedgerRow] = []
    for record in sorted(found, key=lambda record: record.seq):
        if isinstance(record.entry, RollbackEntry):
            left = [one for one in left if not _is_undone(one, record.entry.transaction)]
        elif created is None or record.seq > created.seq:
            left.append(record)
    return left


def waiting_trim(ledger: Ledger, client: str) -> Optional[LedgerRow]:
    """Return the newest trim that no compaction has followed and no rollback undone, None when there is none."""
    newest = next(reversed(current_entries(ledger, client, "trim", "compaction")), None)
    return newest if newest and isinstance(newest.entry, TrimEntry) else None


def hold_ends(ledger: Ledger, client: str, days: int) -> Optional[datetime]:
    """Return until when nothing may be compacted: ``days`` from the last trim, freeze or rollback; None without one."""
    times = [record.time for record in (ledger.newest(client, kind) for kind in _HOLDING) if record]
    return max(times) + timedelta(days=days) if times else None


def asked_before(ledger: Ledger, client: str) -> frozenset[str]:
    """Return the ids that trims of this client named: one that is gone went because the server said so."""
    trims = [record.entry for record in current_entries(ledger, client, "trim")]
    return frozenset(identifier for entry in trims if isinstance(entry, TrimEntry) for identifier in entry.requested)


def _is_undone(record: LedgerRow, back_to: Optional[int]) -> bool:
    then = record.entry.transaction if isinstance(record.entry, (SessionEntry, TrimEntry, CompactionEntry)) else None
    return back_to is not None and then is not None and then > back_to
