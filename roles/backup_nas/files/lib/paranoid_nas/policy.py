# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which snapshots to take, to hold and to let go: pure, the time is handed in.

A snapshot's time ends when the clock says so *and* as many days with later snapshots have passed: whoever sets the
clock ahead by a year gains nothing, and a NAS that was off for a month keeps what it had.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Optional

DAY = 86400  # seconds
REASONS = ("daily", "maintenance", "manual")
_EARLY = 4 * 3600  # seconds: a daily run that comes a little early is today's all the same
_OWN = re.compile(rf"paranoid-\d{{8}}T\d{{6}}Z-({'|'.join(REASONS)})")


@dataclass(frozen=True)
class Snapshot:
    """A snapshot as ZFS knows it: ``created`` is in seconds since 1970, ``holds`` counts those who hold it."""

    dataset: str
    name: str
    created: int
    holds: int

    @property
    def full(self) -> str:
        """Its name for zfs."""
        return f"{self.dataset}@{self.name}"


@dataclass(frozen=True)
class Rules:
    """How long snapshots are held, in days, and how many of each dataset stay in any case."""

    hold_days: int
    minimum: int = 3


def snapshot_name(now: float, reason: str) -> str:
    """Return the name of a snapshot that is taken now."""
    return f"paranoid-{datetime.fromtimestamp(now, timezone.utc):%Y%m%dT%H%M%SZ}-{reason}"


def is_own(name: str) -> bool:
    """Tell whether a snapshot was taken by this program; nothing else is ever held, released or destroyed."""
    return _OWN.fullmatch(name) is not None


def own_snapshots(snapshots: Iterable[Snapshot], dataset: str) -> list[Snapshot]:
    """Return this program's snapshots of one dataset, oldest first; those of one second in the order they came in."""
    return sorted(as_listed(snapshots, dataset), key=lambda one: one.created)


def as_listed(snapshots: Iterable[Snapshot], dataset: str) -> list[Snapshot]:
    """Return the same as ZFS lists them: in the order in which they were made, whatever the clock said."""
    return [one for one in snapshots if one.dataset == dataset and is_own(one.name)]


def grouped(snapshots: Iterable[Snapshot]) -> dict[str, list[Snapshot]]:
    """Return snapshots by their datasets, as ZFS lists them; to look through all for each dataset takes minutes."""
    found: dict[str, list[Snapshot]] = {}
    for one in snapshots:
        found.setdefault(one.dataset, []).append(one)
    return found


def is_due(moments: Iterable[int], now: float) -> bool:
    """Tell whether a daily snapshot is due; those from the future, which a wrong clock made, do not count."""
    past = [moment for moment in moments if moment <= now + _EARLY]
    return not past or now - max(past) >= DAY - _EARLY


def lacks_snapshot(snapshots: Iterable[Snapshot], datasets: Iterable[str]) -> bool:
    """Tell whether a dataset has no own snapshot yet, as that of a new client: it waits for no other day."""
    return bool(set(datasets) - {one.dataset for one in snapshots if is_own(one.name)})


def next_daily(after: float, at: Optional[str]) -> float:
    """Return when the first daily run after a moment comes, ``at`` such as 02:00 by this machine's clock.

    Configurations of earlier releases do not say at what time it comes.
    """
    if at is None:
        return after + DAY
    year, month, today = time.localtime(after)[:3]
    hour, minute = map(int, at.split(":"))
    first, second = (time.mktime((year, month, day, hour, minute, 0, 0, 0, -1)) for day in (today, today + 1))
    return first if first > after else second


def unheld(snapshots: Sequence[Snapshot], now: float, rules: Rules) -> list[Snapshot]:
    """Return own snapshots that lack a hold, as after a run that was killed in between."""
    gone = set(expired(snapshots, now, rules))
    return [one for one in snapshots if is_own(one.name) and one.holds == 0 and one not in gone]


def expired(snapshots: Iterable[Snapshot], now: float, rules: Rules) -> list[Snapshot]:
    """Return the own snapshots whose time has ended, oldest first."""
    found: list[Snapshot] = []
    for _dataset, listed in sorted(grouped(snapshots).items()):
        found += _expired([one for one in listed if is_own(one.name)], now, rules)
    return found


def _expired(own: Sequence[Snapshot], now: float, rules: Rules) -> list[Snapshot]:
    """One dataset's, in the order in which they were made: the clock may have been years behind when it took one.

    Someone else's hold, such as that of a copy, keeps it as well.
    """
    found = []
    for index, one in enumerate(own[: max(len(own) - max(rules.minimum, 1), 0)]):
        days = {later.created // DAY for later in own[index + 1 :]} - {one.created // DAY}
        by_clock = now - one.created > rules.hold_days * DAY
        if by_clock and len(days) >= rules.hold_days and one.holds <= 1:
            found.append(one)
    return found
