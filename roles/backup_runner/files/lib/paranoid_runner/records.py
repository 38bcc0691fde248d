# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The records that the callback keeps of runs, as the runner reads them (docs/report.md). They are never trusted."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

RECORD = "record.json"
LARGEST = 64 * 1024 * 1024
WAITING = "waiting"  # Those who do not have the mail get it from the spool; the others have it.
DELIVERED = ("none", "sent", "queued", WAITING)
FAILED_STATES = ("failed", "unreachable")


@dataclass(frozen=True)
class Result:
    """How one client ended in one run: ``state`` is planned, running, ok, failed, skipped or unreachable.

    ``seconds`` and ``received`` (bytes) are what its session took and brought; None is unknown.
    """

    client: str
    work: str
    state: str
    reason: str = ""
    began: datetime | None = None
    seconds: float | None = None
    received: int | None = None


@dataclass(frozen=True)
class Record:
    """One run. ``finished`` is None while it goes on, or where it never ended."""

    run_id: str
    status: str
    check: bool
    started: datetime | None
    finished: datetime | None
    mail: str
    mail_error: str
    results: tuple[Result, ...]
    unnoticed: str = ""  # a place beside mail that was not told, and why

    @property
    def is_told(self) -> bool:
        """Whether it came to its end, and somebody was told."""
        return self.finished is not None and self.mail in DELIVERED

    def count(self, *states: str) -> int:
        """Return how many results are in one of these states."""
        return sum(result.state in states for result in self.results)


def list_runs(reports: Path) -> list[str]:
    """Return the ids of the runs that have a record, the oldest first; before them those of a clock that was ahead."""
    ahead = f"{datetime.now(UTC) + timedelta(days=1):%Y%m%dT%H%M%SZ}"
    try:
        runs = [entry.name for entry in os.scandir(reports) if os.path.exists(f"{entry.path}/{RECORD}")]
    except OSError:
        return []
    return sorted(runs, key=lambda run: (not ahead < run < "9", run))


def load_record(reports: Path, run_id: str) -> Record | None:
    """Return the record of a run, None where it cannot be read."""
    try:
        with (reports / run_id / RECORD).open("rb") as file:
            found = json.loads(file.read(LARGEST))
        mail = found["mail"]
        return Record(
            run_id=run_id,
            status=str(found["status"]),
            check=bool(found["check"]),
            started=_parse_time(found["started"]),
            finished=_parse_time(found["finished"]),
            mail=str(mail["state"]),
            mail_error=str(mail["error"]),
            results=tuple(_list_results(found["clients"])),
            unnoticed=_find_unnoticed(found.get("notices") or []),
        )
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _find_unnoticed(notices: list[dict[str, Any]]) -> str:
    silent = [f"{one['name']}: {one['error']}" for one in notices if one["state"] != "sent"]
    return silent[0] if silent else ""


def _list_results(clients: list[dict[str, Any]]) -> Iterator[Result]:
    for client in clients:
        session = client.get("session") or {}
        yield Result(
            client=str(client["name"]),
            work=str(client["work"]),
            state=str(client["state"]),
            reason=str(session.get("reason") or ""),
            began=_parse_time(str(client.get("began") or "")),
            seconds=_take_number(session.get("duration")),
            received=_take_number(session.get("bytes_received")),
        )


def _take_number(value: object) -> Any:
    """Return a number that is one, else None."""
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _parse_time(text: str) -> datetime | None:
    return datetime.fromisoformat(text).astimezone(UTC) if text else None
