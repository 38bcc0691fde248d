# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``--json`` prints. Each document has a JSON schema in ``schemas/`` beside this file; times are in UTC."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from paranoid_runner.plan import Planned
from paranoid_runner.records import Record, Result
from paranoid_runner.standing import Standing, Working

SCHEMA = 1
Document = Mapping[str, Any]


def to_json(document: Document) -> str:
    """Return a document as it is printed."""
    return json.dumps({"schema": SCHEMA, **document}, indent=1)


def describe_turns(turns: Iterable[Planned]) -> Document:
    """Return ``next --json``."""
    return {"turns": [_describe_turn(one) for one in turns]}


def describe_status(at_work: bool, current: Standing | None, last: Record | None, without: Sequence[str]) -> Document:
    """Return ``status --json``."""
    return {
        "at_work": at_work,
        "current": _describe_standing(current) if current else None,
        "last": _describe_run(last) if last else None,
        "without_backup": list(without),
    }


def describe_history(runs: Iterable[Record]) -> Document:
    """Return ``history --json``."""
    return {"runs": [_describe_run(one) for one in runs]}


def describe_report(run: Record | None) -> Document:
    """Return ``report --json``; its run is null where the record cannot be read."""
    return {"run": _describe_run(run) if run else None}


def describe_pages(pages: Mapping[str, Any]) -> Document:
    """Return ``page --json``; a status is null where it cannot be read."""
    return {"servers": [{"server": name, "status": status} for name, status in pages.items()]}


def _describe_turn(one: Planned) -> Document:
    return {
        "verb": one.verb,
        "client": one.client,
        "at": _format_time(one.turn.at),
        "why": one.turn.why,
        "last_success": _format_time(one.past.succeeded),
        "failures_since": len(one.past.failed),
    }


def _describe_run(record: Record) -> Document:
    return {
        "run_id": record.run_id,
        "status": record.status,
        "started": _format_time(record.started),
        "finished": _format_time(record.finished),
        "mail": record.mail,
        "clients": [_describe_result(one) for one in record.results],
    }


def _describe_result(one: Result) -> Document:
    return {
        "client": one.client,
        "work": one.work,
        "state": one.state,
        "reason": one.reason,
        "began": _format_time(one.began),
        "seconds": one.seconds,
        "received": one.received,
    }


def _describe_standing(standing: Standing) -> Document:
    return {
        "run_id": standing.run_id,
        "seconds": standing.seconds,
        "seconds_left": standing.left,
        "waiting": standing.waiting,
        "running": [_describe_working(one) for one in standing.working],
        "ended": [_describe_result(one) for one in standing.ended],
    }


def _describe_working(one: Working) -> Document:
    return {
        "client": one.client,
        "work": one.work,
        "seconds": one.seconds,
        "received": one.received,
        "seconds_left": one.left,
    }


def _format_time(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
