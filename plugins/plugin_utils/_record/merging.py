# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several runs told as one: the slices of a job, each of which kept a record and left its mail to a later report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.paranoid.backup.plugins.plugin_utils._record.model import Client, Run, State, Work
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.nas import merge_nas, read_record
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.results import SessionResult
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.roll_call import Absence, Absent, Roll
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.sanitize import (
    take_lines,
    take_mapping,
    take_mappings,
    take_seconds,
    take_text,
    take_time,
    take_word,
)

_MOST_LINES = 1000
_STATES, _WORKS, _ABSENCES = (frozenset(map(str, one)) for one in (State, Work, Absence))


@dataclass(frozen=True, slots=True)
class Part:
    """A run that waits for its report: its id, and its record as JSON, empty where it cannot be read."""

    run_id: str
    record: Mapping[str, Any]


def merge(whole: Run, parts: Iterable[Part]) -> Run:
    """Return ``whole``, a run without clients, with all that is in the parts; never raises.

    A client that several parts have counts by its last result that is one. What one part misses and another has is
    not absent.
    """
    found: dict[tuple[Work, str], Client] = {}
    problems: list[str] = []
    rolls: list[Roll] = []
    known = list(parts)
    started = [whole.started]
    for part in known:
        for client in _read_clients(part.record):
            key = client.work, client.name
            if key not in found or client.state is not State.PLANNED:
                found[key] = client
        problems += [f"{part.run_id}: {line}" for line in take_lines(part.record.get("problems"), _MOST_LINES, 500)]
        started += filter(None, [take_time(part.record.get("started"))])
        rolls += [_read_roll(take_mapping(roll))] if (roll := part.record.get("roll")) else []
    clients = tuple(found.values())
    return replace(
        whole,
        started=min(started),
        clients=clients,
        problems=(*whole.problems, *problems),
        roll=_merge_rolls(rolls, {client.name for client in clients}) if rolls else None,
        nas=merge_nas(read_record(part.record.get("nas")) for part in known),
    )


def _read_clients(record: Mapping[str, Any]) -> Iterable[Client]:
    for raw in take_mappings(record.get("clients")):
        session = raw.get("session")
        yield Client(
            name=take_text(raw.get("name"), 200),
            state=State(take_word(raw.get("state"), _STATES, State.FAILED)),
            session=SessionResult.from_dict(session) if isinstance(session, Mapping) else None,
            work=Work(take_word(raw.get("work"), _WORKS, Work.BACKUP)),
            began=take_time(raw.get("began")),
        )


def _read_roll(raw: Mapping[str, Any]) -> Roll:
    absent = tuple(
        Absent(
            client=take_text(one.get("client"), 200),
            server=take_text(one.get("server"), 200),
            why=Absence(take_word(one.get("why"), _ABSENCES, Absence.UNLISTED)),
            last_success=take_time(one.get("last_success")),
            age=take_seconds(one.get("age")),
            address=take_text(one.get("address"), 200),
            wanted=take_text(one.get("wanted"), 200),
        )
        for one in take_mappings(raw.get("absent"))
    )
    return Roll(absent, *(take_lines(raw.get(name), _MOST_LINES, 500) for name in ("problems", "gone")))


def _merge_rolls(rolls: Iterable[Roll], present: set[str]) -> Roll:
    """To a slice, whoever another slice has is not in the inventory; a client that moved is named in any case."""
    known = list(rolls)
    absent = {
        (one.client, one.server): one
        for roll in known
        for one in roll.absent
        if one.why in (Absence.MOVED, Absence.CHANGED) or one.client not in present
    }
    problems = dict.fromkeys(line for roll in known for line in roll.problems)
    gone = dict.fromkeys(name for roll in known for name in roll.gone if name not in present)
    return Roll(tuple(absent.values()), tuple(problems), tuple(gone))
