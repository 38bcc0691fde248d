# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compaction: free what was deleted, once the hold is over. After that nobody can bring it back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ansible_collections.paranoid.backup.plugins.module_utils._audit.stored import last_baseline
from ansible_collections.paranoid.backup.plugins.module_utils._audit.verdict import ALARM
from ansible_collections.paranoid.backup.plugins.module_utils._borg.command import run_borg
from ansible_collections.paranoid.backup.plugins.module_utils._common.errors import SessionError, alarm_error
from ansible_collections.paranoid.backup.plugins.module_utils._config.site import Site
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import CompactionEntry
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.bookkeeping import repository_alarm
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.crash_recovery import (
    begin_compaction,
    conclude_compaction,
)
from ansible_collections.paranoid.backup.plugins.module_utils._retention.cycle import (
    hold_ends,
    is_confirmed,
    refuse_broken,
    refuse_frozen,
)
from ansible_collections.paranoid.backup.plugins.module_utils._retention.waiting import waits_for_person
from ansible_collections.paranoid.backup.plugins.module_utils._upkeep.guarded import audit_and_record


@dataclass(frozen=True)
class Limits:
    """The days to wait after a trim, unless the client's are more, and the most that may go: bytes, share of all."""

    hold_days: int = 0
    bytes: int | None = None
    ratio: float = 0.5


@dataclass(frozen=True)
class Prospect:
    """What a compaction would free, and of how much (bytes); ``waiting`` says why it is not due, empty if it is."""

    size: int
    freeable: int
    waiting: str = ""


def look_ahead(site: Site, limits: Limits, now: datetime, check: bool = False) -> Prospect:
    """Audit, and return what a compaction would free; SessionError if it must not be done at all."""
    refuse_broken(site.ledger, site.name, now)
    refuse_frozen(site.ledger, site.name)
    found = audit_and_record(site, check=check)
    if found.verdict == ALARM:
        raise alarm_error(repository_alarm(site.name, found))
    baseline = last_baseline(site)
    size, freeable = baseline.size, baseline.freeable
    history = site.ledger.history(site.name)
    trim = history.waiting_trim
    if trim is None:
        return Prospect(size, freeable or 0, "no trim waits for it")
    person = waits_for_person(site, history, now)
    if person:
        return Prospect(size, freeable or 0, f"{person}; until then nothing is freed")
    if not is_confirmed(site.ledger, trim):
        day = trim.time.date().isoformat()
        return Prospect(size, freeable or 0, f"no maintenance went well since the trim of {day}: run maintain.yml")
    until = hold_ends(site.ledger, site.name, max(limits.hold_days, site.client.hold_days))
    if until is not None and now < until:
        return Prospect(size, freeable or 0, f"what was deleted is held until {until.isoformat(timespec='minutes')}")
    if freeable is None:
        raise SessionError(
            "server_error", f"nothing tells what a compaction of {site.name} would free: back it up first"
        )
    _refuse_too_much(site.name, freeable, size, limits)
    return Prospect(size, freeable)


def compact(site: Site) -> CompactionEntry:
    """Compact, check, and save a new baseline; SessionError if Borg or the audit says that it went wrong."""
    before = last_baseline(site)
    begin_compaction(site, before)
    code, said = run_borg(site, "compact")
    found, entry = conclude_compaction(site, before)
    if found.verdict == ALARM:
        raise alarm_error(repository_alarm(site.name, found))
    if code or entry is None:
        raise SessionError("server_error", f"borg compact of {site.name} ended with {code}: {said}")
    return entry


def _refuse_too_much(client: str, freeable: int, size: int, limits: Limits) -> None:
    allowed = int(size * limits.ratio)
    if limits.bytes is not None:
        allowed = min(allowed, limits.bytes)
    if freeable > allowed:
        reason = (
            f"a compaction of {client} would free {freeable} of {size} bytes, {allowed} are allowed: look, then raise"
        )
        raise SessionError("refused", reason + " limit_bytes or limit_ratio")
