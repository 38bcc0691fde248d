# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cycle of a repository: trim, hold, compaction, next trim; and what is refused while it is frozen.

The state is no file of its own: it follows from the ledger each time it is asked for (``History``, ``frozen_by``,
``hold_ends``).

=========  =======================================  ==============================================================
state      the ledger's last word                   what moves on
=========  =======================================  ==============================================================
due        no trim since the last compaction        ``maintain`` names archives by the rules; what the client
                                                    deletes makes a trim: waiting, and held
held       a trim, and the hold runs                time. Each trim, freeze or rollback begins the hold anew
due to     a trim, and the hold has passed          ``compact`` frees what was deleted: due again
compact
frozen     an alarm (beside any of these states)    a person: ``unfreeze``, which leaves trim and hold as they are
=========  =======================================  ==============================================================

A rollback to a transaction undoes the trims and compactions after it: a trim that it undid waits no more, one whose
compaction it undid waits again.

Refused are, in this order:

1. everything that deletes, when the ledger's chain is broken (``refuse_broken``): nothing is deleted by what it says;
2. ``maintain`` and ``compact``, when the client is frozen (``refuse_frozen``); backups, audits and rollbacks go on;
3. naming archives while a trim waits, because one compaction would free what two trims deleted, the second unheld;
4. ``compact`` when an audit of its own raises an alarm, no trim waits, the hold runs, nobody knows what it would free,
   or it would free more than was allowed. A trim that does not wait, and a hold that runs, are no failure.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from ansible_collections.paranoid.backup.plugins.module_utils._common.alarm import LEDGER, Alarm
from ansible_collections.paranoid.backup.plugins.module_utils._common.errors import alarm_error, frozen_error
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import LedgerRow, SessionEntry, TrimEntry
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.ledger import Ledger
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.tamper_check import chain_problem

_BATCH = timedelta(minutes=1)  # between the entry of a session and that of its trim, at most
_HOLDING = ("trim", "freeze", "rollback", "list")


def refuse_frozen(ledger: Ledger, client: str) -> None:
    """Raise SessionError ``frozen`` while an alarm of this client waits for a person."""
    alarm = ledger.frozen_by(client)
    if alarm is not None:
        raise frozen_error(alarm)


def refuse_broken(ledger: Ledger, client: str, now: datetime) -> None:
    """Raise SessionError ``alarm`` when the ledger is not what it was: nothing is deleted by what it says."""
    problem = chain_problem(ledger, now)
    if problem:
        raise alarm_error(Alarm(LEDGER, client, (problem,)))


def is_confirmed(ledger: Ledger, trim: LedgerRow) -> bool:
    """Tell whether the maintenance of this trim, or a later one, went well: then nothing was missing after it."""
    session = trim.entry.session if isinstance(trim.entry, TrimEntry) else ""
    return any(
        isinstance(row.entry, SessionEntry)
        and (row.entry.verb, row.entry.status) == ("maintain", "ok")
        and (row.seq > trim.seq or row.entry.session == session)
        for row in ledger.entries("session", trim.client, since=trim.time - _BATCH)
    )


def hold_ends(ledger: Ledger, client: str, days: int) -> datetime | None:
    """Return until when nothing may be compacted: ``days`` from the newest of these entries; None without one."""
    times = [row.time for row in (ledger.newest(client, kind) for kind in _HOLDING) if row]
    return max(times) + timedelta(days=days) if times else None
