# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Anomalies: is a session like those of its client before it? Folded from the ledger, no I/O.

Two signals together are an anomaly, or a reading that needs no second one (`signals`). From then on retention lets
nothing go, until

- a person accepts it: what was noticed until then is usual from then on; or
- so many backups without any signal have followed. Each is compared with the last usual one from *before* the anomaly,
  so what stays changed, such as files that are gone, never becomes normal by itself.

What `content` says goes first: an archive that is far too small is red, is told by that alone, and waits for a person
in any case. Anomalies are what is short of it, and everything that makes no archive smaller. An archive that a person
accepted there is usual here, too, and the operator's own change of what is saved explains that it is smaller.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import LedgerRow, SessionEntry
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.history import History
from ansible_collections.paranoid.backup.plugins.module_utils._retention.content import CODES as CONTENT_CODES
from ansible_collections.paranoid.backup.plugins.module_utils._retention.signals import (
    Measures,
    Signal,
    Step,
    describe_signal,
    find_reading,
    find_signals,
    is_anomaly,
)

_AHEAD = timedelta(days=92)  # an announced change that ends later is taken for a slip
_SMALLER = frozenset({"lost_files", "lost_bytes"})
_READERS = ("backup", "escrow", "info")  # a maintenance reads the lists of what it deletes, and open is for reading


@dataclass(frozen=True)
class Verdict:
    """What was noticed of one session; ``expected`` is until when a change was announced, so that nothing was judged.

    ``since`` is when the anomaly began that a person has to look at, ISO 8601, empty if there is none, or it is this
    one; ``normal`` counts the backups since then that had no signal, of ``needed``, 0 if only a person ends it.
    """

    signals: tuple[Signal, ...] = ()
    anomaly: bool = False
    expected: str = ""
    since: str = ""
    normal: int = 0
    needed: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return the field ``unusual`` of a session's result and of its entry in the ledger."""
        return {**vars(self), "signals": [one.to_dict() for one in self.signals]}


@dataclass
class Course:
    """How a client's backups went so far; `fold_course` makes it.

    ``steps`` are the usual ones. ``held_back`` are those since an anomaly that ``waits`` for a person; ``sessions`` are
    the ids of all that are to be accepted with it. ``accepted`` are the archives and sessions that a person accepted
    so far, ``config`` is the fingerprint of what was saved by the last usual one.
    """

    needed: int
    accepted: frozenset[str] = frozenset()
    config: str = ""
    steps: list[Step] = field(default_factory=list)
    before: Measures | None = None
    usual: Measures | None = None
    carried: tuple[int, int] = (0, 0)
    waits: LedgerRow | None = None
    normal: int = 0
    held_back: list[Step] = field(default_factory=list)
    sessions: list[str] = field(default_factory=list)

    def step(self, now: Measures) -> Step | None:
        """Return how a backup follows on the others, None if it is the first."""
        return Step(now, self.before, self.usual) if self.before and self.usual else None

    def measure(self, entry: SessionEntry) -> Measures | None:
        """Return a backup's numbers, with what sessions stored before it that brought no archive."""
        archive, (size, objects) = entry.archive, self.carried
        if archive is None or not entry.brought:
            return None
        return Measures(
            files=archive.nfiles,
            original=archive.original_size,
            compressed=archive.compressed_size,
            stored_bytes=entry.stored_bytes + size,
            stored_objects=entry.stored_objects + objects,
            duration=entry.duration,
            received=entry.bytes_received,
            held_bytes=entry.held_bytes,
            held_objects=entry.held_objects,
            read=entry.bytes_read,
        )

    def explains(self, entry: SessionEntry) -> frozenset[str]:
        """Return which signals of a session the operator's own change explains."""
        config = (entry.content or {}).get("config") or ""
        return _SMALLER if config and self.config and config != self.config else frozenset()

    def follow(self, row: LedgerRow, entry: SessionEntry) -> None:
        """Go on by one session."""
        noticed = entry.unusual or {}
        meant = entry.session in self.accepted
        if noticed.get("anomaly") and not meant:
            self.waits, self.normal = self.waits or row, 0
        if self.waits is not None and noticed.get("signals"):
            self.sessions.append(entry.session)
        if entry.verb == "backup":
            self._follow_backup(entry, bool(noticed.get("signals")) and not meant)

    def _follow_backup(self, entry: SessionEntry, odd: bool) -> None:
        now = self.measure(entry)
        if now is None:
            self.carried = (self.carried[0] + entry.stored_bytes, self.carried[1] + entry.stored_objects)
            return
        step, self.before, self.carried = self.step(now), now, (0, 0)
        is_good = entry.arrived or (entry.archive is not None and entry.archive.id in self.accepted)
        if not is_good or entry.audit == "alarm":
            return
        if self.waits is not None and odd:
            self.held_back += [step] if step else []
            return
        self.steps += [step] if step else []
        self.usual, self.config = now, (entry.content or {}).get("config") or self.config
        if self.waits is not None and entry.unusual is not None and not entry.unusual.get("expected"):
            self._count_normal()

    def _count_normal(self) -> None:
        self.normal += 1
        if self.needed and self.normal >= self.needed:
            self.steps += self.held_back
            self.waits, self.normal, self.held_back, self.sessions = None, 0, [], []


