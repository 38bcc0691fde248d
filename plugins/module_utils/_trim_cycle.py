# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cycle of a repository: trim, hold, compaction, next trim; and what must not go on while it is frozen."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from typing import Optional

from ansible_collections.paranoid.backup.plugins.module_utils._ledger import NAME, Ledger
from ansible_collections.paranoid.backup.plugins.module_utils._ledger_entries import Freeze, Record, Rollback, Trim
from ansible_collections.paranoid.backup.plugins.module_utils._outcome import SessionError
from ansible_collections.paranoid.backup.plugins.module_utils._records import ServerRecord

_HOLDING = ("trim", "freeze", "rollback")


def open_ledger(server: ServerRecord) -> Ledger:
    """Open the server's ledger."""
    return Ledger.open(os.path.join(server.state_dir, NAME))


def refuse_frozen(ledger: Ledger, client: str) -> None:
    """Raise SessionError ``frozen`` while an alarm of this client waits for a person."""
    record = ledger.freeze_state(client)
    if record is not None and isinstance(record.entry, Freeze):
        since = record.time.isoformat(timespec="seconds")
        reason = f"{client} is frozen since {since}: look, roll back or not, then unfreeze it ({record.entry.reason})"
        raise SessionError("frozen", reason[:500])


def waiting_trim(ledger: Ledger, client: str) -> Optional[Record]:
    """Return the newest trim that no compaction has followed and no rollback undone, None when there is none."""
    trim = ledger.newest(client, "trim")
    if trim is None or not isinstance(trim.entry, Trim):
        return None
    done, undone = ledger.newest(client, "compaction"), ledger.newest(client, "rollback")
    if done and done.seq > trim.seq:
        return None
    if undone and undone.seq > trim.seq and isinstance(undone.entry, Rollback):
        back_to = undone.entry.transaction
        if back_to is not None and trim.entry.transaction is not None and back_to < trim.entry.transaction:
            return None
    return trim


def hold_ends(ledger: Ledger, client: str, days: int) -> Optional[datetime]:
    """Return until when nothing may be compacted: ``days`` from the last trim, freeze or rollback; None without one."""
    times = [record.time for record in (ledger.newest(client, kind) for kind in _HOLDING) if record]
    return max(times) + timedelta(days=days) if times else None


def asked_before(ledger: Ledger, client: str) -> frozenset[str]:
    """Return the ids that trims of this client named: one that is gone went because the server said so."""
    trims = [record.entry for record in ledger.entries("trim", client, limit=100)]
    return frozenset(identifier for entry in trims if isinstance(entry, Trim) for identifier in entry.requested)
