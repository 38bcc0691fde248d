# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a server answers, taken as hostile: form and size of each field are checked, and nothing else is kept.

Its form is described where it is made, in the engine's `_watch/answer.py`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from paranoid_runner.watch.chain import Entry, Head, parse_head

SCHEMA = 1
LARGEST = 64 * 1024 * 1024  # bytes of an answer
MOST_CLIENTS = 20_000
MOST_SPANS = 100  # dates of one blackout
_LARGEST_NUMBER = 2**62
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", re.ASCII)
_PRINTABLE = re.compile(r"[ -~]{1,100}", re.ASCII)
_YEARS = range(2000, 2200)


class DocumentError(Exception):
    """An answer that is none; the message is one line and quotes nothing of it."""


@dataclass(frozen=True)
class ClientTold:
    """What a server says of a client; ``arrival`` is the number of the entry with its newest good archive."""

    name: str
    schedule: Mapping[str, Any] | None
    quota: int | None
    escrow: bool
    arrival: int | None
    frozen: bool


@dataclass(frozen=True)
class Told:
    """An answer. ``disk`` is total and free bytes, ``witnesses`` what is kept of each watch: its entry and the time."""

    host_id: str
    clock: datetime
    head: Head
    entries: tuple[Entry, ...]
    more: bool
    clients: tuple[ClientTold, ...]
    disk: tuple[int, int] | None
    has_runs: bool
    last_mail: datetime | None
    untold: int
    borg: str
    witnesses: Mapping[str, tuple[int, datetime | None]]
    problems: tuple[str, ...]


def parse_document(raw: bytes) -> Told:
    """Return the answer; DocumentError if it is not of this form."""
    try:
        found = json.loads(raw)
        if found["schema"] != SCHEMA:
            raise DocumentError("it is of another schema: bring server and watch to the same release")
        return _read(found)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError, RecursionError):
        raise DocumentError("it is not what a server of ours answers") from None


def parse_time(text: Any) -> datetime:
    """Return an aware time; ValueError or TypeError if it is none that could be meant."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None or moment.year not in _YEARS:
        raise ValueError("no time that could be meant")
    return moment.astimezone(UTC)


def _read(found: Mapping[str, Any]) -> Told:
    ledger, disk, runs = found["ledger"], found["disk"], found["runs"]
    return Told(
        host_id=_match(_PRINTABLE, found["server"]["host_id"]),
        clock=parse_time(found["clock"]),
        head=parse_head(ledger["head"]),
        entries=tuple(map(_read_entry, _list(ledger["entries"], LARGEST))),
        more=_flag(ledger["more"]),
        clients=tuple(map(_read_client, _list(found["clients"], MOST_CLIENTS))),
        disk=(_count(disk["total"]), _count(disk["free"])) if disk is not None else None,
        has_runs=runs is not None,
        last_mail=parse_time(runs["last_mail"]) if runs and runs["last_mail"] is not None else None,
        untold=_count(runs["untold"]) if runs else 0,
        borg=_text(found["versions"]["borg"])[:40],
        witnesses={
            _text(one["name"])[:32]: (_count(one["seq"]), parse_time(one["time"]) if one["time"] else None)
            for one in _list(found["witnesses"], 100)
        },
        problems=tuple(_text(one)[:300] for one in _list(found["problems"], 100)),
    )


def _read_entry(row: Any) -> Entry:
    seq, *texts = _list(row, 7)
    time, kind, client, body, previous, own = map(_text, texts)
    return Entry(_count(seq), time, kind, client, body, previous, own)


def _read_client(found: Mapping[str, Any]) -> ClientTold:
    schedule, arrival = found["schedule"], found["last_arrival"]
    if schedule is not None and len(_list(dict(schedule).get("blackout", []), MOST_SPANS)) > MOST_SPANS:
        raise ValueError("too much")
    return ClientTold(
        name=_match(_NAME, found["client"]),
        schedule=dict(schedule) if schedule is not None else None,
        quota=_count(found["quota"]) if found["quota"] is not None else None,
        escrow=_flag(found["escrow"]),
        arrival=_count(arrival["seq"]) if arrival is not None else None,
        frozen=found["frozen"] is not None,
    )


def _list(value: Any, most: int) -> Sequence[Any]:
    if not isinstance(value, list) or len(value) > most:
        raise ValueError("not a list, or too long")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value


def _match(form: re.Pattern[str], value: Any) -> str:
    if not form.fullmatch(_text(value)):
        raise ValueError("of another form")
    return str(value)


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < _LARGEST_NUMBER:
        raise ValueError("not a number")
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError("neither true nor false")
    return value
