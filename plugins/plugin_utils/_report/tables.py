# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables of a report: one for each work of the run, with the columns that make sense for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ansible_collections.paranoid.backup.plugins.module_utils._common.formatting import (
    NOTHING,
    count_seconds,
    format_duration,
    format_number,
    format_size,
)
from ansible_collections.paranoid.backup.plugins.module_utils._session.protocol import UNKNOWN_LIMIT
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.model import Client, Run, State, Work
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.results import (
    ArchiveResult,
    CompactResult,
    MaintainResult,
)

HEADINGS = {
    Work.BACKUP: "Backup",
    Work.MAINTAIN: "Maintain",
    Work.COMPACT: "Compact",
    Work.AUDIT: "Audit",
    Work.DRILL: "Drill",
}
_LABELS = {State.PLANNED: "not run", State.RUNNING: "no result"}
_TONES = {State.OK: "good", State.SKIPPED: "quiet", State.PLANNED: "quiet"}
_Value = int | float | str | None


@dataclass(frozen=True, slots=True)
class Column:
    """A column after client and status; its total is a sum, or with ``whole`` the run's own if it does one work only.

    ``spare`` columns are left out where there is no room for all.
    """

    heading: str
    value: Callable[[Client], _Value]
    show: Callable[[_Value], str]
    whole: Callable[[Run], _Value] | None = None
    spare: bool = False

    def total(self, run: Run, clients: Sequence[Client]) -> str:
        """Return the cell of the last row."""
        if self.whole:
            return self.show(self.whole(run) if len(run.works) == 1 else None)
        known = [value for value in map(self.value, clients) if isinstance(value, (int, float))]
        return self.show(sum(known)) if known else NOTHING


@dataclass(frozen=True, slots=True)
class Row:
    """One client in a table. ``tone`` is good, bad or quiet; ``cells`` are as many as the table has columns."""

    client: str
    label: str
    tone: str
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """The clients of one work; ``heading`` names the work, ``columns`` the cells, ``more`` the rows that are left out.

    ``spare`` are the columns that a narrow page leaves out, the last one first.
    """

    heading: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    total: Row
    spare: tuple[str, ...] = ()
    more: str = ""
    first: str = "client"


def make_tables(run: Run, most: int) -> tuple[Table, ...]:
    """Return a table of so many rows for each work; a single one needs no name. Failures come first, successes last."""
    several = len(run.works) > 1
    return tuple(_make_table(run, work, HEADINGS[work] if several else "Clients", most) for work in run.works)


def name_state(client: Client) -> str:
    """Return the word for how a client ended."""
    if client.has_alarm:
        return "alarm"
    if client.is_frozen:
        return "frozen"
    if client.session is not None and client.session.code == "switched_off":
        return "off"
    if client.state is State.OK and _get_compaction(client, lambda result: result.waiting):
        return "waiting"
    return _LABELS.get(client.state, str(client.state))


def _make_table(run: Run, work: Work, heading: str, most: int) -> Table:
    clients = [client for client in run.clients if client.work is work]
    columns = _choose_columns(work, run.check)
    ranked = sorted(clients, key=_rank)
    good = sum(client.state is State.OK for client in clients)
    return Table(
        heading,
        tuple(column.heading for column in columns),
        tuple(_make_row(client, columns) for client in ranked[:most]),
        Row(f"total {len(clients)}", f"{good} ok", "quiet", tuple(column.total(run, clients) for column in columns)),
        tuple(column.heading for column in columns if column.spare),
        _count_states(ranked[most:]),
    )


def _count_states(clients: Sequence[Client]) -> str:
    """Return ``440 more: 430 ok, 10 failed``, empty for none."""
    counted = Counter(map(name_state, clients))
    parts = ", ".join(f"{format_number(count)} {label}" for label, count in counted.items())
    return f"{format_number(len(clients))} more: {parts}" if clients else ""


def _rank(client: Client) -> int:
    return 0 if client.has_failed else 2 if client.state is State.OK else 1


def _make_row(client: Client, columns: Sequence[Column]) -> Row:
    label = name_state(client)
    tone = "quiet" if label == "waiting" else _TONES.get(client.state, "bad")
    return Row(client.name, label, tone, tuple(column.show(column.value(client)) for column in columns))


