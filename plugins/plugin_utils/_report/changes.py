# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is not as it was in the run before, and what is not as it usually is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ansible_collections.paranoid.backup.plugins.module_utils._common.formatting import (
    format_duration,
    format_number,
    format_size,
    format_times,
    join_names,
)
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.history import History, Trail, find_usual
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.model import Client, Run, State

NAMES_SHOWN = 8
_PROGRAMS = {"borg": "Borg", "borgmatic": "borgmatic"}
_MIB = 1024 * 1024
_SHORT = 600.0  # seconds that nobody minds, however many times the usual they are
_LITTLE = 512 * _MIB  # the same for bytes
_TIMES = 3  # beyond so many times the usual something is worth a look


@dataclass(frozen=True, slots=True)
class Change:
    """What changed since the run before: a kind, whom it concerns, and whether it is good, bad or neither."""

    kind: str
    what: str
    tone: str


def find_changes(run: Run, history: History) -> tuple[Change, ...]:
    """Compare each client with its last run of the same work. In check mode, and at first, there is nothing to say."""
    if run.check:
        return ()
    ended = [(client, history.find(client)) for client in run.clients]
    was_good = [
        client.name for client, past in ended if client.has_failed and (not past or not past.runs or past.is_good)
    ]
    still = [
        _since(client, past) for client, past in ended if client.has_failed and past and past.runs and not past.is_good
    ]
    mended = [_since(client, past) for client, past in ended if _is_mended(client, past)]
    known = history.names
    new = _once([client.name for client in run.clients if client.name not in known])
    found = (
        Change("Newly failing", join_names(_once(was_good), NAMES_SHOWN), "bad"),
        Change("Still failing", join_names(_once(still), NAMES_SHOWN), "bad"),
        Change("Well again", join_names(_once(mended), NAMES_SHOWN), "good"),
        Change("New", join_names(new if history.clients else [], NAMES_SHOWN), "good"),
        Change("Gone", join_names(list(run.roll.gone) if run.roll else [], NAMES_SHOWN), "bad"),
        Change("Versions", "; ".join(_list_versions(run, history)), "quiet"),
    )
    return tuple(one for one in found if one.what) if history.clients else ()


def describe_unusual(client: Client, history: History) -> tuple[str, ...]:
    """Return a line for each number of a good session that is far beyond the median of this client's last ones."""
    past, session = history.find(client), client.session
    if client.state is not State.OK or past is None or session is None:
        return ()
    archive = session.archive
    lines = (
        _compare("took", session.duration, find_usual(past.seconds), _SHORT),
        _compare("received", session.bytes_received, find_usual(past.received), _LITTLE),
        _compare("holds", archive.original_size if archive else None, find_usual(past.held), _LITTLE, times=1.5),
    )
    return tuple(filter(None, lines))


def compare_received(run: Run, history: History) -> str:
    """Return what came from those clients whose usual is known, and what that is; empty when it is of none."""
    known = [
        (client.session.bytes_received, usual)
        for client in run.clients
        if client.state is State.OK and client.session and client.session.bytes_received is not None
        if (past := history.find(client)) and (usual := find_usual(past.received)) is not None
    ]
    if not known:
        return ""
    came, usual = sum(came for came, _usual in known), sum(usual for _came, usual in known)
    return f"{format_size(came)}, usually {format_size(round(usual))}"


def _compare(verb: str, value: float | None, usual: float | None, little: float, times: float = _TIMES) -> str:
    if value is None or usual is None or value < usual * times or value - usual < little:
        return ""
    show = format_duration if verb == "took" else lambda count: format_size(round(count))
    return f"{verb} {show(value)}, usually {show(usual)}"


def _since(client: Client, past: Trail | None) -> str:
    """Return a name, with since when and in how many runs it had failed before this one."""
    if past is None:
        return client.name
    runs = f"{format_number(past.runs)} run{'' if past.runs == 1 else 's'}"
    return f"{client.name} ({runs} since {format_times(past.since).replace(' UTC', '')})"


def _is_mended(client: Client, past: Trail | None) -> bool:
    return client.state is State.OK and past is not None and past.runs > 0 and not past.is_good


def _once(names: list[str]) -> list[str]:
    return list(dict.fromkeys(names))


def _list_versions(run: Run, history: History) -> Iterator[str]:
    if run.version and history.version and run.version != history.version:
        yield f"paranoid.backup {history.version} → {run.version}"
    moves: dict[tuple[str, str, str], list[str]] = {}
    for client in run.clients:
        past, session = history.find(client), client.session
        for program, now in session.versions.items() if past and session else ():
            before = past.versions.get(program, now) if past else now
            if before != now:
                moves.setdefault((program, before, now), []).append(client.name)
    for (program, before, now), names in moves.items():
        yield f"{_PROGRAMS[program]} {before} → {now} on {join_names(_once(names))}"
