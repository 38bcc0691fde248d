# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each NAS said of itself, for the record of a run. No I/O.

It is taken as hostile as any result. A NAS in a bad state does not make a run a failure, for the backups arrived; it is
told in every report, and what was not said is not well.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.paranoid.backup.plugins.module_utils._common.formatting import format_duration
from ansible_collections.paranoid.backup.plugins.module_utils._page.nas import Pool
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.sanitize import (
    take_count,
    take_mapping,
    take_mappings,
    take_number,
    take_seconds,
    take_text,
)

MODULE = "paranoid.backup.nas"
_MOST = 50  # lines, and pools
_SKEW = 3600  # seconds by which two clocks may differ: by its own the NAS lets snapshots go
_SOON = 2 * 86400  # seconds
_AGAIN = "run site.yml for it"
_SAME = "it is a server as well, so whoever is root there can delete its snapshots, too, and only copies elsewhere stay"


@dataclass(frozen=True, slots=True)
class Nas:
    """One NAS. ``problems`` are what somebody should look at, most urgent first; ``remarks`` is what is good to know.

    The ages are seconds, of what is oldest among the newest snapshots and copies; None where one is missing.
    """

    name: str
    problems: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    snapshot: float | None = None
    copy: float | None = None
    scrub: float | None = None
    pools: tuple[Pool, ...] = ()


def read_nas(result: Mapping[str, Any], now: float) -> Nas:
    """Return what a result of `paranoid.backup.nas` says; ``now`` is the controller's clock, seconds since 1970."""
    name, status = take_text(result.get("item"), 200), take_mapping(result.get("status"))
    problem = take_text(result.get("problem"), 300)
    if problem or not status:
        return Nas(name, (problem or f"it did not say how it is: {_AGAIN}",))
    ages, pools = take_mapping(status.get("ages")), _read_pools(status.get("pools"))
    snapshot = take_seconds(ages.get("snapshot"))
    problems = (*_compare_clocks(status.get("measured"), now), *_read_lines(status.get("problems")))
    if snapshot is None and not problems and not _is_awaited(status.get("first_due"), now):
        problems = (f"it did not say how old its snapshots are: {_AGAIN}",)
    if not pools:
        problems = (*problems, f"it did not say how its pools are: {_AGAIN}")
    remarks = tuple(line for key in ("remarks", "unknown") if status.get(key) for line in _read_lines(status[key]))
    copy, scrub = take_seconds(ages.get("copy")), take_seconds(ages.get("scrub"))
    return Nas(name, problems, remarks, snapshot, copy, scrub, pools)


def mark_servers(nas: Iterable[Nas], servers: Iterable[str]) -> tuple[Nas, ...]:
    """Say of a NAS that is a server as well that its snapshots are not out of that server's reach."""
    both = set(servers)
    return tuple(replace(one, remarks=(_SAME, *one.remarks)) if one.name in both else one for one in nas)


def read_record(raw: Any) -> tuple[Nas, ...] | None:
    """Return what a record of a run has of each NAS; None where none was asked."""
    if not isinstance(raw, (list, tuple)):
        return None
    return tuple(
        Nas(
            name=take_text(one.get("name"), 200),
            problems=_read_lines(one.get("problems") or []),
            remarks=_read_lines(one.get("remarks") or []),
            snapshot=take_seconds(one.get("snapshot")),
            copy=take_seconds(one.get("copy")),
            scrub=take_seconds(one.get("scrub")),
            pools=tuple(_read_pool(pool.get("name"), pool) for pool in take_mappings(one.get("pools"))[:_MOST]),
        )
        for one in take_mappings(raw)
    )


def merge_nas(parts: Iterable[tuple[Nas, ...] | None]) -> tuple[Nas, ...] | None:
    """Return each NAS once, as it was told last; none at all only if nobody has one."""
    known = [part for part in parts if part is not None]
    return tuple({nas.name: nas for part in known for nas in part}.values()) if known else None


def _read_lines(raw: Any) -> tuple[str, ...]:
    """Return the first lines of a list, which has the most urgent first."""
    if not isinstance(raw, (list, tuple)):
        return (f"it said what cannot be read: {_AGAIN}",)
    lines = [take_text(line, 300) or "it said what cannot be read" for line in raw[:_MOST]]
    more = [f"and {len(raw) - _MOST} more: paranoid-backup-nas status"] if len(raw) > _MOST else []
    return (*dict.fromkeys(lines), *more)


def _read_pools(raw: Any) -> tuple[Pool, ...]:
    return tuple(_read_pool(name, take_mapping(pool)) for name, pool in list(take_mapping(raw).items())[:_MOST])


def _read_pool(name: Any, pool: Mapping[str, Any]) -> Pool:
    """Read what the program printed, such as 42%, or what a record has."""
    text = take_text(pool.get("capacity"), 10).rstrip("%")
    percent = int(text) if text.isascii() and text.isdigit() else take_count(pool.get("percent"))
    return Pool(take_text(name, 100), percent, take_number(pool.get("full_in_days")))


def _is_awaited(first_due: Any, now: float) -> bool:
    """Tell whether it said when the first snapshots of what is new are due, on one of these days."""
    moments = [take_number(moment) for moment in take_mapping(first_due).values()]
    return any(moment is not None and abs(moment - now) <= _SOON for moment in moments)


def _compare_clocks(measured: Any, now: float) -> tuple[str, ...]:
    """Return a line if the NAS's clock is not this machine's: all its ages are by that clock."""
    theirs = take_number(measured)
    if theirs is None:
        return (f"it did not say what time it is there: {_AGAIN}",)
    if abs(theirs - now) <= _SKEW:
        return ()
    where = "ahead of" if theirs > now else "behind"
    return (f"its clock is {format_duration(abs(theirs - now))} {where} this machine's, and all ages are by it",)