def _choose_columns(work: Work, check: bool) -> tuple[Column, ...]:
    if check:
        return _IN_CHECK.get(work, _COLUMNS[work])
    return _COLUMNS[work]


def _get_archive(client: Client, value: Callable[[ArchiveResult], _Value]) -> _Value:
    archive = client.session.archive if client.session else None
    return value(archive) if archive else None


def _get_maintain(client: Client, value: Callable[[MaintainResult], _Value]) -> _Value:
    maintain = client.session.maintain if client.session else None
    return value(maintain) if maintain else None


def _count_back(client: Client) -> int | None:
    """Return how many entries a restore brought that was only tried."""
    return client.session.drill.files if client.session and client.session.drill else None


def _get_compaction(client: Client, value: Callable[[CompactResult], _Value]) -> _Value:
    compaction = client.session.compaction if client.session else None
    return value(compaction) if compaction else None


def _count_freed(result: CompactResult) -> int | None:
    return None if result.size is None or result.size_after is None else result.size - result.size_after


def _count_after(result: CompactResult) -> int | None:
    """A repository whose compaction waits keeps its size, so that the totals add up."""
    return result.size if result.size_after is None and result.waiting else result.size_after


def _show_size(value: _Value) -> str:
    return format_size(value if isinstance(value, int) else None)


def _show_number(value: _Value) -> str:
    return format_number(value if isinstance(value, int) else None)


def _show_unknown(value: _Value) -> str:
    """Return the number; a client names at most a hundred, so a hundred may be more."""
    return _show_number(value) + ("+" if isinstance(value, int) and value >= UNKNOWN_LIMIT else "")


def _show_duration(value: _Value) -> str:
    return format_duration(value if isinstance(value, (int, float)) else None)


def _show_word(value: _Value) -> str:
    return str(value or NOTHING)


_TIME = Column(
    "time",
    lambda client: client.session.duration if client.session else None,
    _show_duration,
    lambda run: count_seconds(run.started, run.finished),
)
_RECEIVED = Column("received", lambda client: client.session.bytes_received if client.session else None, _show_size)
_COLUMNS = {
    Work.BACKUP: (
        _TIME,
        Column("files", lambda client: _get_archive(client, lambda result: result.nfiles), _show_number, spare=True),
        Column("original", lambda client: _get_archive(client, lambda result: result.original_size), _show_size),
        Column(
            "compr.", lambda client: _get_archive(client, lambda result: result.compressed_size), _show_size, spare=True
        ),
        Column("dedup.", lambda client: _get_archive(client, lambda result: result.deduplicated_size), _show_size),
        _RECEIVED,
    ),
    Work.MAINTAIN: (
        _TIME,
        Column("deleted", lambda client: _get_maintain(client, lambda result: len(result.deleted)), _show_number),
        Column("kept", lambda client: _get_maintain(client, lambda result: result.kept), _show_number),
        Column("unknown", lambda client: _get_maintain(client, lambda result: len(result.unknown)), _show_unknown),
        Column("missing", lambda client: _get_maintain(client, lambda result: len(result.missing)), _show_number),
        Column("check", lambda client: _get_maintain(client, lambda result: result.check), _show_word),
    ),
    Work.COMPACT: (
        _TIME,
        Column("before", lambda client: _get_compaction(client, lambda result: result.size), _show_size),
        Column("freeable", lambda client: _get_compaction(client, lambda result: result.freeable), _show_size),
        Column("freed", lambda client: _get_compaction(client, _count_freed), _show_size),
        Column("after", lambda client: _get_compaction(client, _count_after), _show_size),
    ),
    Work.AUDIT: (
        _TIME,
        Column(
            "findings",
            lambda client: len(client.session.audit.findings) if client.session and client.session.audit else None,
            _show_number,
        ),
    ),
    Work.DRILL: (_TIME, Column("came back", _count_back, _show_number)),
}
# A check run makes no archive, asks no client what it holds, and frees nothing.
_IN_CHECK = {
    Work.BACKUP: (_TIME, _RECEIVED),
    Work.MAINTAIN: (
        _TIME,
        Column("to delete", lambda client: _get_maintain(client, lambda result: result.named), _show_number),
        Column("archives now", lambda client: _get_maintain(client, lambda result: result.kept), _show_number),
    ),
    Work.COMPACT: _COLUMNS[Work.COMPACT][:3],
}
