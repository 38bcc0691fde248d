# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cycle of a repository: trim, hold, compaction, next trim; and what must not go on while it is frozen."""

from __future__ import annotations

from datetime import datetime, timedelta

from ansible_collections.paranoid.backup.plugins.module_utils._common.errors import SessionError
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import FreezeEntry
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.ledger import Ledger
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.tamper_check import chain_problem

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


def hold_ends(ledger: Ledger, client: str, days: int) -> datetime | None:
    """Return until when nothing may be compacted: ``days`` from the last trim, freeze or rollback; None without one."""
    times = [record.time for record in (ledger.newest(client, kind) for kind in _HOLDING) if record]
    return max(times) + timedelta(days=days) if times else None
