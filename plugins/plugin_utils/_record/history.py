# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is remembered from run to run. Each record hands it on, so that a report need not read hundreds of them.

It is there to say what has changed and what is unusual. Nothing is decided by it but words, and whether a mail may be
spared; one that is lost or damaged begins anew.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

from ansible_collections.paranoid.backup.plugins.plugin_utils._record.directory import RECORD
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.model import Client, Run, State, Work

_SCHEMA = 1
_LARGEST = 256 * 1024 * 1024
_SESSIONS = 20  # sessions of a client that its band is made of
_LEAST = 5  # with fewer there is no band
MOST_RUNS = 400
_AHEAD = 86400.0  # seconds
_RECORDS = 20  # the newest, of which one hands something on
_FORGET = timedelta(days=400)  # in which no run had a client
TEAM = ""  # the place in ``told`` of those who get the whole report


@dataclass(frozen=True, slots=True)
class Trail:
    """One client and work: in which state it is since when, how it was in its last good sessions.

    Times are ISO 8601 UTC, empty for never; ``runs`` is how many runs ended in this state one after the other. Of each
    good session there are seconds, bytes received as the gate counted, and bytes held as the client says.
    """

    is_good: bool
    since: str
    runs: int
    succeeded: str
    seen: str
    seconds: tuple[float, ...] = ()
    received: tuple[int, ...] = ()
    held: tuple[int, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PastRun:
    """One run in a line."""

    run_id: str
    what: str
    status: str
    started: str
    finished: str
    succeeded: int
    failed: int
    total: int
    received: int


@dataclass(frozen=True, slots=True)
class History:
    """``told`` is when a mail last reached everybody it was for; ``version`` is this collection's in the last run."""

    clients: Mapping[tuple[str, str], Trail] = field(default_factory=dict)
    runs: tuple[PastRun, ...] = ()
    told: Mapping[str, str] = field(default_factory=dict)
    version: str = ""

    @property
    def names(self) -> set[str]:
        """The clients that it knows."""
        return {name for _work, name in self.clients}

    def find(self, client: Client) -> Trail | None:
        """Return what is remembered of a client and work."""
        return self.clients.get((str(client.work), client.name))


def find_usual(values: Iterable[float]) -> float | None:
    """Return the median of a client's last sessions, None when there are too few to say what is usual."""
    known = list(values)
    return median(known) if len(known) >= _LEAST else None


def add_run(history: History, run: Run) -> History:
    """Return the history with one more run. One in check mode has done nothing, and leaves no trace."""
    if run.check:
        return history
    gone = run.roll.gone if run.roll else ()
    clients = {
        key: trail for key, trail in history.clients.items() if _is_remembered(trail, run) and key[1] not in gone
    }
    for client in run.clients:
        clients[str(client.work), client.name] = _add_end(history.find(client), client, run.finished)
    return replace(
        history,
        clients=clients,
        runs=(*history.runs, _make_line(run))[-MOST_RUNS:],
        version=run.version or history.version,
    )


def note_told(history: History, whom: Iterable[str], when: str) -> History:
    """Return the history after a mail for these went out."""
    return replace(history, told={**history.told, **dict.fromkeys(whom, when)})


def note_digest(history: History, when: str) -> History:
    """Return the history after a digest of the runner, told by ``when`` (empty for none), which the team has heard."""
    try:
        heard = datetime.fromisoformat(when)
        last = history.told.get(TEAM, "")
        return note_told(history, [TEAM], when) if not last or heard > datetime.fromisoformat(last) else history
    except (ValueError, TypeError):
        return history


def load_history(report_dir: Path) -> History:
    """Return what the newest run handed on, nothing where no record can be read.

    Those that a clock wrote which was ahead come last: they would be the newest until then.
    """
    try:
        found = [(entry.stat().st_mtime, entry) for entry in report_dir.glob(f"*/{RECORD}")]
    except OSError:
        return History()
    ahead = time.time() + _AHEAD
    newest = sorted(found, key=lambda one: (one[0] < ahead, *one), reverse=True)
    for _written, path in newest[:_RECORDS]:
        history = _load(path)
        if history:
            return history
    return History()


def dump_history(history: History) -> dict[str, Any]:
    """Return it as plain JSON types."""
    clients = [{"work": work, "client": name, **asdict(trail)} for (work, name), trail in history.clients.items()]
    told, runs = dict(history.told), [asdict(run) for run in history.runs]
    return {"schema": _SCHEMA, "version": history.version, "told": told, "runs": runs, "clients": clients}


def _load(path: Path) -> History | None:
    """Return what a record hands on; None from one that does not, such as that of a run that was killed."""
    try:
        with path.open("rb") as file:
            return _read(json.loads(file.read(_LARGEST))["history"])
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def _add_end(before: Trail | None, client: Client, when: str) -> Trail:
    past = before or Trail(True, "", 0, "", when)
    if client.state in (State.SKIPPED, State.PLANNED):
        return replace(past, seen=when)
    is_good = not client.has_failed
    is_same = bool(past.runs) and past.is_good is is_good
    past = replace(
        past, is_good=is_good, since=past.since if is_same else when, runs=past.runs + 1 if is_same else 1, seen=when
    )
    return _add_session(replace(past, succeeded=when), client) if is_good else past


def _add_session(past: Trail, client: Client) -> Trail:
    session = client.session
    if session is None:
        return past
    held = session.archive.original_size if session.archive else None
    return replace(
        past,
        seconds=_append(past.seconds, session.duration),
        received=_append(past.received, session.bytes_received),
        held=_append(past.held, held),
        versions=session.versions or past.versions,
    )


def _append(values: tuple[Any, ...], value: float | None) -> tuple[Any, ...]:
    return values if value is None else (*values, value)[-_SESSIONS:]


def _is_remembered(trail: Trail, run: Run) -> bool:
    return datetime.fromisoformat(run.finished) - datetime.fromisoformat(trail.seen) < _FORGET


def _make_line(run: Run) -> PastRun:
    tally = run.tally
    received = sum(client.session.bytes_received or 0 for client in run.clients if client.session)
    works = ", ".join(run.works) or str(Work.BACKUP)
    ended = run.status, run.started, run.finished
    return PastRun(run.run_id, works, *ended, tally.succeeded, tally.failed, tally.total, received)


def _read(found: Mapping[str, Any]) -> History:
    if found["schema"] != _SCHEMA:
        raise ValueError("another schema")
    return History(
        clients={(str(one["work"]), str(one["client"])): _read_trail(one) for one in found["clients"]},
        runs=tuple(PastRun(**{name: kind(one[name]) for name, kind in _RUN_FIELDS.items()}) for one in found["runs"]),
        told={str(whom): str(when) for whom, when in found["told"].items()},
        version=str(found["version"]),
    )


_RUN_FIELDS: Mapping[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("run_id", "what", "status", "started", "finished"), str),
    **dict.fromkeys(("succeeded", "failed", "total", "received"), int),
}


def _read_trail(one: Mapping[str, Any]) -> Trail:
    datetime.fromisoformat(one["seen"])
    return Trail(
        is_good=bool(one["is_good"]),
        since=str(one["since"]),
        runs=int(one["runs"]),
        succeeded=str(one["succeeded"]),
        seen=str(one["seen"]),
        seconds=tuple(map(float, one["seconds"])),
        received=tuple(map(int, one["received"])),
        held=tuple(map(int, one["held"])),
        versions={str(name): str(text) for name, text in one["versions"].items()},
    )
