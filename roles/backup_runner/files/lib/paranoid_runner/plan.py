# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is due, and when everybody's next turn is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from paranoid_runner.config import DIGEST, Config
from paranoid_runner.pasts import ALL, Pasts
from paranoid_runner.schedule.rules import DAY
from paranoid_runner.schedule.turns import Past, Turn, find_deadline, find_turn


@dataclass(frozen=True)
class Planned:
    """The next turn of a client, or of a verb for all clients (``client`` is empty then)."""

    verb: str
    client: str
    past: Past
    turn: Turn


def plan(config: Config, pasts: Pasts, now: datetime) -> list[Planned]:
    """Return everybody's next turn, the earliest first and those that never have one last."""
    found = [*_plan_backups(config, pasts, now), *_plan_upkeep(config, pasts, now)]
    return sorted(found, key=lambda one: (one.turn.at is None, one.turn.at or now, one.verb, one.client))


def list_scheduled(config: Config, planned: Iterable[Planned], now: datetime) -> list[str]:
    """Return the clients that nobody misses in a run without them: they have a turn, and had their last in time."""
    return [
        one.client
        for one in planned
        if one.verb == "backup"
        and one.turn.at
        and one.past.succeeded
        and -DAY <= now - one.past.succeeded <= 2 * config.clients[one.client].every + DAY
    ]


def find_fresh(config: Config, planned: Iterable[Planned], now: datetime) -> dict[str, bool]:
    """Return of each client whether it has a good backup, and the turn after that is not over yet."""
    return {
        one.client: bool(
            one.past.succeeded
            and one.past.succeeded <= now
            and (over := find_deadline(config.clients[one.client], one.client, one.past.succeeded, one.past.succeeded))
            and now <= over
        )
        for one in planned
        if one.verb == "backup"
    }


def _plan_backups(config: Config, pasts: Pasts, now: datetime) -> Iterator[Planned]:
    for client, schedule in config.clients.items():
        past = pasts.get(("backup", client), Past())
        yield Planned("backup", client, past, find_turn(schedule, client, past, now))


def _plan_upkeep(config: Config, pasts: Pasts, now: datetime) -> Iterator[Planned]:
    for verb, schedule in {**config.upkeep, **({DIGEST: config.digest} if config.digest else {})}.items():
        past = pasts.get((verb, ALL), Past())
        yield Planned(verb, ALL, past, find_turn(schedule, verb, past, now))
