# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What proven entries of the ledger say of each client. No clock and no file in here.

Only one thing makes a client fresh: a session with verb backup that was ok, of which the gate saw a commit with a
manifest, and whose audit was no alarm. A maintenance, a compaction, a rollback or a failed session never does; what
they take away makes it older.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from paranoid_runner.watch.chain import ChainError, Entry
from paranoid_runner.watch.document import parse_time
from paranoid_runner.watch.memory import Arrival, Known

KEPT = 8  # arrivals of a client: what is taken away is older or newer than most of them
Body = Mapping[str, Any]


def fold(known: Mapping[str, Known], entries: Iterable[Entry], now: datetime) -> dict[str, Known]:
    """Return what is known after ``entries``; ``now`` is when the watch sees a client first. ChainError for rubbish."""
    found = dict(known)
    for entry in entries:
        step = _STEPS.get(entry.kind)
        if step is None:  # it says nothing that is asked here, or is a newer release's
            continue
        try:
            body = json.loads(entry.body)
            found[entry.client] = step(found.get(entry.client) or Known(now), entry, body)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise ChainError(f"entry {entry.seq} says nothing that can be read") from None
    return found


def _session(one: Known, entry: Entry, body: Body) -> Known:
    one = replace(one, stored=one.stored + _size(body.get("stored_bytes", 0)))
    if body["status"] != "ok":
        return one
    if body["verb"] == "escrow":
        return replace(one, escrowed=parse_time(entry.time))
    archive = body.get("archive")
    if body["verb"] != "backup" or archive is None or not (body["commits"] > 0 and body["manifests"] > 0):
        return one
    good = body.get("audit") != "alarm"
    one = replace(one, newest=entry.seq if good else one.newest)
    if any(arrival.archive == archive["id"] for arrival in one.arrivals):  # its first arrival counts
        return one
    arrival = Arrival(entry.seq, parse_time(entry.time), str(archive["id"]), str(body["session"]), good)
    return replace(one, arrivals=(*one.arrivals, arrival)[-KEPT:], retired=False)


def _audit(one: Known, entry: Entry, body: Body) -> Known:
    session = body.get("session")
    if body["verdict"] != "alarm" or not session:
        return one
    return replace(one, arrivals=tuple(replace(a, good=False) if a.session == session else a for a in one.arrivals))


def _taken(one: Known, entry: Entry, body: Body) -> Known:
    """Archives went, whoever did it, or came back."""
    gone, back = set(body.get("deleted", ())) | set(body.get("lost", ())), set(body.get("restored", ()))
    arrivals = tuple(replace(a, gone=a.archive not in back) if a.archive in gone | back else a for a in one.arrivals)
    return replace(one, arrivals=arrivals)


def _unfreeze(one: Known, entry: Entry, body: Body) -> Known:
    return replace(_taken(one, entry, body), frozen=False)


def _freeze(one: Known, entry: Entry, body: Body) -> Known:
    return replace(one, frozen=True)


def _compaction(one: Known, entry: Entry, body: Body) -> Known:
    return replace(one, stored=_size(body["size_after"]))


def _repository(one: Known, entry: Entry, body: Body) -> Known:
    """What was known is of another repository; the first backup of this one has its time from now on."""
    return Known(parse_time(entry.time), newest=one.newest, frozen=one.frozen)


def _retire(one: Known, entry: Entry, body: Body) -> Known:
    return Known(one.first, newest=one.newest, frozen=one.frozen, retired=True)


def _rehearsal(one: Known, entry: Entry, body: Body) -> Known:
    moment = parse_time(entry.time)
    return replace(one, opened=moment) if body["what"] == "escrow" else replace(one, restored=moment)


def _size(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > 2**62:
        raise ValueError("not a size")
    return value


_STEPS: dict[str, Callable[[Known, Entry, Body], Known]] = {
    "session": _session,
    "audit": _audit,
    "trim": _taken,
    "rollback": _taken,
    "list": _taken,
    "unfreeze": _unfreeze,
    "freeze": _freeze,
    "compaction": _compaction,
    "repository": _repository,
    "retire": _retire,
    "rehearsal": _rehearsal,
}
