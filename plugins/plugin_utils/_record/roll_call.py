# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is not there: the clients that a server has, compared with the inventory and with one run. No I/O.

What the servers say is taken as hostile as any result. Who is absent, and how old the newest backup is, does not make a
run a failure: a limit may be meant. It is told in every report, so that a forgotten one does not stay green for ever.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from ansible_collections.paranoid.backup.plugins.module_utils._common.formatting import join_names
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.sanitize import (
    take_mapping,
    take_mappings,
    take_seconds,
    take_text,
    take_time,
)

MODULE = "paranoid.backup.roll_call"


class Absence(StrEnum):
    """Why a client is named: no host of the inventory has it, the run left it out, or the inventory says another
    address or other things to save than when it was provisioned."""

    UNLISTED = "unlisted"
    LEFT_OUT = "left_out"
    MOVED = "moved"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Absent:
    """A client that is not there. ``age`` is seconds since its newest good archive, None when there is none.

    ``address`` and ``wanted`` are where the server goes and where the inventory says it is, if it has moved.
    """

    client: str
    server: str
    why: Absence
    last_success: str = ""
    age: float | None = None
    address: str = ""
    wanted: str = ""


@dataclass(frozen=True, slots=True)
class Roll:
    """What the servers said: who is absent, and a line for each server that could not say it.

    ``gone`` are those of earlier runs that neither the inventory nor a server has any more.
    """

    absent: tuple[Absent, ...] = ()
    problems: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()


def read_roll(results: Sequence[Mapping[str, Any]], present: Iterable[str], before: Iterable[str] = ()) -> Roll:
    """Compare results of `paranoid.backup.roll_call`, one for each server, with the hosts that are in a run.

    ``before`` are the names of clients that earlier runs had.
    """
    there = set(present)
    absent: list[Absent] = []
    problems: list[str] = []
    for result in results:
        server = take_text(result.get("item"), 200)
        problem = take_text(result.get("problem"), 300)
        if problem or not isinstance(result.get("clients"), list):
            problems.append(f"{server}: {problem or 'it gave no answer'}")
        absent += _compare(server, result, there)
    gone = sorted(set(before) - there - _list_known(results)) if not problems else ()
    return Roll(tuple(sorted(absent, key=_staleness)), tuple(problems), tuple(gone))


def list_shared(results: Iterable[Mapping[str, Any]], present: Iterable[str]) -> list[str]:
    """Return a line for each client that several hosts of the inventory are, one of which is in the run.

    Each of them would be told as backed up, and only the one that the server goes to is.
    """
    there = set(present)
    shared: dict[tuple[int, str], list[str]] = {}
    for place, result in enumerate(results):
        for name, host in take_mapping(result.get("hosts")).items():
            client = take_text(take_mapping(host).get("client"), 200)
            shared.setdefault((place, client), []).append(take_text(name, 200))
    found = ((client, names) for (_place, client), names in shared.items() if len(names) > 1 and there & {*names})
    return [_describe_shared(client, names) for client, names in found]


def _describe_shared(client: str, names: list[str]) -> str:
    one = f"are one client to the server, {client}, so only one of them is backed up"
    return f"{join_names(names)} {one}: mend backup_client_name, then run site.yml"


def _list_known(results: Iterable[Mapping[str, Any]]) -> set[str]:
    """Return the names, of hosts and of clients, that the inventory or a server has."""
    found = set()
    for result in results:
        hosts = take_mapping(result.get("hosts"))
        found |= {take_text(name, 200) for name in hosts}
        clients = [*map(take_mapping, hosts.values()), *take_mappings(result.get("clients"))]
        found |= {take_text(one.get("client"), 200) for one in clients}
    return found


def _compare(server: str, result: Mapping[str, Any], there: set[str]) -> list[Absent]:
    hosts = {name: take_mapping(host) for name, host in take_mapping(result.get("hosts")).items()}
    by_client = {take_text(host.get("client"), 200): (name, host) for name, host in hosts.items()}
    known = {take_text(one.get("client"), 200): one for one in take_mappings(result.get("clients"))}
    found = []
    for client, one in known.items():
        name, host = by_client.get(client, ("", {}))
        address, wanted = take_text(one.get("host"), 200), take_text(host.get("address"), 200)
        listed, saved = take_text(host.get("listed"), 64), take_text(one.get("listed"), 64)
        is_in_place, is_saved = not address or address == wanted, not (listed and saved) or listed == saved
        why = _explain(client in by_client, name in there, is_in_place, is_saved)
        if why:
            last, age = take_time(one.get("last_success")), take_seconds(one.get("age"))
            found.append(Absent(client, server, why, last, age, address, wanted))
    new = [client for client, (name, _host) in by_client.items() if client not in known and name not in there]
    return found + [Absent(client, server, Absence.LEFT_OUT) for client in new]


def _explain(is_listed: bool, is_there: bool, is_in_place: bool, is_saved: bool) -> Absence | None:
    if not is_listed:
        return Absence.UNLISTED
    if not is_there:
        return Absence.LEFT_OUT
    if not is_in_place:
        return Absence.MOVED
    return None if is_saved else Absence.CHANGED


def _staleness(absent: Absent) -> tuple[int, float, str]:
    """Sort those without any backup first, then the oldest."""
    return (0, 0.0, absent.client) if absent.age is None else (1, -absent.age, absent.client)
