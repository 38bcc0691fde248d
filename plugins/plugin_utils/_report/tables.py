# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables of a report: for each work of the run one, with the columns that mean something for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ansible_collections.paranoid.backup.plugins.module_utils._session.protocol import UNKNOWN_LIMIT
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.model import Client, Run, State, Work
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.results import Archive, Compaction, Maintenance
from ansible_collections.paranoid.backup.plugins.plugin_utils._report import formatting as words

HEADINGS = {Work.BACKUP: "Backup", Work.MAINTAIN: "Maintain", Work.COMPACT: "Compact", Work.AUDIT: "Audit"}
_LABELS = {State.PLANNED: "not run", State.RUNNING: "no result"}
_TONES = {State.OK: "good", State.SKIPPED: "quiet", State.PLANNED: "quiet"}
_Value = int | float | str | None


@dataclass(frozen=True, slots=True)
class Column:
    """A column after client and status; its total is a sum, or with ``whole`` the lone work's run's own.

    Where there is no room for all columns, those that are ``spare`` are left out.
    """

    heading: str
    value: Callable[[Client], _Value]
    shown: Callable[[_Value], str]
    whole: Callable[[Run], _Value] | None = None
    spare: bool = False

    def total(self, run: Run, clients: Sequence[Client]) -> str:
        """Return the cell of the last row."""
        if self.whole:
            return self.shown(self.whole(run) if len(run.works) == 1 else None)
        known = [value for value in map(self.value, clients) if isinstance(value, (int, float))]
        return self.shown(sum(known)) if known else words.NOTHING


@dataclass(frozen=True, slots=True)
class Row:
    """One client in a table. ``tone`` is good, bad or quiet; ``cells`` are as many as the table has columns."""

    client: str
    label: str
    tone: str
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """What one work came to; ``heading`` names the work, ``columns`` what stands in the cells.

    ``spare`` are the columns that a narrow page does without, the first one first.
    """

    heading: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    total: Row
    spare: tuple[str, ...] = ()


def tables(run: Run) -> tuple[Table, ...]:
    """Return one table for each work; a lone one needs no name. What failed leads, what is well comes last."""
    several = len(run.works) > 1
    return tuple(_table(run, work, HEADINGS[work] if several else "Clients") for work in run.works)


def label(client: Client) -> str:
    """Return the word for what became of a client."""
    if client.alarm:
        return "alarm"
    if client.frozen:
        return "frozen"
    if client.state is State.OK and _compaction(client, lambda told: told.waiting):
        return "waiting"
    return _LABELS.get(client.state, str(client.state))


def _table(run: Run, work: Work, heading: str) -> Table:
    clients = [client for client in run.clients if client.work is work]
    columns = _columns(work, run.check)
    good = sum(client.state is State.OK for client in clients)
    return Table(
        heading,
        tuple(column.heading for column in columns),
        tuple(_row(client, columns) for client in sorted(clients, key=_urgency)),
        Row(f"total {len(clients)}", f"{good} ok", "quiet", tuple(column.total(run, clients) for column in columns)),
        tuple(column.heading for column in columns if column.spare),
    )


def _urgency(client: Client) -> int:
    return 0 if client.failed else 2 if client.state is State.OK else 1


def _row(client: Client, columns: Sequence[Column]) -> Row:
    word = label(client)
    tone = "quiet" if word == "waiting" else _TONES.get(client.state, "bad")
    return Row(client.name, word, tone, tuple(column.shown(column.value(client)) for column in columns))


def _columns(work: Work, check: bool) -> tuple[Column, ...]:
    if check:
        return _IN_CHECK.get(work, _COLUMNS[work])
    return _COLUMNS[work]


def _archive(client: Client, value: Callable[[Archive], _Value]) -> _Value:
    archive = client.session.archive if client.session else None
    return value(archive) if archive else None


def _maintained(client: Client, value: Callable[[Maintenance], _Value]) -> _Value:
    maintain = client.session.maintain if client.session else None
    return value(maintain) if maintain else None


def _compaction(client: Client, value: Callable[[Compaction], _Value]) -> _Value:
    compaction = client.session.compaction if client.session else None
    return value(compaction) if compaction else None


def _freed(told: Compaction) -> int | None:
    return None if told.size is None or told.size_after is None else told.size - told.size_after


def _after(told: Compaction) -> int | None:
    """Who waits stays as large as it was, so that the totals add up."""
    return told.size if told.size_after is None and told.waiting else told.size_after


def _size(value: _Value) -> str:
    return words.size(value if isinstance(value, int) else None)


def _number(value: _Value) -> str:
    return words.number(value if isinstance(value, int) else None)


def _unknown(value: _Value) -> str:
    """A client names no more than a hundred, so a hundred may be more."""
    return _number(value) + ("+" if isinstance(value, int) and value >= UNKNOWN_LIMIT else "")


def _duration(value: _Value) -> str:
    return words.duration(value if isinstance(value, (int, float)) else None)


def _word(value: _Value) -> str:
    return str(value or words.NOTHING)


_TIME = Column(
    "time",
    lambda client: client.session.duration if client.session else None,
    _duration,
    lambda run: words.between(run.started, run.finished),
)
_RECEIVED = Column("received", lambda client: client.session.bytes_received if client.session else None, _size)
_COLUMNS = {
    Work.BACKUP: (
        _TIME,
        Column("files", lambda client: _archive(client, lambda told: told.nfiles), _number, spare=True),
        Column("original", lambda client: _archive(client, lambda told: told.original_size), _size),
        Column("compr.", lambda client: _archive(client, lambda told: told.compressed_size), _size, spare=True),
        Column("dedup.", lambda client: _archive(client, lambda told: told.deduplicated_size), _size),
        _RECEIVED,
    ),
    Work.MAINTAIN: (
        _TIME,
        Column("deleted", lambda client: _maintained(client, lambda told: len(told.deleted)), _number),
        Column("kept", lambda client: _maintained(client, lambda told: told.kept), _number),
        Column("unknown", lambda client: _maintained(client, lambda told: len(told.unknown)), _unknown),
        Column("missing", lambda client: _maintained(client, lambda told: len(told.missing)), _number),
        Column("check", lambda client: _maintained(client, lambda told: told.check), _word),
    ),
    Work.COMPACT: (
        _TIME,
        Column("before", lambda client: _compaction(client, lambda told: told.size), _size),
        Column("freeable", lambda client: _compaction(client, lambda told: told.freeable), _size),
        Column("freed", lambda client: _compaction(client, _freed), _size),
        Column("after", lambda client: _compaction(client, _after), _size),
    ),
    Work.AUDIT: (
        _TIME,
        Column(
            "findings",
            lambda client: len(client.session.audit.findings) if client.session and client.session.audit else None,
            _number,
        ),
    ),
}
# A check run makes no archive, asks no client what it holds, and frees nothing.
_IN_CHECK = {
    Work.BACKUP: (_TIME, _RECEIVED),
    Work.MAINTAIN: (
        _TIME,
        Column("to delete", lambda client: _maintained(client, lambda told: told.named), _number),
        Column("archives now", lambda client: _maintained(client, lambda told: told.kept), _number),
    ),
    Work.COMPACT: _COLUMNS[Work.COMPACT][:3],
}
