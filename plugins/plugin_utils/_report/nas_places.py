# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a NAS keeps of each client, of what it said itself: hostile text, as everything that comes from it. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ansible_collections.paranoid.backup.plugins.plugin_utils._record.nas import mark_servers, read_nas
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.sanitize import (
    take_mapping,
    take_mappings,
    take_number,
    take_text,
)
from ansible_collections.paranoid.backup.plugins.plugin_utils._report.nas import describe_nas

_UNKNOWN = "it did not say what it keeps of each client: run site.yml for it"


def describe_for_page(
    result: Mapping[str, Any], clients: Iterable[str], servers: Iterable[str], now: float
) -> dict[str, Any]:
    """Return what the module `paranoid.backup.page` takes of a result of `paranoid.backup.nas`.

    ``clients`` are those that lie there; ages are seconds by the NAS's own clock, None for what is missing.
    """
    (nas,) = mark_servers([read_nas(result, now)], servers)
    places = _read_places(nas.name, result, clients)
    return {**asdict(nas), "told": describe_nas((nas,)), "places": places}


def _read_places(nas: str, result: Mapping[str, Any], clients: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return of each client the age of its newest snapshot and copy, and lines about what is late or not known."""
    status = take_mapping(result.get("status"))
    raw, now = take_mappings(status.get("lines")), take_number(status.get("measured"))
    if not raw or now is None:
        why = take_text(result.get("problem"), 300) or _UNKNOWN
        return {client: {"snapshot": None, "copy": None, "late": [f"{nas}: {why}"]} for client in clients}
    lines = [_Line.take(one, take_mapping(status.get("newest")), now) for one in raw]
    return {client: _describe_place(nas, client, lines) for client in clients}


@dataclass(frozen=True)
class _Line:
    """Snapshots, or copies, below a root: how old the newest of each dataset is, and of which it is late."""

    what: str
    root: str
    ages: Mapping[str, float | None]
    late: frozenset[str]

    @classmethod
    def take(cls, raw: Mapping[str, Any], newest: Mapping[str, Any], now: float) -> _Line:
        """Take what can be used of a line; never raises."""
        root, late = str(raw.get("root")), raw.get("late")
        moments = {str(name): take_number(moment) for name, moment in take_mapping(newest.get(root)).items()}
        ages = {name: None if moment is None else max(0.0, now - moment) for name, moment in moments.items()}
        names = frozenset(one for one in late if isinstance(one, str)) if isinstance(late, list) else frozenset({root})
        return cls("snapshot" if raw.get("what") == "snapshots" else "copy", root, ages, names)

    def find(self, client: str) -> str:
        """Return the dataset of a client; where clients have none of their own it is the root."""
        own = f"{self.root}/{client}"
        return own if own in self.ages or self.root not in self.ages else self.root


def _describe_place(nas: str, client: str, lines: Iterable[_Line]) -> dict[str, Any]:
    ages: dict[str, list[float | None]] = {"snapshot": [], "copy": []}
    late = []
    for line in lines:
        dataset = line.find(client)
        ages[line.what].append(line.ages.get(dataset))
        if dataset not in line.ages or {line.root, dataset} & line.late:
            late.append(f"{nas}: its newest {line.what} in {take_text(line.root, 100)} is late, missing or not known")
    return {**{what: _find_oldest(found) for what, found in ages.items()}, "late": late}


def _find_oldest(ages: Iterable[float | None]) -> float | None:
    """Return the highest age; None where one is not known, or there are none."""
    known = list(ages)
    numbers = [age for age in known if age is not None]
    return max(numbers) if numbers and len(numbers) == len(known) else None
