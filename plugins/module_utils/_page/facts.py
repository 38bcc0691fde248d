# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What page, status.json and metrics say of a server and its clients, before it becomes any of them. No I/O."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from ansible_collections.paranoid.backup.plugins.module_utils._common.alarm import alarm_sentence
from ansible_collections.paranoid.backup.plugins.module_utils._common.clock import is_recent
from ansible_collections.paranoid.backup.plugins.module_utils._common.formatting import format_duration
from ansible_collections.paranoid.backup.plugins.module_utils._common.text import one_line
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import LedgerRow, SessionEntry
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.ledger import ClientState
from ansible_collections.paranoid.backup.plugins.module_utils._page.days import Day, Restore, Total
from ansible_collections.paranoid.backup.plugins.module_utils._page.nas import NOWHERE, Nas, Place

TEXT_LIMIT = 500  # characters of any one text
YEAR = 365  # days
SHORT = 30  # days in the list of all clients
LATE_BY = timedelta(hours=12)  # beyond what may lie between two turns
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}


class Health(StrEnum):
    """How a client is, the worst first. What is not known is not good."""

    FROZEN = "frozen"
    NEVER = "never"
    LATE = "late"
    FAILED = "failed"
    NOTED = "noted"
    GOOD = "good"

    @property
    def rank(self) -> int:
        """Its place among them, the worst is 0."""
        return list(Health).index(self)


@dataclass(frozen=True, slots=True)
class Disk:
    """A repository on the server's disk, in bytes; None is what is not known, and no quota.

    ``held`` is what was deleted and can still be brought back, or waits for a compaction.
    """

    used: int | None = None
    held: int | None = None
    quota: int | None = None


@dataclass(frozen=True, slots=True)
class Escrow:
    """A client's escrow: its state as `_outcome/escrow.py` has it, when it was kept, and when a holder opened it."""

    state: str = ""
    kept: datetime | None = None
    opened: datetime | None = None


@dataclass(frozen=True, slots=True)
class ClientFacts:
    """One client. ``reason`` says in one line why its health is not good, ``notes`` what it lacks beside its backups.

    Of the last good backup are ``size`` (bytes before Borg), ``files``, ``duration`` (seconds) and ``added`` (bytes
    that the server saw come); size and files are the client's word. ``days`` are its last weeks, ``restores`` all
    that were tried.
    """

    name: str
    health: Health
    reason: str
    last_good: datetime | None
    last_session: datetime | None
    last_status: str
    last_code: str
    size: int | None
    files: int | None
    duration: float | None
    added: int | None
    disk: Disk
    days: tuple[Day, ...]
    restores: tuple[Restore, ...] = ()
    escrow: Escrow = Escrow()
    place: Place = NOWHERE
    notes: tuple[str, ...] = ()

    @property
    def is_good(self) -> bool:
        """Whether nobody needs to look."""
        return self.health is Health.GOOD

    @property
    def share(self) -> float | None:
        """How full its quota is, 1 is full."""
        return self.disk.used / self.disk.quota if self.disk.quota and self.disk.used is not None else None


@dataclass(frozen=True, slots=True)
class Trouble:
    """What somebody should look at: of what it is, and lines, the most urgent first."""

    name: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Fleet:
    """A server and its clients, the worst first; ``head`` is its ledger's, ``totals`` are a year of days.

    ``troubles`` are what somebody should look at that is no client's. ``nas`` is empty where the inventory has none,
    None where none was asked.
    """

    server: str
    made: datetime
    head: str
    clients: tuple[ClientFacts, ...]
    totals: tuple[Total, ...]
    troubles: tuple[Trouble, ...] = ()
    nas: tuple[Nas, ...] | None = None

    @property
    def counts(self) -> Mapping[Health, int]:
        """How many clients are of each health."""
        found = Counter(client.health for client in self.clients)
        return {health: found[health] for health in Health}

    @property
    def added(self) -> int:
        """The bytes that came in the last 24 hours' good backups."""
        fresh = (one for one in self.clients if one.last_good and self.made - one.last_good < timedelta(days=1))
        return sum(one.added or 0 for one in fresh)

    @property
    def used(self) -> int:
        """The bytes of all repositories."""
        return sum(client.disk.used or 0 for client in self.clients)


