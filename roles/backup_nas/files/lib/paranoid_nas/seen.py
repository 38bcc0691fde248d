# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What this program saw earlier: how full pools were, when a scrub ended, how copies went and what is on their disks.

It lies beside the configuration, and where it is lost the next days bring it back.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from statistics import median
from typing import Any, Optional

from paranoid_nas.locks import NOTES, alone
from paranoid_nas.policy import DAY
from paranoid_nas.storage import NasError

_MOST = 60  # samples of each pool, one a day
_APART = 20 * 3600  # seconds between two samples at least
_LEAST_DAYS = 7  # that samples must span before they say anything
_WAIT = 300.0  # seconds for notes that another run is writing

Sample = tuple[int, int]  # seconds since 1970, bytes in use


@dataclass(frozen=True)
class Attempt:
    """The last run for a copy: when it began and ended, None while it is at work, and what first went wrong."""

    began: int
    ended: Optional[int] = None
    failure: str = ""


@dataclass(frozen=True)
class Seen:
    """``samples`` and ``scrubs`` are by pool; ``copies`` has for each copy when the newest of each dataset was made."""

    samples: Mapping[str, list[Sample]] = field(default_factory=dict)
    scrubs: Mapping[str, int] = field(default_factory=dict)
    copies: Mapping[str, Mapping[str, Optional[int]]] = field(default_factory=dict)
    attempts: Mapping[str, Attempt] = field(default_factory=dict)


def note(config: str, change: Callable[[Seen], Seen]) -> None:
    """Change what is remembered beside a configuration; another run may note something else at the same time."""
    path = place_of_seen(config)
    with alone(config, NOTES, _WAIT):
        seen = change(load_seen(path))
        try:
            save_seen(path, seen)
        except OSError as error:
            raise NasError(f"{path}: {error.strerror}") from None


def place_of_seen(config: str) -> str:
    """Return the path of what is remembered beside a configuration."""
    return f"{config}.seen"


def load_seen(path: str) -> Seen:
    """Return what was seen; nothing where the file is missing or broken."""
    try:
        with open(path, encoding="utf-8") as file:
            raw = json.load(file)
        samples = {str(pool): [(int(at), int(used)) for at, used in many] for pool, many in raw["samples"].items()}
        scrubs = {str(pool): int(at) for pool, at in raw["scrubs"].items()}
        copies = {
            str(copy): {str(name): None if at is None else int(at) for name, at in newest.items()}
            for copy, newest in raw["copies"].items()
        }
        attempts = {str(copy): _attempt(one) for copy, one in raw.get("attempts", {}).items()}  # earlier ones had none
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return Seen()
    return Seen(samples, scrubs, copies, attempts)


def _attempt(raw: Mapping[str, Any]) -> Attempt:
    ended = raw["ended"]
    return Attempt(int(raw["began"]), None if ended is None else int(ended), str(raw["failure"]))


def save_seen(path: str, seen: Seen) -> None:
    """Replace the file in one step."""
    with open(f"{path}.new", "w", encoding="utf-8") as file:
        json.dump({"schema": 1, **asdict(seen)}, file, sort_keys=True)
        file.flush()
        os.fsync(file.fileno())
    os.replace(f"{path}.new", path)


def add_sample(seen: Seen, pool: str, now: float, used: int) -> Seen:
    """Note how much of a pool is in use, once a day; samples from the future, which a wrong clock made, go."""
    known = [one for one in seen.samples.get(pool, []) if one[0] <= now]
    if not known or now - known[-1][0] >= _APART:
        known = [*known, (int(now), used)][-_MOST:]
    return replace(seen, samples={**seen.samples, pool: known})


def add_scrub(seen: Seen, pool: str, ended: Optional[int]) -> Seen:
    """Note when a scrub ended; ZFS forgets it with its next scan."""
    return seen if ended is None else replace(seen, scrubs={**seen.scrubs, pool: ended})


def add_copy(seen: Seen, copy: str, newest: Mapping[str, Optional[int]]) -> Seen:
    """Note the newest snapshot of every dataset that a copy should have."""
    return replace(seen, copies={**seen.copies, copy: dict(newest)})


def begin_attempt(seen: Seen, copy: str, now: float) -> Seen:
    """Note that a run is at work for a copy."""
    return replace(seen, attempts={**seen.attempts, copy: Attempt(int(now))})


def end_attempt(seen: Seen, copy: str, now: float, failure: str) -> Seen:
    """Note how the run for a copy ended; ``failure`` is empty if all went well."""
    began = seen.attempts[copy].began if copy in seen.attempts else int(now)
    return replace(seen, attempts={**seen.attempts, copy: Attempt(began, int(now), failure)})


def growth(samples: list[Sample]) -> Optional[float]:
    """Return bytes a day by which a pool fills; None where less than a week is known.

    It is the median of all slopes between two samples: a day on which much came or went moves it little.
    """
    if len(samples) < 3 or samples[-1][0] - samples[0][0] < _LEAST_DAYS * DAY:
        return None
    pairs = ((one, two) for place, one in enumerate(samples) for two in samples[place + 1 :] if two[0] > one[0])
    return float(median((two[1] - one[1]) / (two[0] - one[0]) * DAY for one, two in pairs))


def days_until_full(rate: Optional[float], used: Optional[int], size: Optional[int]) -> Optional[float]:
    """Return after how many days a pool is full if it goes on so; None if that is not known, or it does not fill."""
    if rate is None or used is None or size is None or rate <= 0:
        return None
    return max(size - used, 0) / rate
