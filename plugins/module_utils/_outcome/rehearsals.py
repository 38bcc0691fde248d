# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rehearsals: when a person last saw that the escrow opens, and that a restore works; the ledger keeps who and when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from ansible_collections.paranoid.backup.plugins.module_utils._common.clock import is_recent
from ansible_collections.paranoid.backup.plugins.module_utils._common.errors import SessionError
from ansible_collections.paranoid.backup.plugins.module_utils._config.site import Site
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import LedgerRow, RehearsalEntry
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.escrow import KEPT, list_escrows

ESCROW, RESTORE = "escrow", "restore"
REHEARSALS = frozenset({ESCROW, RESTORE})
_FORM = "%Y-%m-%dT%H:%M:%SZ"


def record_rehearsal(site: Site, entry: RehearsalEntry) -> None:
    """Put a rehearsal into the ledger; SessionError if it is of nothing that this server has."""
    if entry.what == ESCROW and entry.escrow not in {one.digest for one in list_escrows(site)}:
        raise SessionError("refused", f"{site.name} has no escrow {entry.escrow[:12]!r}: run escrow.yml for it again")
    if entry.what == RESTORE and entry.files < 1:
        raise SessionError("refused", f"nothing of {site.name} came back, which shows nothing: restore what is there")
    names = {archive.name for archive in site.ledger.history(site.name).archives}
    if entry.what == RESTORE and entry.archive_name not in names:
        raise SessionError("refused", f"the ledger knows no archive {entry.archive_name[:80]!r} of {site.name}")
    site.ledger.append(entry)


def describe_rehearsals(site: Site, escrow: Mapping[str, Any] | None, now: datetime) -> dict[str, Any]:
    """Return when each was last rehearsed with the present key and repository (empty: never), and which are overdue.

    ``escrow`` is what `describe_state` says. LedgerError if the ledger cannot be read.
    """
    rows = site.ledger.entries("rehearsal", site.name)
    made = site.ledger.newest(site.name, "repository")
    return judge_rehearsals(rows, made, escrow, timedelta(days=site.server.rehearsal_days), now)


def judge_rehearsals(
    rows: Sequence[LedgerRow],
    made: LedgerRow | None,
    escrow: Mapping[str, Any] | None,
    limit: timedelta,
    now: datetime,
) -> dict[str, Any]:
    """Return the same of a client's rehearsals, oldest first, and the entry that made its repository.

    What never was becomes overdue as long after the escrow was kept, or the repository was made. Rehearsals that are
    older than ``limit`` only tell *never* from *too long ago*.
    """
    digest = escrow["digest"] if escrow and escrow["state"] == KEPT else ""
    opened = [row for row in rows if _is(row, ESCROW) and getattr(row.entry, "escrow", "") == digest]
    restored = [row for row in rows if _is(row, RESTORE) and (made is None or made.seq < row.seq)]
    since = {ESCROW: _parse(escrow["kept"]) if escrow and digest else None, RESTORE: made.time if made else None}
    last = {ESCROW: _last(opened) if digest else None, RESTORE: _last(restored)}
    overdue = [
        what
        for what in (ESCROW, RESTORE)
        if limit and (then := last[what] or since[what]) and not is_recent(then, now, limit)
    ]
    return {**{what: then.strftime(_FORM) if then else "" for what, then in last.items()}, "overdue": overdue}


def is_proven(site: Site, digest: str) -> bool:
    """Whether somebody saw that the escrow with this digest opens."""
    rows = site.ledger.entries("rehearsal", site.name)
    return any(_is(row, ESCROW) and getattr(row.entry, "escrow", "") == digest for row in rows)


def _parse(moment: str) -> datetime | None:
    """Return a time that a file of the server has, None for what is none."""
    try:
        return datetime.fromisoformat(moment).astimezone(UTC)
    except ValueError:
        return None


def _is(row: LedgerRow, what: str) -> bool:
    return isinstance(row.entry, RehearsalEntry) and row.entry.what == what


def _last(rows: Sequence[LedgerRow]) -> datetime | None:
    return rows[-1].time if rows else None