def fold_course(history: History, needed: int) -> Course:
    """Return how the client's backups went; after ``needed`` normal ones an anomaly is over (0: never)."""
    course = Course(needed, history.accepted | history.accepted_sessions)
    for row in history.sessions:
        if isinstance(row.entry, SessionEntry):
            course.follow(row, row.entry)
    return course


def judge_session(history: History, entry: SessionEntry, needed: int, expected: str = "") -> Verdict:
    """Judge a session that is about to be entered; ``expected`` is what `is_expected` found to hold."""
    course = fold_course(history, needed)
    signals: tuple[Signal, ...] = ()
    if not expected:
        reading = _judge_reading(course, entry)
        signals = (*_judge_backup(course, entry, reading is not None), *([reading] if reading else []))
    since = course.waits.time.isoformat(timespec="seconds") if course.waits else ""
    anomaly = is_anomaly(signals)
    clean = entry.arrived and entry.audit != "alarm" and not signals and not expected
    normal = course.normal + 1 if since and clean else 0 if anomaly else course.normal
    over = bool(since and needed and normal >= needed)
    return Verdict(signals, anomaly, expected, "" if over else since, 0 if over else normal, needed)


def _judge_backup(course: Course, entry: SessionEntry, is_reading_known: bool) -> tuple[Signal, ...]:
    now = course.measure(entry) if entry.verb == "backup" else None
    step = course.step(now) if now else None
    if step is None or entry.code in CONTENT_CODES or entry.audit == "alarm":
        return ()
    known = course.explains(entry) | (frozenset({"read"}) if is_reading_known else frozenset())
    return tuple(one for one in find_signals(course.steps, step) if one.name not in known)


def _judge_reading(course: Course, entry: SessionEntry) -> Signal | None:
    if entry.verb not in _READERS:
        return None
    held = entry.held_bytes if entry.held_bytes is not None else course.before.held_bytes if course.before else None
    return find_reading(entry.bytes_read, None if held is None else held - entry.stored_bytes)


def is_expected(until: str, today: date) -> bool:
    """Tell whether a change is announced for today: ``until`` is a date such as 2026-12-01, at most three months on."""
    try:
        end = date.fromisoformat(until)
    except ValueError:
        return False
    return today <= end <= today + _AHEAD


def pending_anomaly(history: History, needed: int) -> str:
    """Say which anomaly waits for a person, empty if none does."""
    waits = fold_course(history, needed).waits
    if waits is None or not isinstance(waits.entry, SessionEntry):
        return ""
    return f"unusual since {waits.time.date().isoformat()}: {describe_signals(waits.entry.unusual or {})}"


def sessions_to_accept(history: History, needed: int) -> tuple[str, ...]:
    """Return the ids of the sessions that a person accepts with the anomaly that waits."""
    return tuple(fold_course(history, needed).sessions)


def describe_signals(unusual: dict[str, Any]) -> str:
    """Return the signals of a session as one line."""
    signals: Sequence[dict[str, Any]] = unusual.get("signals") or ()
    return ", ".join(map(describe_signal, signals))
