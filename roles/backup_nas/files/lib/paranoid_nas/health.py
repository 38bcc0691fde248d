# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the NAS is: pools, and the ages of snapshots, copies and scrubs, as measured and not as planned."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Optional

from paranoid_nas.policy import DAY, Snapshot, own_snapshots
from paranoid_nas.storage import NasError, Storage


@dataclass(frozen=True)
class Limits:
    """After how many days something is late."""

    snapshot: int = 2
    copy: int = 8
    scrub: int = 40


def late(what: str, newest: Optional[int], now: float, days: int) -> list[str]:
    """Return a line if the newest of something is older than that many days, missing, or from the future."""
    if newest is None:
        return [f"{what}: there is none"]
    age = (now - newest) / DAY
    if age > days:
        return [f"{what}: the newest is {age:.1f} days old"]
    return [f"{what}: the newest is {-age:.1f} days ahead of the clock"] if age < -1 else []


def newest_ages(snapshots: Iterable[Snapshot], datasets: Sequence[str]) -> dict[str, Optional[int]]:
    """Return when the newest own snapshot of each dataset was made."""
    everything = list(snapshots)
    own = {dataset: own_snapshots(everything, dataset) for dataset in datasets}
    return {dataset: found[-1].created if found else None for dataset, found in own.items()}


def look(storage: Storage, root: str, copies: Sequence[str], now: float, limits: Limits) -> dict[str, Any]:
    """Return what was measured, and under ``problems`` what somebody should look at, one line each."""
    pools = storage.devices([root, *copies])
    problems: list[str] = [line for about in pools.values() for line in about["problems"]]
    ages: dict[str, Any] = {}
    for name, days, kind in [(root, limits.snapshot, "snapshots"), *((one, limits.copy, "copies") for one in copies)]:
        try:
            datasets = [one for one in storage.datasets(name) if one != name]
            found = newest_ages(storage.snapshots(name), datasets)
        except NasError as error:
            problems.append(str(error))
            continue
        ages[name] = found
        for dataset, newest in found.items():
            problems += late(f"{kind} of {dataset}", newest, now, days)
    return {"schema": 1, "measured": int(now), "pools": pools, "newest": ages, "problems": problems}
