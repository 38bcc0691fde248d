# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has happened to each client so far, gathered from the records of runs, each of which is read once."""

from __future__ import annotations

import json
import os
import statistics
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from paranoid_runner.config import DIGEST, Config
from paranoid_runner.files import write_whole
from paranoid_runner.records import Record, Result, list_runs, load_record
from paranoid_runner.schedule.turns import Past

STATE = "pasts.json"
ALL = ""  # the client of a work that is done for all at once
MOST_FAILURES = 50
MOST_DURATIONS = 5
FAILED = ("failed", "unreachable", "running")
Pasts = Mapping[tuple[str, str], Past]  # by work and client


def gather_pasts(config: Config, remember: bool = False) -> dict[tuple[str, str], Past]:
    """Return what has happened; runs that have not ended are looked at again next time.

    Only who holds the lock of runs may ``remember`` it: two who write lose what one of them knows.
    """
    seen, pasts = _load(config.state / STATE)
    runs = list_runs(config.reports)
    new = [run_id for run_id in runs if run_id not in seen]
    for run_id in new:
        record = load_record(config.reports, run_id)
        if record and record.finished:
            pasts = add_record(pasts, record, config.clients)
            seen.add(run_id)
    if new and remember:
        _save(config.state / STATE, seen.intersection(runs), pasts)
    return pasts


def note_run(config: Config, run_id: str, chosen: Iterable[tuple[str, str]], now: datetime) -> None:
    """Count a run that has ended, however it did: a chosen work and client that it brought to no end has failed.

    Without that they would be due again at once, and a run that dies would be started again and again.
    """
    seen, pasts = _load(config.state / STATE)
    record = load_record(config.reports, run_id)
    ended = [result for result in record.results if result.state in ("ok", *FAILED)] if record else []
    done = {(result.work, result.client) for result in ended}
    rest = [Result(client, work, _judge(record, work, client)) for work, client in chosen if (work, client) not in done]
    found = Record(run_id, "", False, None, now, "", "", (*ended, *rest))
    _save(config.state / STATE, seen | {run_id}, add_record(pasts, found, config.clients))


def _judge(record: Record | None, work: str, client: str) -> str:
    """Return the state of what has no end of its own: work for all is done once it is for everybody that it met."""
    if client != ALL or record is None or record.finished is None:
        return "failed"
    states = {result.state for result in record.results if result.work == work}
    return "ok" if states and states <= {"ok", "skipped"} else "failed"


def note_digest(config: Config, now: datetime) -> None:
    """Count a digest that went out. One that did not is due as before."""
    seen, pasts = _load(config.state / STATE)
    _save(config.state / STATE, seen, {**pasts, (DIGEST, ALL): Past(now)})


def add_record(
    pasts: dict[tuple[str, str], Past], record: Record, everybody: Iterable[str]
) -> dict[tuple[str, str], Past]:
    """Return what has happened with one more run, which has ended. What was only tried (check mode) does not count.

    A work is done for all at once only by a run that had everybody in it.
    """
    if record.check or record.finished is None:
        return pasts
    found = dict(pasts)
    for result in record.results:
        key = result.work, result.client
        found[key] = add_end(found.get(key, Past()), result.state, record.finished, result.seconds)
    for work in {result.work for result in record.results}:
        states = {result.client: result.state for result in record.results if result.work == work}
        if ALL not in states and states.keys() >= set(everybody):
            whole = "failed" if set(states.values()) - {"ok", "skipped"} else "ok"
            found[work, ALL] = add_end(found.get((work, ALL), Past()), whole, record.finished)
    return found


def add_end(past: Past, state: str, ended: datetime, seconds: float | None = None) -> Past:
    """Return a past with one more end; a client that began and never ended has failed, one without a turn has not."""
    if state == "ok":
        took = past.took if seconds is None else (*past.took, seconds)[-MOST_DURATIONS:]
        return Past(ended, took=took)
    if state in FAILED:
        return replace(past, failed=(*past.failed, ended)[-MOST_FAILURES:])
    return past


def find_usual(pasts: Pasts) -> dict[tuple[str, str], float]:
    """Return how long each work on each client usually takes, in seconds, where that is known."""
    return {key: statistics.median(past.took) for key, past in pasts.items() if past.took}


def _load(path: Path) -> tuple[set[str], dict[tuple[str, str], Past]]:
    """Return the runs that were seen, and what came of them; a damaged file is made anew from the records."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        found = json.loads(path.read_bytes())
        return set(found["seen"]), {(one["work"], one["client"]): _read(one) for one in found["pasts"]}
    return set(), {}


def _read(one: Mapping[str, Any]) -> Past:
    succeeded = datetime.fromisoformat(one["succeeded"]) if one["succeeded"] else None
    took = tuple(map(float, one.get("took", ())))  # files of older releases do not have it
    return Past(succeeded, tuple(map(datetime.fromisoformat, one["failed"])), took)


def _save(path: Path, seen: set[str], pasts: Pasts) -> None:
    rows = [
        {
            "work": work,
            "client": client,
            "succeeded": past.succeeded.isoformat() if past.succeeded else None,
            "failed": [moment.isoformat() for moment in past.failed],
            "took": list(past.took),
        }
        for (work, client), past in sorted(pasts.items())
    ]
    write_whole(path, os.fsencode(json.dumps({"seen": sorted(seen), "pasts": rows})))
