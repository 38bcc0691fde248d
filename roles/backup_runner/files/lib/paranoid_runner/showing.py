# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""paranoid-backup next, status, history, report: what is planned, what is at work, and what has been."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Sequence
from datetime import datetime

from paranoid_runner.config import Config, load_config
from paranoid_runner.documents import describe_history, describe_report, describe_status, describe_turns, to_json
from paranoid_runner.errors import UsageError, guess, printable
from paranoid_runner.following import load_current, read_notes
from paranoid_runner.locking import is_busy, now
from paranoid_runner.pasts import Pasts, find_usual, gather_pasts
from paranoid_runner.plan import plan
from paranoid_runner.records import Record, list_runs, load_record
from paranoid_runner.standing import Standing, Working, find_standing
from paranoid_runner.wording import format_bytes, format_seconds

NAMES_SHOWN = 20
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def show_next(options: argparse.Namespace) -> str:
    """Return the next turns, a line each."""
    config = configure(options)
    found = plan(config, gather_pasts(config), now())
    known = {one.client or one.verb for one in found}
    unknown = sorted(set(options.names) - known)
    if unknown:
        name = f"{unknown[0]}{guess(unknown[0], known)}"
        raise UsageError(
            f"{name} is not among the clients that the runner knows: look at the inventory, then run site.yml"
        )
    chosen = [one for one in found if not options.names or (one.client or one.verb) in options.names]
    if options.json:
        return to_json(describe_turns(chosen))
    rows = [(one.client or one.verb, _format_time(one.turn.at, "never"), one.turn.why) for one in chosen]
    return _format_table(rows) or "nobody has a schedule: set backup_client_schedule_every"


def show_status(options: argparse.Namespace) -> str:
    """Return what is at work and how things stand; with --follow show it until no run is at work."""
    config = configure(options)
    if options.follow:
        return _follow(config, options)
    is_free, pasts = not is_busy(config), gather_pasts(config)
    found = _find_current(config, is_free), _find_last(config)
    without = sorted(name for name in config.clients if not _has_success(pasts, name))
    if options.json:
        return to_json(describe_status(not is_free, *found, without))
    current, last = found
    lines = [_format_current(is_free, current), f"last run: {_format_run(last)}" if last else "there was no run yet"]
    lines += [f"no good backup yet: {', '.join(_shorten(without))}"] if without else []
    failing = [
        (name, str(len(past.failed)))
        for (work, name), past in sorted(pasts.items())
        if work == "backup" and name in config.clients and past.failed
    ]
    lines += _shorten([f"{name} has failed {count} times since its last good backup" for name, count in failing])
    return "\n".join(lines)


def _shorten(listed: Sequence[str]) -> list[str]:
    """Return as many as a person reads; --json has all."""
    rest = len(listed) - NAMES_SHOWN
    return [*listed[:NAMES_SHOWN], f"and {rest} more"] if rest > 0 else list(listed)


def _follow(config: Config, options: argparse.Namespace) -> str:
    from paranoid_runner.following import follow_current

    if options.json:
        raise UsageError("--follow and --json cannot both be meant")
    return "no run is at work any more" if follow_current(config) else "no run is at work"


def _find_current(config: Config, is_free: bool) -> Standing | None:
    """Return how the run at work stands, None where none is or it has no record yet."""
    record = load_record(config.reports, load_current(config)) if not is_free else None
    if record is None:
        return None
    running = [one.client for one in record.results if one.state == "running"]
    received = read_notes(config.progress, record.run_id, running)
    return find_standing(record, received, find_usual(gather_pasts(config)), now())


def _find_last(config: Config) -> Record | None:
    """Return the last run that has ended; only one is ever at work, so it is among the last two."""
    found = (load_record(config.reports, run_id) for run_id in reversed(list_runs(config.reports)[-2:]))
    return next((record for record in found if record and record.finished), None)


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
    if options.client and not found and options.client not in config.clients:
        raise UsageError(f"{options.client}{guess(options.client, config.clients)} was in no run that is still known")
    if options.json:
        return to_json(describe_history(found))
    if options.client:
        rows = [_describe_client(record, options.client) for record in found]
        return _format_table(rows) or f"{options.client} was in no run that is still known"
    return "\n".join(map(_format_run, found)) or "there was no run yet"


def show_names(options: argparse.Namespace) -> str:
    """Return the names of all clients, for the completion: but those that a shell would not take as they stand."""
    return "\n".join(name for name in configure(options).clients if _PLAIN.fullmatch(name))


def show_report(options: argparse.Namespace) -> str:
    """Return a run's report as text."""
    config = configure(options)
    runs = list_runs(config.reports)
    wanted = options.run or (runs[-1] if runs else "")
    if wanted not in runs:
        raise UsageError(
            f"there is no run {wanted}: paranoid-backup history names them" if wanted else "there was no run yet"
        )
    if options.json:
        return to_json(describe_report(load_record(config.reports, wanted)))
    try:
        return (config.reports / wanted / "report.txt").read_text(encoding="utf-8").rstrip("\n")
    except OSError:
        raise UsageError(f"the run {wanted} has no report: it goes on, or died; paranoid-backup status tells") from None


def configure(options: argparse.Namespace) -> Config:
    """Return the configuration that the command works with."""
    return load_config(options.config) if options.config else load_config()


def _has_success(pasts: Pasts, name: str) -> bool:
    past = pasts.get(("backup", name))
    return past is not None and past.succeeded is not None


def _format_current(is_free: bool, current: Standing | None) -> str:
    if is_free:
        return "no run is at work"
    if current is None:
        return "a run begins, or ends"
    names = ", ".join(map(_format_working, current.working[:5]))
    more = f" and {len(current.working) - 5} more" if len(current.working) > 5 else ""
    return ", ".join(
        (
            f"at work: {current.run_id}; {current.waiting} wait",
            f"{len(current.working)} are running{f': {names}{more}' if names else ''}",
            f"{current.count('ok', 'skipped')} are done",
            f"{len(current.failed)} failed" + (f"; about {format_seconds(current.left)} left" if current.left else ""),
        )
    )


def _format_working(one: Working) -> str:
    brought = f", {format_bytes(one.received)}" if one.received is not None else ""
    return printable(one.client) + (f" ({format_seconds(one.seconds)}{brought})" if one.seconds is not None else "")


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
