# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the report says, in words and in order, before it becomes text or HTML."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ansible_collections.paranoid.backup.plugins.module_utils._text import printable
from ansible_collections.paranoid.backup.plugins.plugin_utils import _words as words
from ansible_collections.paranoid.backup.plugins.plugin_utils._record import Client, Run, State

LOGS_SHOWN = 25
_LABELS = {State.PLANNED: "not run", State.RUNNING: "no result"}
_TONES = {State.OK: "good", State.SKIPPED: "quiet", State.PLANNED: "quiet"}


@dataclass(frozen=True, slots=True)
class Row:
    """One client in the table. ``tone`` is good, bad or quiet."""

    client: str
    label: str
    tone: str
    duration: str
    files: str
    original: str
    compressed: str
    deduplicated: str
    received: str

    @property
    def cells(self) -> tuple[str, ...]:
        """The columns after the name."""
        return (self.label, self.duration, self.files, self.original, self.compressed, self.deduplicated, self.received)


@dataclass(frozen=True, slots=True)
class Trouble:
    """One client that needs somebody: what is wrong, and what its log said last."""

    client: str
    label: str
    code: str
    reason: str
    refused: tuple[str, ...]
    log: str
    log_tail: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """A report, ready to be laid out."""

    title: str
    status: str
    headline: str
    alarms: tuple[tuple[str, tuple[str, ...]], ...]
    problems: tuple[str, ...]
    failures: tuple[Trouble, ...]
    skipped: tuple[Trouble, ...]
    rows: tuple[Row, ...]
    total: Row
    facts: tuple[tuple[str, str], ...]


def page(run: Run, record: str) -> Page:
    """Lay out a finished run; ``record`` is where its record lies."""
    failed = [client for client in run.clients if client.failed]
    skipped = [client for client in run.clients if client.state in (State.SKIPPED, State.PLANNED)]
    good = [client for client in run.clients if client.state is State.OK]
    return Page(
        title=run.title,
        status=run.status,
        headline=headline(run),
        alarms=tuple(
            (client.name, client.session.audit.findings)
            for client in run.clients
            if client.alarm and client.session and client.session.audit
        ),
        problems=run.problems,
        failures=tuple(_trouble(client, place < LOGS_SHOWN) for place, client in enumerate(failed)),
        skipped=tuple(_trouble(client, False) for client in skipped if client.state is State.SKIPPED),
        rows=tuple(_row(client) for client in [*failed, *skipped, *good]),
        total=_total(run),
        facts=_facts(run, record),
    )


def headline(run: Run) -> str:
    """Return one or two sentences: what happened."""
    tally = run.tally
    sentences = []
    alarms = [client.name for client in run.clients if client.alarm]
    failed = [client.name for client in run.clients if client.failed]
    if alarms:
        sentences.append(f"The audit raised an alarm on {words.names(alarms)}.")
    if not tally.total:
        sentences.append("Nothing was backed up: no client matched, or the run ended before the first one.")
    elif failed:
        sentences.append(f"{tally.failed} of {_clients(tally.total)} failed: {words.names(failed)}.")
    if tally.not_run:
        sentences.append(f"{tally.not_run} of {_clients(tally.total)} did not get a turn.")
    if tally.total and not failed and not tally.not_run:
        sentences.append(_success(run))
    if run.problems:
        sentences.append("The run itself had a problem.")
    return " ".join(sentences)


def _success(run: Run) -> str:
    tally = run.tally
    if not tally.succeeded:
        return f"Nothing was backed up: {_clients(tally.total)} skipped."
    verb = "can be backed up (check run, no archive was made)" if run.check else "backed up"
    if tally.skipped:
        return f"{tally.succeeded} of {_clients(tally.total)} {verb}, {tally.skipped} skipped."
    return f"All {_clients(tally.total)} {verb}." if tally.total > 1 else f"1 client {verb}."


def _clients(count: int) -> str:
    return "1 client" if count == 1 else f"{count} clients"


def _trouble(client: Client, with_log: bool) -> Trouble:
    session = client.session
    return Trouble(
        client=client.name,
        label=_label(client),
        code=session.code if session and session.code != client.state else "",
        reason=session.reason if session else "the session started, but no result came",
        refused=session.gate.refused if session else (),
        log=session.log if session else "",
        log_tail=session.log_tail if session and with_log else (),
    )


def _label(client: Client) -> str:
    return "alarm" if client.alarm else _LABELS.get(client.state, str(client.state))


def _row(client: Client) -> Row:
    session, archive = client.session, client.session.archive if client.session else None
    return Row(
        client=client.name,
        label=_label(client),
        tone=_TONES.get(client.state, "bad"),
        duration=words.duration(session.duration if session else None),
        files=words.number(archive.nfiles if archive else None),
        original=words.size(archive.original_size if archive else None),
        compressed=words.size(archive.compressed_size if archive else None),
        deduplicated=words.size(archive.deduplicated_size if archive else None),
        received=words.size(session.bytes_received if session else None),
    )


def _total(run: Run) -> Row:
    sessions = [client.session for client in run.clients if client.session]
    archives = [session.archive for session in sessions if session.archive]
    return Row(
        client="total",
        label=f"{run.tally.succeeded} of {run.tally.total} ok",
        tone="quiet",
        duration=words.duration(words.between(run.started, run.finished)),
        files=words.number(_sum(archive.nfiles for archive in archives)),
        original=words.size(_sum(archive.original_size for archive in archives)),
        compressed=words.size(_sum(archive.compressed_size for archive in archives)),
        deduplicated=words.size(_sum(archive.deduplicated_size for archive in archives)),
        received=words.size(_sum(session.bytes_received for session in sessions)),
    )


def _sum(values: Iterable[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _facts(run: Run, record: str) -> tuple[tuple[str, str], ...]:
    tally = run.tally
    passed = words.duration(words.between(run.started, run.finished))
    return (
        ("Clients", f"{tally.succeeded} ok, {tally.failed} failed, {tally.skipped} skipped of {tally.total}"),
        ("Started", f"{words.moment(run.started)}, took {passed}"),
        ("Playbook", f"{run.playbook}{' (check run)' if run.check else ''}, by {run.user} on {run.controller}"),
        ("Run", run.run_id),
        ("Record", printable(record)),
    )
