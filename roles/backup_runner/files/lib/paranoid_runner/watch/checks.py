# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is not as it should be, from an answer and from what is remembered. No clock and no file in here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from paranoid_runner.schedule.rules import Schedule, ScheduleError, parse_schedule
from paranoid_runner.schedule.turns import find_deadline
from paranoid_runner.watch.config import Rules
from paranoid_runner.watch.document import ClientTold, Told
from paranoid_runner.watch.levels import Finding, Level, join_names, show
from paranoid_runner.watch.memory import Known, Memory
from paranoid_runner.watch.trend import find_days_left

CLOCK_TOLD, CLOCK_ALARM = timedelta(seconds=60), timedelta(days=1)
BORG = "1.4.5"  # what this release installs
KNOWN_BAD = (((1, 2, 5), "CVE-2023-36811: archives can be forged"), ((1, 4, 0), "the gate knows the insides of 1.4"))
NEW = timedelta(days=7)  # in which a client may get its escrow


@dataclass(frozen=True)
class Look:
    """An answer, what is remembered with it, and between which moments of the watch it was made."""

    told: Told
    memory: Memory
    asked: datetime
    got: datetime
    rules: Rules


def check(look: Look) -> list[Finding]:
    """Return everything that is not as it should be."""
    return [
        *_check_clients(look),
        *_check_clock(look),
        *_check_mail(look),
        *_check_disk(look),
        *_check_rehearsals(look),
        *_check_server(look),
    ]


def find_lateness(client: ClientTold, known: Known, rules: Rules, now: datetime) -> str:
    """Return why a client is late, as a clause; empty if it is not.

    It is fresh by the arrival that the server entered, until the next window of its schedule has closed and the grace
    is over. The schedule is the server's word; ``at_most_days`` is the watch's own.
    """
    arrived = known.arrived
    since = arrived or known.first
    if since - now > CLOCK_ALARM:
        return f"its last good backup, or its repository, came at {since:%Y-%m-%d %H:%M}, which is yet to come"
    last = f"its last good backup came {_describe_age(now - since)} ago" if arrived else "it has no good backup"
    if rules.at_most_days and now - since > timedelta(days=rules.at_most_days):
        return last
    schedule = read_schedule(client) or Schedule()
    deadline = find_deadline(schedule, client.name, arrived, since)
    if deadline is None or now <= deadline + timedelta(hours=rules.grace_hours):
        return ""
    return f"{last}; its turn was over at {deadline:%Y-%m-%d %H:%M} UTC"


def read_schedule(client: ClientTold) -> Schedule | None:
    """Return the schedule that a server tells of a client, None where it is none."""
    try:
        return parse_schedule(client.schedule or {})
    except (ScheduleError, TypeError, ValueError, OverflowError):
        return None


def _check_clients(look: Look) -> Iterator[Finding]:
    now, newcomer = look.got, Known(look.got)
    for client in look.told.clients:
        known = look.memory.known.get(client.name, newcomer)
        late = find_lateness(client, known, look.rules, now)
        if late:
            yield Finding(Level.CRITICAL, "fresh", f"{client.name} is late: {late}")
        if known.frozen or client.frozen:
            yield Finding(Level.CRITICAL, "frozen", f"{client.name} is frozen after an alarm")
        if client.arrival is not None and known.newest < client.arrival <= look.memory.head.seq:
            yield Finding(
                Level.CRITICAL, "fresh", f"{client.name}: entry {client.arrival} is no arrival of a good backup"
            )
        if client.quota and known.stored > 0.95 * client.quota:
            yield Finding(
                Level.WARNING, "quota", f"{client.name} has used {100 * known.stored // client.quota} % of its quota"
            )
    strange = [one.name for one in look.told.clients if read_schedule(one) is None]
    if strange:
        yield Finding(
            Level.WARNING, "schedule", f"no schedule can be read, so once a day is meant: {join_names(strange)}"
        )
    never = [one.name for one in look.told.clients if _never_has_a_turn(one, now)]
    if never:
        yield Finding(Level.WARNING, "schedule", f"these have no turn within a year: {join_names(never)}")
    yield from _check_absent(look)


def _never_has_a_turn(client: ClientTold, now: datetime) -> bool:
    schedule = read_schedule(client)
    return schedule is not None and find_deadline(schedule, client.name, None, now) is None


def _check_absent(look: Look) -> Iterator[Finding]:
    """A client that was there at the last look, and is no more, unless the ledger says that it was let go."""
    now = {one.name for one in look.told.clients}
    gone = [name for name in look.memory.listed if name not in now and not _is_retired(look.memory, name)]
    if gone:
        how = "bring them back, or let them go by --forget"
        yield Finding(Level.WARNING, "absent", f"no longer clients of this server: {join_names(gone)}; {how}")
    if not now:
        yield Finding(Level.WARNING, "absent", "this server has no clients")


