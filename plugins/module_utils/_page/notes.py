# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a client lacks although its backups arrive, found as its sessions find it for the mail.

Each of them judges with the function that a session calls: a page that judged by itself would be green where the mail
is not. For thousands of clients the dear ones are asked only where the newest session gives reason to.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ansible_collections.paranoid.backup.plugins.module_utils._config.server import ClientConfig, ServerConfig
from ansible_collections.paranoid.backup.plugins.module_utils._config.site import Site
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import LedgerRow, SessionEntry
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.ledger import Ledger
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.escrow import KEPT, describe_state
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.rehearsals import judge_rehearsals
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.shortcomings import (
    describe_escrow,
    describe_unopened,
    describe_untried,
)
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.weaknesses import describe_weaknesses
from ansible_collections.paranoid.backup.plugins.module_utils._page.facts import Escrow
from ansible_collections.paranoid.backup.plugins.module_utils._retention.waiting import describe_pending

_ALL = 10_000_000  # entries: more than there are


@dataclass(frozen=True)
class Notes:
    """What is asked for every client: the server, its ledger, and what was read of it once for all of them."""

    server: ServerConfig
    ledger: Ledger
    recent: Mapping[str, Sequence[LedgerRow]]
    maintenances: Mapping[str, str]
    now: datetime

    def of(self, client: ClientConfig, sessions: Sequence[SessionEntry]) -> tuple[Escrow, tuple[str, ...]]:
        """Return a client's escrow, and what it lacks. ``sessions`` are from its last good backup on, newest first."""
        name, state = client.client, describe_state(Site(self.server, client))
        rehearsals = self._judge_rehearsals(name, state)
        overdue = rehearsals["overdue"]
        failed = self.maintenances.get(name, "")
        lines = (
            f"the last maintenance failed: {failed}" if failed else "",
            self._describe_waiting(client, sessions),
            describe_escrow(state["state"]),
            describe_unopened(rehearsals["escrow"], overdue),
            describe_untried(rehearsals["restore"], overdue),
            describe_weaknesses(_find_borg(sessions)),
        )
        escrow = Escrow(state["state"], _parse(state["kept"]), _parse(rehearsals["escrow"]))
        return escrow, tuple(filter(None, lines))

    def _judge_rehearsals(self, name: str, state: Mapping[str, Any]) -> Mapping[str, Any]:
        """Judge by the recent ones; by all where these are too few, or where it is not known since when they count."""
        made, limit = self.ledger.newest(name, "repository"), timedelta(days=self.server.rehearsal_days)
        is_dated = made is not None and (state["state"] != KEPT or _parse(state["kept"]) is not None)
        told = judge_rehearsals(self.recent.get(name, ()), made, state, limit, self.now)
        if limit and is_dated and not told["overdue"]:
            return told
        return judge_rehearsals(self.ledger.entries("rehearsal", name), made, state, limit, self.now)

    def _describe_waiting(self, client: ClientConfig, sessions: Sequence[SessionEntry]) -> str:
        if not may_wait(sessions):
            return ""
        return describe_pending(self.ledger.history(client.client), client.anomaly_sessions)


def list_recent(ledger: Ledger, days: int, now: datetime) -> dict[str, list[LedgerRow]]:
    """Return the rehearsals of so many days by client, oldest first."""
    found: dict[str, list[LedgerRow]] = {}
    for row in ledger.entries("rehearsal", since=now - timedelta(days=days), limit=_ALL) if days else ():
        found.setdefault(row.client, []).append(row)
    return found


def may_wait(sessions: Iterable[SessionEntry]) -> bool:
    """Whether the newest of these that was looked at, or an archive among them, gives reason to wait for a person."""
    listed = list(sessions)
    noticed = next((one.unusual for one in listed if one.unusual is not None), {})
    odd = any(one.content and any(map(one.content.get, ("shrunk", "unmounted", "emptied"))) for one in listed)
    return odd or bool(noticed.get("anomaly") or noticed.get("since"))


def _find_borg(sessions: Iterable[SessionEntry]) -> str:
    """Return the version of Borg that the client told last, empty if it told none."""
    return next((one.versions["borg"] for one in sessions if one.versions and "borg" in one.versions), "")


def _parse(moment: str) -> datetime | None:
    try:
        return datetime.fromisoformat(moment)
    except ValueError:
        return None
