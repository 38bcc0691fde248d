# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""paranoid-backup next, status, history, report: what is planned, what is at work, and what has been."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from paranoid_runner.config import Config, load_config
from paranoid_runner.errors import UsageError, printable
from paranoid_runner.locking import hold_lock, now
from paranoid_runner.pasts import Pasts, gather_pasts
from paranoid_runner.plan import Planned, plan
from paranoid_runner.records import Record, list_runs, load_record


def add_commands(commands: Any) -> None:
    """Describe the commands."""
    shown = commands.add_parser("next", help="when whose turn is, and why")
    shown.add_argument("names", nargs="*", metavar="NAME", help="only these clients or verbs")
    shown.set_defaults(work=show_next)
    status = commands.add_parser("status", help="what is at work, how the last run ended, who has no backup")
    status.set_defaults(work=show_status)
    history = commands.add_parser("history", help="the last runs, or the last of one client")
    history.add_argument("client", nargs="?", default="", metavar="CLIENT")
    history.add_argument("--last", type=int, default=20, help="how many (20)")
    history.set_defaults(work=show_history)
    report = commands.add_parser("report", help="the report of a run as its mail told it")
    report.add_argument("run", nargs="?", default="", metavar="RUN", help="its id; the last one by default")
    report.set_defaults(work=show_report)
    for one in (shown, status, history):
        one.add_argument("--json", action="store_true", help="for programs")
    for one in (shown, status, history, report):
        one.add_argument("--config", type=Path, default=None, help=argparse.SUPPRESS)


def show_next(options: argparse.Namespace) -> str:
    """Return the next turns, a line each."""
    config = configure(options)
    found = plan(config, gather_pasts(config), now())
    unknown = sorted(set(options.names) - {one.client or one.verb for one in found})
    if unknown:
        raise UsageError(
            f"{unknown[0]} is not among the clients that the runner knows: look at the inventory, then run site.yml"
        )
    chosen = [one for one in found if not options.names or (one.client or one.verb) in options.names]
    if options.json:
        return json.dumps({"schema": 1, "turns": [describe_turn(one) for one in chosen]}, indent=1)
    rows = [(one.client or one.verb, _format_time(one.turn.at, "never"), one.turn.why) for one in chosen]
    return _format_table(rows) or "nobody has a schedule: set backup_client_schedule_every"


def describe_turn(one: Planned) -> dict[str, Any]:
    """Return a turn as plain JSON types; times are ISO 8601 in UTC."""
    return {
        "verb": one.verb,
        "client": one.client,
        "at": one.turn.at.isoformat() if one.turn.at else None,
        "why": one.turn.why,
        "last_success": one.past.succeeded.isoformat() if one.past.succeeded else None,
        "failures_since": len(one.past.failed),
    }


def show_status(options: argparse.Namespace) -> str:
    """Return what is at work and how things stand."""
    config = configure(options)
    with hold_lock(config) as is_free:
        pasts = gather_pasts(config)
    records = [record for run_id in list_runs(config.reports)[-2:] if (record := load_record(config.reports, run_id))]
    current = next((one for one in reversed(records) if one.finished is None and not is_free), None)
    last = next((one for one in reversed(records) if one.finished is not None), None)
    without = sorted(name for name in config.clients if not _has_success(pasts, name))
    if options.json:
        found = {
            "schema": 1,
            "at_work": not is_free,
            "current": describe_run(current) if current else None,
            "last": describe_run(last) if last else None,
            "without_backup": without,
        }
        return json.dumps(found, indent=1)
    lines = [_format_current(is_free, current), f"last run: {_format_run(last)}" if last else "there was no run yet"]
    lines += [f"no good backup yet: {', '.join(without)}"] if without else []
    failing = [
        (name, str(len(past.failed)))
        for (work, name), past in sorted(pasts.items())
        if work == "backup" and name and past.failed
    ]
    lines += [f"{name} has failed {count} times since its last good backup" for name, count in failing]
    return "\n".join(lines)


def show_history(options: argparse.Namespace) -> str:
    """Return the last runs, newest first."""
    config = configure(options)
    if options.last < 1:
        raise UsageError("--last is a number from 1")
    found: list[Record] = []
    for run_id in reversed(list_runs(config.reports)):
        record = load_record(config.reports, run_id)
        if record and (not options.client or any(one.client == options.client for one in record.results)):
            found.append(record)
        if len(found) == options.last:
            break
    if options.json:
        return json.dumps({"schema": 1, "runs": [describe_run(one) for one in found]}, indent=1)
    if options.client:
        rows = [_describe_client(record, options.client) for record in found]
        return _format_table(rows) or f"{options.client} was in no run that is still known"
    return "\n".join(map(_format_run, found)) or "there was no run yet"


def show_report(options: argparse.Namespace) -> str:
    """Return a run's report as text."""
    config = configure(options)
    runs = list_runs(config.reports)
    wanted = options.run or (runs[-1] if runs else "")
    if wanted not in runs:
        raise UsageError(
            f"there is no run {wanted}: paranoid-backup history names them" if wanted else "there was no run yet"
        )
    try:
        return (config.reports / wanted / "report.txt").read_text(encoding="utf-8").rstrip("\n")
    except OSError:
        raise UsageError(f"the run {wanted} has no report: it goes on, or died; paranoid-backup status tells") from None


def describe_run(record: Record) -> dict[str, Any]:
    """Return a run as plain JSON types."""
    return {
        "run_id": record.run_id,
        "status": record.status,
        "started": record.started.isoformat() if record.started else None,
        "finished": record.finished.isoformat() if record.finished else None,
        "mail": record.mail,
        "clients": [
            {"client": one.client, "work": one.work, "state": one.state, "reason": one.reason} for one in record.results
        ],
    }


def configure(options: argparse.Namespace) -> Config:
    """Return the configuration that the command works with."""
    return load_config(options.config) if options.config else load_config()


def _has_success(pasts: Pasts, name: str) -> bool:
    past = pasts.get(("backup", name))
    return past is not None and past.succeeded is not None


def _format_current(is_free: bool, current: Record | None) -> str:
    if is_free:
        return "no run is at work"
    if current is None:
        return "a run begins, or ends"
    running = [result.client for result in current.results if result.state == "running"]
    more = f" and {len(running) - 5} more" if len(running) > 5 else ""
    shown = f": {printable(', '.join(running[:5]))}{more}" if running else ""
    done = current.count("ok", "skipped")
    return (
        f"at work: {current.run_id}; {current.count('planned')} wait, {len(running)} are running{shown}, "
        f"{done} are done, {current.count('failed', 'unreachable')} failed"
    )


def _format_run(record: Record) -> str:
    works = ", ".join(sorted({one.work for one in record.results})) or "nothing"
    failed = record.count("failed", "unreachable")
    ok = record.count("ok")
    began = _format_time(record.started, "?")
    return f"{record.run_id}  {began}  {record.status:8}  {works}: {ok} ok, {failed} failed; mail {record.mail}"


def _describe_client(record: Record, client: str) -> tuple[str, str, str]:
    (one, *_rest) = (result for result in record.results if result.client == client)
    return _format_time(record.started, "?"), f"{one.work} {one.state}", printable(one.reason)


def _format_time(moment: datetime | None, without: str) -> str:
    """Return a time as this machine's people read it."""
    return moment.astimezone().strftime("%Y-%m-%d %H:%M %Z") if moment else without


def _format_table(rows: Sequence[tuple[str, ...]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))] if rows else []
    return "\n".join(_format_row(row, widths) for row in rows)


def _format_row(row: Iterable[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
