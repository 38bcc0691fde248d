# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The digest: what became of some days, and how every client is now, from what the runs have handed on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from datetime import datetime, timedelta
from types import MappingProxyType

from ansible_collections.paranoid.backup.plugins.module_utils._common.clock import is_recent
from ansible_collections.paranoid.backup.plugins.module_utils._common.formatting import (
    NOTHING,
    count_seconds,
    format_duration,
    format_number,
    format_size,
    format_time,
    join_names,
)
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.history import (
    MOST_RUNS,
    History,
    PastRun,
    Trail,
)
from ansible_collections.paranoid.backup.plugins.plugin_utils._report.changes import Change
from ansible_collections.paranoid.backup.plugins.plugin_utils._report.page import Page
from ansible_collections.paranoid.backup.plugins.plugin_utils._report.tables import Row, Table

NAMES_SHOWN = 8
ROWS_SHOWN = 60
GREW_SHOWN = 5
STALE = timedelta(days=3)
_BACKUP = "backup"
NOBODY: Mapping[str, bool] = MappingProxyType({})
_LITTLE = 1024**3


def make_digest(history: History, title: str, now: datetime, days: int, clients: Mapping[str, bool] = NOBODY) -> Page:
    """Return the digest of so many days until ``now``.

    ``clients`` are those that have a schedule, and whether their next turn is yet to come: then nobody misses one.
    """
    runs = [run for run in history.runs if is_recent(datetime.fromisoformat(run.finished), now, timedelta(days=days))]
    failing = {name: trail for (_work, name), trail in history.clients.items() if trail.runs and not trail.is_good}
    backups = {name: trail for (work, name), trail in history.clients.items() if work == _BACKUP}
    stale = [name for name, trail in backups.items() if not clients.get(name) and _is_stale(trail, now)]
    never = [name for name, is_fresh in clients.items() if not is_fresh and name not in backups]
    without = {*stale, *never} - failing.keys()
    is_good = bool(runs) and not failing and not stale and not never
    return Page(
        title=title,
        status="SUCCESS" if is_good else "FAILURE",
        what=f"digest of {_count(days, 'day')}",
        headline=_make_headline(runs, failing, without, days) + _tell_limit(history, now, days),
        alerts=(),
        advice="",
        changes=_list_changes(history, failing, stale, never),
        problems=() if runs else ("Nobody knows of a run in this time: is the timer of the runner on?",),
        causes=(),
        failures=(),
        notes=(),
        tables=(_make_table(runs),) if runs else (),
        facts=(("Clients", format_number(len(history.names))), ("Until", format_time(f"{now:%Y-%m-%dT%H:%M:%SZ}"))),
        since="As it stands",
    )


def _tell_limit(history: History, now: datetime, days: int) -> str:
    """Return a sentence where there were so many runs that the first of these days are not known any more."""
    first = min((run.finished for run in history.runs), default="")
    if len(history.runs) < MOST_RUNS or now - datetime.fromisoformat(first) >= timedelta(days=days):
        return ""
    return f" Only the last {MOST_RUNS} runs are known, since {format_time(first)}."


def _make_headline(runs: Sequence[PastRun], failing: dict[str, Trail], without: Set[str], days: int) -> str:
    if not runs:
        return f"No run ended in {_count(days, 'day')}."
    bad = sum(run.status != "SUCCESS" for run in runs)
    went = f"{_count(len(runs), 'run')}, {format_number(bad) if bad else 'none'} of them a failure."
    lacks = [f"{_count(len(failing), 'client')} fail{'s' if len(failing) == 1 else ''} now."] if failing else []
    lacks += [f"{_count(len(without), 'client')} without a recent good backup."] if without else []
    return " ".join((went, *(lacks or ["All are well now."])))


def _list_changes(
    history: History, failing: dict[str, Trail], stale: Sequence[str], never: Sequence[str]
) -> tuple[Change, ...]:
    since = [
        f"{name} (since {trail.since[:10]})" for name, trail in sorted(failing.items(), key=lambda one: one[1].since)
    ]
    found = (
        Change("Failing now", join_names(since, NAMES_SHOWN), "bad"),
        Change(f"No good backup for {STALE.days} days", join_names(sorted(stale), NAMES_SHOWN), "bad"),
        Change("No good backup known", join_names(sorted(never), NAMES_SHOWN), "bad"),
        Change("Grew most", "; ".join(_list_growth(history)), "quiet"),
    )
    return tuple(one for one in found if one.what)


def _list_growth(history: History) -> list[str]:
    """Return the clients that hold most more than in the first of their last sessions."""
    ends = [(trail.held[-1] - trail.held[0], name, trail) for (work, name), trail in history.clients.items()
            if work == _BACKUP and len(trail.held) > 1]  # fmt: skip
    grown = sorted((one for one in ends if one[0] >= _LITTLE), key=lambda one: (-one[0], one[1]))[:GREW_SHOWN]
    return [f"{name} {format_size(trail.held[0])} → {format_size(trail.held[-1])}" for _more, name, trail in grown]


def _is_stale(trail: Trail, now: datetime) -> bool:
    return not trail.succeeded or not is_recent(datetime.fromisoformat(trail.succeeded), now, STALE)


def _make_table(runs: Sequence[PastRun]) -> Table:
    newest = sorted(runs, key=lambda run: run.finished, reverse=True)
    received = sum(run.received for run in runs)
    good = sum(run.status == "SUCCESS" for run in runs)
    rest = len(newest) - ROWS_SHOWN
    return Table(
        heading="Runs",
        columns=("what", "ok", "failed", "took", "received"),
        rows=tuple(_make_row(run) for run in newest[:ROWS_SHOWN]),
        total=Row(f"total {len(runs)}", f"{good} good", "quiet", (*[NOTHING] * 4, format_size(received))),
        more=f"{format_number(rest)} more" if rest > 0 else "",
        first="ended",
    )


def _make_row(run: PastRun) -> Row:
    is_good = run.status == "SUCCESS"
    took = format_duration(count_seconds(run.started, run.finished))
    counts = (f"{run.succeeded} of {run.total}", format_number(run.failed) if run.failed else NOTHING)
    label, tone = ("good", "good") if is_good else ("failure", "bad")
    when = run.finished.replace("T", " ")[:16]
    return Row(when, label, tone, (run.what, *counts, took, format_size(run.received)))


def _count(number: int, noun: str) -> str:
    return f"{format_number(number)} {noun}{'' if number == 1 else 's'}"
