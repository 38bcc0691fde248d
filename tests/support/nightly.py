# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client that backs up each night, as numbers: what honest hosts do, and what attackers do to them."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import (
    AcceptEntry,
    LedgerRow,
    ReportedArchive,
    SessionEntry,
)
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.history import History
from ansible_collections.paranoid.backup.plugins.module_utils._retention.anomaly import (
    Verdict,
    judge_session,
    pending_anomaly,
    sessions_to_accept,
)

START = datetime(2026, 1, 5, 2, tzinfo=UTC)  # a Monday
OBJECT = 400_000  # bytes of a stored object, on average
GB = 10**9


@dataclass
class Host:
    """One client. ``size`` bytes in ``files``; ``ratio`` is compressed to original; ``churn`` changes on a weekday."""

    random: random.Random
    size: float = 80 * GB
    files: float = 300_000
    ratio: float = 0.45
    churn: float = 0.02
    growth: float = 0.0015
    rate: float = 20e6  # bytes a second
    idle: float = 0.0  # bytes, compressed, that never change
    held: float = 0.0
    objects: float = 0.0
    needed: int = 5
    config: str = "as it was"  # a fingerprint of what is saved
    rows: list[LedgerRow] = field(default_factory=list)
    accepts: list[LedgerRow] = field(default_factory=list)

    @property
    def history(self) -> History:
        """What the ledger knows."""
        return History(sessions=tuple(self.rows), accepts=tuple(self.accepts))

    @property
    def now(self) -> datetime:
        """When the next night is."""
        return START + timedelta(days=len(self.rows))

    @property
    def waits(self) -> str:
        """What retention waits for."""
        return pending_anomaly(self.history, self.needed)

    def noise(self, width: float) -> float:
        """A factor around 1 that is now and then much larger, as loads are."""
        return self.random.lognormvariate(0, width)

    def night(self, new: float = 0.0, read: float = 0.0, expected: str = "", **changes: Any) -> Verdict:
        """Back up once: what changes each day, ``new`` bytes of compressed data beside, ``read`` bytes read back."""
        quiet = self.now.weekday() >= 5
        grown = self.size * self.growth * self.noise(0.6) * (0.2 if quiet else 1)
        self.size += grown
        self.files *= 1 + grown / self.size / 2
        stored = (self.size * self.ratio - self.idle) * self.churn * self.noise(0.5) * (
            0.1 if quiet else 1
        ) + grown * self.ratio
        return self.enter(stored + new, read, expected, **changes)

    def enter(self, stored: float, read: float, expected: str = "", **changes: Any) -> Verdict:
        """Judge and enter a session that stored so much, and moves on what the repository holds."""
        first = not self.rows
        stored = self.size * self.ratio if first else stored
        objects = max(3, stored / OBJECT)
        self.held, self.objects = self.held + stored, self.objects + objects
        seconds = (60 + self.files / 4000 + stored / self.rate) * self.noise(0.3)
        entry = SessionEntry(
            client="web1",
            verb="backup",
            session=f"{len(self.rows):032x}",
            run_id="",
            status="ok",
            commits=1,
            manifests=1,
            content={"config": self.config},
            came=f"{len(self.rows):064x}",
            duration=round(seconds, 1),
            bytes_received=int(stored * 1.01 + 60_000),
            stored_bytes=int(stored),
            stored_objects=int(objects),
            held_bytes=int(self.held),
            held_objects=int(self.objects),
            bytes_read=int(read + 40_000 * self.noise(0.5)),
            archive=ReportedArchive(
                f"{len(self.rows):064x}",
                "a",
                original_size=int(self.size),
                compressed_size=int(self.size * self.ratio),
                deduplicated_size=int(stored),
                nfiles=int(self.files),
            ),
        )
        entry = replace(entry, **changes)
        verdict = judge_session(self.history, entry, self.needed, expected)
        entry = replace(entry, unusual=verdict.to_dict())
        self.rows.append(LedgerRow(len(self.rows) + 1, self.now, "session", "web1", "", entry))
        return verdict

    def accept(self, archives: tuple[str, ...] = ()) -> None:
        """Let a person accept what waits, and these archives that were far too small."""
        entry = AcceptEntry("web1", "meant", "alice", archives, sessions_to_accept(self.history, self.needed))
        self.accepts.append(LedgerRow(len(self.rows) + 1, self.now, "accept", "web1", "", entry))

    def fail(self, stored: float) -> Verdict:
        """A session whose connection broke after so many bytes."""
        return self.enter(stored, 0, status="failed", code="connection_lost", commits=0, manifests=0, archive=None)


def lead_an_honest_life(host: Host, nights: int) -> list[Verdict]:
    """Let a host do what hosts do: a dump in full each month, a big file once, an upgrade, a broken night…"""
    verdicts = []
    for night in range(nights):
        data = host.size * host.ratio
        if night and night % 30 == 0:  # The dump replaces last month's.
            verdicts.append(host.night(new=data * 0.15))
        elif night == 50:  # A disk image that does not compress at all.
            old, host.size, host.files = host.size, host.size * 1.6, host.files + 1
            host.ratio = (old * host.ratio + host.size - old) / host.size
            host.idle += host.size - old
            verdicts.append(host.night(new=host.size - old))
        elif night == 77:
            host.files *= 1.02
            verdicts.append(host.night(new=data * 0.06))
        elif night == 98:  # Old data is tidied away.
            host.size, host.files = host.size * 0.9, host.files * 0.85
            verdicts.append(host.night())
        elif night == 111:
            verdicts.append(host.fail(data * 0.01))
        elif night == 134:
            verdicts.append(host.night(read=host.held * 0.03))
        else:
            verdicts.append(host.night())
    return verdicts
