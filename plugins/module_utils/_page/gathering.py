# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The facts of a server and its clients, read from its ledger, its configuration and what audits left."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
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
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import SessionEntry
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.ledger import NAME, ClientState, Ledger
from ansible_collections.paranoid.backup.plugins.module_utils._page.days import Day, Days, Restore, open_days
from ansible_collections.paranoid.backup.plugins.module_utils._page.facts import (
    SHORT,
    YEAR,
    ClientFacts,
    Disk,
    Fleet,
    Seen,
    describe,
    latest_age,
)


@dataclass(frozen=True)
class Source:
    """Where the facts come from: the server's configuration, its ledger and its days, at one time."""

    config_dir: str
    server: ServerConfig
    ledger: Ledger
    days: Days
    now: datetime

    def fleet(self) -> Fleet:
        """Return the facts of every client that is provisioned: one that is gone has none; raise ConfigError."""
        today = self.now.date().toordinal()
        recent = self.days.of_all(today - SHORT + 1)
        tried = self.days.restores()
        clients = [
            self._client(name, recent.get(name, []), tried.get(name, [])) for name in list_clients(self.config_dir)
        ]
        return Fleet(
            server=platform.node(),
            made=self.now,
            head=str(self.ledger.head()),
            clients=tuple(sorted(clients, key=lambda client: (client.health.rank, client.name))),
            totals=tuple(self.days.totals(today - YEAR + 1)),
        )

    def year(self, client: str) -> list[Day]:
        """Return the days of the last year on which a client did something."""
        today = self.now.date().toordinal()
        return self.days.of_one(client, range(today - YEAR + 1, today + 1))

    def _client(self, name: str, days: list[Day], restores: list[Restore]) -> ClientFacts:
        state = self.ledger.state(name)
        client = self._configuration(name)
        latest = latest_age(client.schedule if client else None)
        disk = self._disk(name, client.quota if client else None)
        seen = Seen(state, self._newest_backup(state), latest, disk, tuple(days), tuple(restores))
        return describe(seen, self.now)

    def _newest_backup(self, state: ClientState) -> SessionEntry | None:
        """Return the newest backup after the last good one; mostly there is none, and then nothing is read."""
        if state.last_session is None or state.last_session == state.last_success:
            return None
        since = state.last_success.time if state.last_success else None
        rows = reversed(self.ledger.entries("session", state.client, since, 100))
        later = (row.entry for row in rows if state.last_success is None or row.seq > state.last_success.seq)
        return next((entry for entry in later if isinstance(entry, SessionEntry) and entry.verb == "backup"), None)

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


@contextmanager
def source(config_dir: str, server: ServerConfig, now: datetime) -> Iterator[Source]:
    """Open what the facts come from; LedgerError, OSError or sqlite3.Error if that fails."""
    ledger_path = os.path.join(server.state_dir, NAME)
    with Ledger.read(ledger_path) as ledger, closing(open_days(server.state_dir, ledger)) as days:
        yield Source(config_dir, server, ledger, days, now)
