# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each NAS under the server told: the controller asked and judged as for the mail, here it is only taken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any


@dataclass(frozen=True, slots=True)
class Pool:
    """How full a pool is, in per cent, and in how many days it is full if it goes on so; None is what nobody knows."""

    name: str
    percent: int | None = None
    full_in_days: float | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """What a NAS keeps of a client: when its newest snapshot was made, and the oldest of the newest copies.

    ``late`` are lines about what is too old, missing or not known.
    """

    snapshot: datetime | None = None
    copied: datetime | None = None
    late: tuple[str, ...] = ()


NOWHERE = Place()


@dataclass(frozen=True, slots=True)
class Nas:
    """One NAS: what somebody should look at, what is good to know, and ``places`` by client, in the mail's words.

    The times are of what is oldest among the newest, None where one is missing.
    """

    name: str
    problems: tuple[str, ...] = ()
    told: tuple[str, ...] = ()
    snapshot: datetime | None = None
    copied: datetime | None = None
    scrub: datetime | None = None
    pools: tuple[Pool, ...] = ()
    places: Mapping[str, Place] = field(default_factory=dict)


def read_nas(raw: Sequence[Mapping[str, Any]] | None, now: datetime) -> tuple[Nas, ...] | None:
    """Return what the module's option has, whose ages are seconds; None where nobody was asked."""
    if raw is None:
        return None
    return tuple(
        Nas(
            name=one["name"],
            problems=tuple(one.get("problems") or ()),
            told=tuple(one.get("told") or ()),
            snapshot=_find_time(one.get("snapshot"), now),
            copied=_find_time(one.get("copy"), now),
            scrub=_find_time(one.get("scrub"), now),
            pools=tuple(Pool(p["name"], p.get("percent"), p.get("full_in_days")) for p in one.get("pools") or ()),
            places={name: _read_place(place, now) for name, place in (one.get("places") or {}).items()},
        )
        for one in raw
    )


def find_places(nas: Sequence[Nas] | None) -> dict[str, Place]:
    """Return what is kept of each client, whichever NAS it lies on."""
    return {client: place for one in nas or () for client, place in one.places.items()}


def _read_place(raw: Mapping[str, Any], now: datetime) -> Place:
    copied = _find_time(raw.get("copy"), now)
    return Place(_find_time(raw.get("snapshot"), now), copied, tuple(raw.get("late") or ()))


def _find_time(age: float | None, now: datetime) -> datetime | None:
    return None if age is None else now - timedelta(seconds=age)