def _is_retired(memory: Memory, name: str) -> bool:
    return name in memory.known and memory.known[name].retired


def _check_clock(look: Look) -> Iterator[Finding]:
    """Between both moments the clocks may differ by as much as the answer took, and nobody knows."""
    ahead, behind = look.told.clock - look.got, look.asked - look.told.clock
    off = max(ahead, behind)
    if off > CLOCK_TOLD:
        level = Level.CRITICAL if off > CLOCK_ALARM else Level.WARNING
        how = "ahead" if ahead > behind else "behind"
        yield Finding(level, "clock", f"the server's clock is {_describe_age(off)} {how} of this one's")


def _check_mail(look: Look) -> Iterator[Finding]:
    hours, told = look.rules.mail_hours, look.told
    if not hours:
        return
    if not told.has_runs:
        why = "no runner is there; watch the machine that has it, or set mail_hours to 0"
        yield Finding(Level.UNKNOWN, "mail", f"the server cannot say whether mails go out: {why}")
    elif told.last_mail is None:
        yield Finding(Level.CRITICAL, "mail", "no run's mail was ever accepted")
    elif told.last_mail - look.got > CLOCK_ALARM:
        yield Finding(Level.CRITICAL, "mail", f"the last mail went out at {told.last_mail:%Y-%m-%d %H:%M}, yet to come")
    elif look.got - told.last_mail > timedelta(hours=hours):
        yield Finding(Level.CRITICAL, "mail", f"the last mail went out {_describe_age(look.got - told.last_mail)} ago")
    if told.untold:
        yield Finding(Level.WARNING, "mail", f"nobody has heard of {told.untold} runs for a day")


def _check_disk(look: Look) -> Iterator[Finding]:
    if look.told.disk is None:
        yield Finding(Level.UNKNOWN, "disk", "the server cannot measure the repositories' disk")
        return
    total, free = look.told.disk
    share = 100 * free / total if total else 0
    if share < 10:
        yield Finding(Level.CRITICAL if share < 5 else Level.WARNING, "disk", f"{share:.1f} % of the disk are free")
    days = find_days_left(look.memory.samples, look.got)
    if days is not None and look.rules.full_days and days < look.rules.full_days:
        level = Level.CRITICAL if days < 7 else Level.WARNING
        yield Finding(level, "disk", f"as it grows, the disk is full in {days:.0f} days")


def _check_rehearsals(look: Look) -> Iterator[Finding]:
    clients = [(one, look.memory.known.get(one.name, Known(look.got))) for one in look.told.clients]
    kept = [one.name for one, known in clients if one.escrow and not known.escrowed and look.got - known.first > NEW]
    if kept:
        yield Finding(
            Level.WARNING, "escrow", f"no escrow of their keys was ever kept: {join_names(kept)}; run escrow.yml"
        )
    days = look.rules.rehearsal_days
    if not days:
        return
    limit = timedelta(days=days)
    unopened = [one.name for one, known in clients if one.escrow and _is_old(known.opened or known.first, look, limit)]
    if unopened:
        yield Finding(Level.WARNING, "escrow", f"nobody tried for {days:.0f} days to open: {join_names(unopened)}")
    untried = [one.name for one, known in clients if _is_old(known.restored or known.first, look, limit)]
    if untried:
        yield Finding(Level.WARNING, "drill", f"no restore was tried for {days:.0f} days of: {join_names(untried)}")


def _is_old(moment: datetime, look: Look, limit: timedelta) -> bool:
    """Whether it is longer ago than a limit, or yet to come, which proves as little."""
    return not -CLOCK_ALARM <= look.got - moment <= limit


def _check_server(look: Look) -> Iterator[Finding]:
    numbers = tuple(int(part) for part in re.findall(r"\d{1,6}", look.told.borg)[:3])
    bad = next((why for below, why in KNOWN_BAD if numbers < below), "")
    if not numbers:
        yield Finding(Level.UNKNOWN, "versions", "the server does not know the version of its Borg")
    elif bad:
        yield Finding(Level.CRITICAL, "versions", f"its Borg {show(look.told.borg, 40)} is known to be bad: {bad}")
    elif numbers < tuple(map(int, BORG.split("."))):
        yield Finding(
            Level.WARNING, "versions", f"its Borg {show(look.told.borg, 40)} is older than {BORG}: run site.yml"
        )
    for problem in look.told.problems:
        yield Finding(Level.WARNING, "server", show(problem))


def _describe_age(age: timedelta) -> str:
    seconds = int(abs(age).total_seconds())
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"
