# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which archives may go: Borg's rules for pruning, on the times at which the server saw the archives arrive."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import ArchiveState, KnownArchive

# Periods in the order in which Borg applies them; the patterns are those of `borg prune`, ISO weeks included.
PERIODS = {"hourly": "%Y-%m-%d %H", "daily": "%Y-%m-%d", "weekly": "%G-%V", "monthly": "%Y-%m", "yearly": "%Y"}
_HOURS = {"H": 1, "d": 24, "w": 24 * 7, "m": 24 * 31, "y": 24 * 365}
_INTERVAL = re.compile(r"([1-9]\d{0,5})([Hdwmy])\Z")
_MOST = 1_000_000
NOTHING_MATCHED = "no rule matches anything"


class RetentionError(Exception):
    """The rules cannot be read; the message is one line that names the rule."""


@dataclass(frozen=True)
class Rules:
    """How many archives to keep for each period (-1: without end), and at least: ``minimum`` counts good ones."""

    within: timedelta | None = None
    hourly: int = 0
    daily: int = 0
    weekly: int = 0
    monthly: int = 0
    yearly: int = 0
    minimum: int = 1


@dataclass(frozen=True)
class RetentionPlan:
    """``keep`` gives the reasons by archive id, newest first; ``drop`` is oldest first."""

    keep: Mapping[str, tuple[str, ...]]
    drop: tuple[KnownArchive, ...]


def parse_rules(content: Mapping[str, Any]) -> Rules:
    """Return the Rules of ``{"within": "2d", "hourly": 24, …, "minimum": 3}``; what is left out keeps nothing.

    ``within`` is a number and H, d, w, m (31 days) or y (365 days), as for ``borg prune --keep-within``.
    """
    known = ("within", *PERIODS, "minimum")
    strange = sorted(str(name) for name in content if name not in known)
    if strange:
        raise RetentionError(f"retention has no rule {strange[0]!r}: there are {', '.join(known)}")
    counts = {name: _count(name, content[name]) for name in PERIODS if name in content}
    minimum = _count("minimum", content.get("minimum", 1))
    if minimum < 1:
        raise RetentionError("retention rule minimum is a number from 1 on: the newest good archive always stays")
    return Rules(within=_interval(content.get("within")), minimum=minimum, **counts)


def horizon(rules: Rules) -> timedelta | None:
    """Return how old an archive can become by these rules while others follow, None where some stay without end.

    Each rule counts back from where the finer one ends, so the spans add up, each by one more period, for it may have
    begun in the middle of one; ``minimum`` is left out.
    """
    counts = [getattr(rules, period) for period in PERIODS]
    if any(count < 0 for count in counts) or (not any(counts) and rules.within is None):
        return None  # Where no rule matches anything, all stays.
    lengths = (timedelta(hours=1), timedelta(days=1), timedelta(days=7), timedelta(days=31), timedelta(days=366))
    spans = ((count + 1) * length for count, length in zip(counts, lengths, strict=True) if count)
    return sum(spans, rules.within or timedelta())


def parse_zone(name: str) -> tzinfo:
    """Return the time zone with this IANA name; RetentionError when this machine knows none."""
    if name == "UTC":  # Also where no time zones are installed.
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise RetentionError(f"there is no time zone {name!r}: name one like Europe/Vienna or UTC") from None


def plan(archives: Iterable[KnownArchive], rules: Rules, now: datetime, zone: tzinfo) -> RetentionPlan:
    """Decide by arrival which archives stay and which may go; ``now`` is aware, periods are those of ``zone``.

    The newest archive of a period is the one that stays. One that a finer rule keeps does not count for a coarser
    one, and a rule that finds fewer periods than it may keep also keeps the oldest archive (as ``borg prune``).
    Archives of sessions whose audit was an alarm, and of those that failed otherwise, go by the same rules, each kind
    among themselves, so that none takes a good one's place. ``minimum`` keeps none of sessions that failed.
    """
    newest_first = sorted(archives, key=lambda archive: archive.seq, reverse=True)  # A clock may have been wrong.
    reasons: dict[str, tuple[str, ...]] = {}
    for state in ArchiveState:
        alike = [archive for archive in newest_first if archive.state is state]
        least = 0 if state is ArchiveState.FAILED else rules.minimum
        reasons.update(_reasons(alike, replace(rules, minimum=least), now, zone))
    return RetentionPlan(
        keep={archive.id: reasons[archive.id] for archive in newest_first if archive.id in reasons},
        drop=tuple(archive for archive in reversed(newest_first) if archive.id not in reasons),
    )


def _reasons(archives: Sequence[KnownArchive], rules: Rules, now: datetime, zone: tzinfo) -> dict[str, tuple[str, ...]]:
    kept = _within(archives, rules.within, now)
    for period in PERIODS:
        kept.update(_ladder(archives, period, getattr(rules, period), zone, kept))
    if not kept:
        return {archive.id: (NOTHING_MATCHED,) for archive in archives}
    reasons: dict[str, tuple[str, ...]] = {archive: (reason,) for archive, reason in kept.items()}
    for place, archive in enumerate(archives[: rules.minimum], start=1):
        reasons[archive.id] = (*reasons.get(archive.id, ()), f"newest {place} of at least {rules.minimum}")
    return reasons


def _within(archives: Sequence[KnownArchive], span: timedelta | None, now: datetime) -> dict[str, str]:
    if span is None:
        return {}
    recent = [archive for archive in archives if now - archive.arrival < span]
    return {archive.id: f"within {place}" for place, archive in enumerate(recent, start=1)}


def _ladder(
    archives: Sequence[KnownArchive], period: str, count: int, zone: tzinfo, kept: Mapping[str, str]
) -> dict[str, str]:
    """Return what this rule adds to ``kept``: for each period back from now its newest archive, ``count`` of them."""
    if count == 0 or not archives:
        return {}
    newest_of_period: dict[str, str] = {}
    for archive in archives:
        newest_of_period.setdefault(archive.arrival.astimezone(zone).strftime(PERIODS[period]), archive.id)
    steps = [archive for archive in newest_of_period.values() if archive not in kept]
    chosen = steps if count < 0 else steps[:count]
    added = {archive: f"{period} {place}" for place, archive in enumerate(chosen, start=1)}
    oldest = archives[-1].id
    if len(chosen) < count and oldest not in kept and oldest not in added:
        added[oldest] = f"{period} {len(chosen) + 1}, the oldest"
    return added


def _count(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not -1 <= value <= _MOST:
        raise RetentionError(f"retention rule {name} is a number of archives, or -1 for all, not {value!r:.40}")
    return value


def _interval(value: object) -> timedelta | None:
    if value is None:
        return None
    match = _INTERVAL.match(value) if isinstance(value, str) else None
    if match is None:
        raise RetentionError(f"retention rule within is a time like 12H, 2d, 4w, 6m or 1y, not {value!r:.40}")
    return timedelta(hours=int(match[1]) * _HOURS[match[2]])
