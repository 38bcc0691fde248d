# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The facts of a server and its clients, read from its ledger, its configuration and what audits left."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime

from ansible_collections.paranoid.backup.plugins.module_utils._audit.stored import load_baseline
from ansible_collections.paranoid.backup.plugins.module_utils._config.server import (
    ClientConfig,
    ConfigError,
    ServerConfig,
    list_clients,
    load_client,
)
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.clock_watch import recorded_doubt
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import LedgerRow, SessionEntry
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.ledger import NAME, ClientState, Ledger
from ansible_collections.paranoid.backup.plugins.module_utils._page.days import Day, Days, Restore, open_days
from ansible_collections.paranoid.backup.plugins.module_utils._page.facts import (
    SHORT,
    YEAR,
    ClientFacts,
    Disk,
    Escrow,
    Fleet,
    Seen,
    Trouble,
    describe,
    latest_age,
)
from ansible_collections.paranoid.backup.plugins.module_utils._page.nas import NOWHERE, Nas, Place, find_places
from ansible_collections.paranoid.backup.plugins.module_utils._page.notes import Notes, list_recent
from ansible_collections.paranoid.backup.plugins.module_utils._retention.waiting import CLOCK_CURE

UNREADABLE = "its configuration on the server cannot be read, so nobody knows of its escrow: run site.yml for it"


@dataclass(frozen=True)
class Source:
    """Where the facts come from: the server's configuration, its ledger and its days, at one time."""

    config_dir: str
    server: ServerConfig
    ledger: Ledger
    days: Days
    now: datetime

    def fleet(self, nas: Sequence[Nas] | None = None) -> Fleet:
        """Return the facts of every client that is provisioned: one that is gone has none; raise ConfigError.

        ``nas`` is what those under it told, None where none was asked.
        """
        today = self.now.date().toordinal()
        recent, tried = self.days.of_all(today - SHORT + 1), self.days.restores()
        notes, places = self._notes(), find_places(nas)
        clients = [
            self._client(name, notes, places.get(name, NOWHERE), recent.get(name, []), tried.get(name, []))
            for name in list_clients(self.config_dir)
        ]
        doubt = recorded_doubt(self.ledger)
        clock = [Trouble("the server's clock", (f"{doubt}: {CLOCK_CURE}",))] if doubt else []
        return Fleet(
            server=platform.node(),
            made=self.now,
            head=str(self.ledger.head()),
            clients=tuple(sorted(clients, key=lambda client: (client.health.rank, client.name))),
            totals=tuple(self.days.totals(today - YEAR + 1)),
            troubles=(*clock, *(Trouble(one.name, one.problems) for one in nas or () if one.problems)),
            nas=None if nas is None else tuple(nas),
        )

    def year(self, client: str) -> list[Day]:
        """Return the days of the last year on which a client did something."""
        today = self.now.date().toordinal()
        return self.days.of_one(client, range(today - YEAR + 1, today + 1))

    def _notes(self) -> Notes:
        recent = list_recent(self.ledger, self.server.rehearsal_days, self.now)
        return Notes(self.server, self.ledger, recent, self.days.failed_maintenances(), self.now)

    def _client(self, name: str, notes: Notes, place: Place, days: list[Day], restores: list[Restore]) -> ClientFacts:
        state = self.ledger.state(name)
        client = self._configuration(name)
        sessions = self._sessions(state)
        escrow, lines = notes.of(client, sessions) if client else (Escrow(), (UNREADABLE,))
        seen = Seen(
            state=state,
            backup=next((one for one in sessions if one.verb == "backup" and not _is_good(state, one)), None),
            latest=latest_age(client.schedule if client else None),
            disk=self._disk(name, client.quota if client else None),
            days=tuple(days),
            restores=tuple(restores),
            escrow=escrow,
            place=place,
            notes=(*lines, *place.late),
        )
        return describe(seen, self.now)

    def _sessions(self, state: ClientState) -> list[SessionEntry]:
        """Return the sessions from the last good backup on, newest first; mostly it is the newest itself."""
        good = state.last_success
        if state.last_session is None or state.last_session == good:
            return _entries([good] if good else [])
        rows = self.ledger.entries("session", state.client, good.time if good else None, 100)
        later = [row for row in reversed(rows) if good is None or row.seq > good.seq]
        return _entries([*later, *([good] if good else [])])

    def _configuration(self, name: str) -> ClientConfig | None:
        """Return a client's configuration; its own session says what is wrong with one that cannot be read."""
        try:
            return load_client(self.config_dir, name)
        except ConfigError:
            return None

    def _disk(self, name: str, quota: int | None) -> Disk:
        """Return what is known of a client's repository."""
        try:
            baseline = load_baseline(os.path.join(self.server.state_dir, name, "baseline.json"))
        except (OSError, ValueError):
            baseline = None
        return Disk(baseline.size, baseline.freeable, quota) if baseline else Disk(quota=quota)


def _entries(rows: Iterable[LedgerRow]) -> list[SessionEntry]:
    return [row.entry for row in rows if isinstance(row.entry, SessionEntry)]


def _is_good(state: ClientState, session: SessionEntry) -> bool:
    return state.last_success is not None and session is state.last_success.entry


@contextmanager
def source(config_dir: str, server: ServerConfig, now: datetime) -> Iterator[Source]:
    """Open what the facts come from; LedgerError, OSError or sqlite3.Error if that fails."""
    ledger_path = os.path.join(server.state_dir, NAME)
    with Ledger.read(ledger_path) as ledger, closing(open_days(server.state_dir, ledger)) as days:
        yield Source(config_dir, server, ledger, days, now)