def plain(text: str) -> str:
    """Return any text as page, status.json and metrics may show it: one line, printable, short."""
    return one_line(text, TEXT_LIMIT)


def latest_age(schedule: Mapping[str, Any] | None) -> timedelta:
    """Return how old a newest good backup may be: twelve hours more than what lies between two turns at most.

    ``schedule`` has rules as docs/runner.md describes them; without any a client has its turn each day.
    """
    rules = schedule or {}
    found = re.fullmatch(r"(\d{1,4}) ?([hdw])", str(rules.get("every", "")))
    every = int(found[1]) * _UNITS[found[2]] if found else timedelta(days=1)
    listed = rules.get("days")
    names = {str(day).lower()[:3] for day in listed} if isinstance(listed, list) else set()
    days = [place for place, day in enumerate(_DAYS) if day in names]
    gaps = [(after - before - 1) % 7 + 1 for before, after in zip(days, days[1:] + days[:1], strict=True)]
    return max(every, timedelta(days=max(gaps, default=0))) + LATE_BY


def judge(
    state: ClientState, backup: SessionEntry | None, latest: timedelta, notes: tuple[str, ...], now: datetime
) -> tuple[Health, str]:
    """Return how a client is, and why in one line, empty if it is good. ``backup`` is its newest after the good one.

    ``latest`` is how old the good one may be, ``notes`` are what it lacks although its backups arrive.
    """
    failed = (backup.reason or backup.code or "it failed") if backup and backup.status != "ok" else ""
    if state.frozen_by:
        return Health.FROZEN, alarm_sentence(state.frozen_by)
    if state.last_success is None:
        return Health.NEVER, failed or "there was no backup yet"
    arrived = state.last_success.time
    if not is_recent(arrived, now, latest):
        since = _describe_age(arrived, now)
        return Health.LATE, f"{since}: {failed}" if failed else since
    if backup and backup.status == "failed":
        return Health.FAILED, failed
    return (Health.NOTED, "; ".join(notes)) if notes else (Health.GOOD, "")


def _describe_age(arrived: datetime, now: datetime) -> str:
    if arrived > now:
        return f"the last good backup came at {arrived:%Y-%m-%d %H:%M} UTC, which is yet to come: the clock was wrong"
    return f"the last good backup is {format_duration((now - arrived).total_seconds())} old"


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of one client: ``backup`` is its newest after the last good one, None without.

    ``latest`` is how old the good one may be.
    """

    state: ClientState
    backup: SessionEntry | None
    latest: timedelta
    disk: Disk
    days: tuple[Day, ...]
    restores: tuple[Restore, ...]
    escrow: Escrow
    place: Place
    notes: tuple[str, ...]


def describe(seen: Seen, now: datetime) -> ClientFacts:
    """Return what is said of one client."""
    state = seen.state
    health, reason = judge(state, seen.backup, seen.latest, seen.notes, now)
    last, good = _session(state.last_session), _session(state.last_success)
    archive = good.archive if good else None
    return ClientFacts(
        name=state.client,
        health=health,
        reason=reason,
        last_good=state.last_success.time if state.last_success else None,
        last_session=state.last_session.time if state.last_session else None,
        last_status=last.status if last else "",
        last_code=last.code if last else "",
        size=archive.original_size if archive else None,
        files=archive.nfiles if archive else None,
        duration=good.duration if good else None,
        added=good.stored_bytes if good else None,
        disk=seen.disk,
        days=seen.days,
        restores=seen.restores,
        escrow=seen.escrow,
        place=seen.place,
        notes=seen.notes,
    )


def _session(row: LedgerRow | None) -> SessionEntry | None:
    return row.entry if row and isinstance(row.entry, SessionEntry) else None
