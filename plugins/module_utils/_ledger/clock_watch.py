# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the server's clock can be believed: retention and holds go by it alone.

Each session's entry has a reading of the clock, with what it was compared with; the newest one is what is known now.
The clock is in doubt when it is more than a day off what the first of these says that can say anything:

1. the controller's clock, told with the order, where it is another machine's; else a watch's, by a witness of the last
   hours (`_watch/witness.py`). It decides alone, both ways.
2. the kernel's count of seconds since it booted, against the last reading that was believed. While the machine runs,
   nobody can set that count; and the clock cannot drift away in steps, for the first reading since the boot is kept.
3. after another boot, the last reading that was believed. Since then the machine has run as long as the kernel counts.
   Less time passed: the clock is wrong. Much more: it may have been off. Nobody here can tell, so it is in doubt.

A doubt ends when the clock is back where it was believed, when a person says so, or by the clients: most of at least
three whose backups came meanwhile told a time that agrees. One that lies is outvoted, and no client's word raises a
doubt. What the controller's clock raised ends by that one, a person or the clients.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from ansible_collections.paranoid.backup.plugins.module_utils._common.clock import Moment
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import (
    ClockEntry,
    LedgerRow,
    SessionEntry,
)
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.ledger import Ledger

_DAY = timedelta(days=1).total_seconds()
_AWAY = 1.5 * _DAY  # a day, and half a one because a nightly run does not begin to the minute
_ZONES = timedelta(hours=14).total_seconds()  # clients tell local times
_WITNESSES = 3
_LOOKED_AT = 400  # sessions in which clients are heard


@dataclass(frozen=True)
class Reading:
    """A reading of the clock that was believed: seconds since 1970, and since the machine booted as ``boot``.

    ``offset`` is when it booted, by the first reading since then: time minus uptime.
    """

    time: float
    boot: str
    offset: float


@dataclass(frozen=True)
class ClockState:
    """``trusted`` is the last reading that was believed, None before any; ``doubt`` says why the clock is not, or "".

    ``told`` tells that the controller's clock raised the doubt.
    """

    trusted: Reading | None = None
    doubt: str = ""
    told: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return the field ``clock`` of an entry."""
        return asdict(self)


def read_state(content: Mapping[str, Any] | None) -> ClockState:
    """Return what ``to_dict`` wrote; nothing is known from an entry of an earlier release."""
    if not content:
        return ClockState()
    one = content["trusted"]
    trusted = Reading(one["time"], one["boot"], one["offset"]) if one else None
    return ClockState(trusted, content["doubt"], content["told"])


def judge_clock(before: ClockState, now: Moment, ahead: float | None = None, is_confirmed: bool = False) -> ClockState:
    """Return what is known of the clock ``now``; ``ahead`` is by how many seconds it is ahead of the controller's.

    ``is_confirmed``: the clients' clocks agree with it.
    """
    told = ahead is not None or (before.told and not is_confirmed)
    if ahead is not None:
        doubt = f"it is {_off(ahead)} the controller's or the watch's" if abs(ahead) > _DAY else ""
    elif is_confirmed:
        doubt = ""
    else:
        doubt = before.doubt if before.told else _find_jump(before.trusted, now)
    return ClockState(before.trusted, doubt, told) if doubt else ClockState(_trust(before.trusted, now))


def believe(now: Moment) -> ClockState:
    """Return what is known once a person has said that the clock is right ``now``."""
    return ClockState(_trust(None, now))


def _find_jump(trusted: Reading | None, now: Moment) -> str:
    if trusted is None:
        return ""
    wall = now.time.timestamp()
    if trusted.boot and trusted.boot == now.boot:
        off = wall - trusted.offset - now.uptime
        return f"it was set while the machine ran, {_off(off)} where it should be" if abs(off) > _DAY else ""
    passed = wall - trusted.time
    # Where boots have no names it may be the same one; then as much must have passed by the kernel's count.
    running = max(0.0, now.uptime if now.boot else now.uptime - (trusted.time - trusted.offset))
    if passed - running < -_DAY:
        return f"it is {_off(passed - running)} where it should be by the last session"
    if passed - running > _AWAY:
        return f"by it {_days(passed)} passed since the last session, and the machine was started anew meanwhile"
    return ""


def _trust(trusted: Reading | None, now: Moment) -> Reading:
    """Return the reading to compare the next one with; of the same boot the first one's offset stays."""
    wall = now.time.timestamp()
    offset = wall - now.uptime
    if trusted is None or trusted.boot != now.boot or not now.boot or abs(offset - trusted.offset) > _DAY:
        return Reading(wall, now.boot, offset)
    return Reading(max(wall, trusted.time), now.boot, trusted.offset)


def _off(seconds: float) -> str:
    return f"{_days(abs(seconds))} {'ahead of' if seconds > 0 else 'behind'}"


def _days(seconds: float) -> str:
    return f"{seconds / _DAY:.1f} days"


def clients_agree(rows: Iterable[LedgerRow]) -> bool:
    """Tell whether enough clients told, with backups in these sessions, a time that agrees with the server's.

    Each client counts once, by its newest backup.
    """
    heard: dict[str, bool] = {}
    for row in rows:
        told = _told_time(row)
        if told is not None:
            heard[row.client] = abs((row.time - told).total_seconds()) <= _DAY + _ZONES
    return sum(heard.values()) >= _WITNESSES and 2 * sum(heard.values()) > len(heard)


def _told_time(row: LedgerRow) -> datetime | None:
    """Return when a client says that its archive was done; Borg tells local time, without its zone."""
    entry = row.entry
    if not isinstance(entry, SessionEntry) or not entry.arrived or entry.archive is None:
        return None
    try:
        told = datetime.fromisoformat(entry.archive.end)
    except ValueError:
        return None
    return told if told.tzinfo else told.replace(tzinfo=UTC)


def look_at_clock(ledger: Ledger, now: Moment, ahead: float | None = None) -> ClockState:
    """Return what is known of the server's clock at ``now``; LedgerError if the ledger cannot be read."""
    before = _last_state(ledger)
    state = judge_clock(before, now, ahead)
    if ahead is None and before.doubt and state.doubt and clients_agree(_doubted_sessions(ledger)):
        return judge_clock(before, now, is_confirmed=True)
    return state


def recorded_doubt(ledger: Ledger) -> str:
    """Return why the server's clock could not be believed when it was last read, empty if it could."""
    return _last_state(ledger).doubt


def _last_state(ledger: Ledger) -> ClockState:
    row = ledger.last_clock()
    return read_state(row.entry.clock) if row and isinstance(row.entry, (SessionEntry, ClockEntry)) else ClockState()


def _doubted_sessions(ledger: Ledger) -> list[LedgerRow]:
    """Return the newest sessions, oldest first, that were all held while the clock was in doubt."""
    found: list[LedgerRow] = []
    for row in reversed(ledger.entries("session", limit=_LOOKED_AT)):
        if not (isinstance(row.entry, SessionEntry) and read_state(row.entry.clock).doubt):
            break
        found.append(row)
    return found[::-1]
