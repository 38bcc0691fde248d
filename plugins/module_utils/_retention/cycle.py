# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cycle of a repository: trim, hold, compaction, next trim; and what must not go on while it is frozen."""

from __future__ import annotations

from datetime import datetime, timedelta

from ansible_collections.paranoid.backup.plugins.module_utils._common.alarm import LEDGER, Alarm
from ansible_collections.paranoid.backup.plugins.module_utils._common.errors import alarm_error, frozen_error
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.ledger import Ledger
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.tamper_check import chain_problem

_HOLDING = ("trim", "freeze", "rollback")


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


def hold_ends(ledger: Ledger, client: str, days: int) -> datetime | None:
    """Return until when nothing may be compacted: ``days`` from the last trim, freeze or rollback; None without one."""
    times = [row.time for row in (ledger.newest(client, kind) for kind in _HOLDING) if row]
    return max(times) + timedelta(days=days) if times else None
