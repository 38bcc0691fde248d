# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the report says, in words and in order, before it becomes text or HTML."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.paranoid.backup.plugins.module_utils._common.text import printable
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.model import Client, Run, State
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.results import ArchiveName, Ledger, Session
from ansible_collections.paranoid.backup.plugins.plugin_utils._report import formatting as words
from ansible_collections.paranoid.backup.plugins.plugin_utils._report.headline import headline, what
from ansible_collections.paranoid.backup.plugins.plugin_utils._report.log_excerpt import new_lines
from ansible_collections.paranoid.backup.plugins.plugin_utils._report.tables import Table, label, tables

# A mail must stay one that can be sent and read, also when all of some thousand clients fail: the table names each.
ALERTS_SHOWN = 50
FAILURES_SHOWN = 100
LOGS_SHOWN = 25
ENTRIES_SHOWN = 50
NAMES_SHOWN = 20
SERVERS_SHOWN = 10
_UNTIL_LIFTED = (
    "Backups of a frozen client go on; it is neither maintained nor compacted until a person has looked, "
    "and goes back (rollback.yml) or lifts the freeze (unfreeze.yml)."
)


@dataclass(frozen=True, slots=True)
class Alert:
    """What comes before everything else: an alarm, or a client that an earlier one has frozen."""

    kind: str
    sentence: str
    findings: tuple[str, ...]


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
class Note:
    """Something about some clients that is no failure of the run; a name comes with what is listed about it."""

    heading: str
    sentence: str
    entries: tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True)
class Page:
    """A report, ready to be laid out."""

    title: str
    status: str
    what: str
    headline: str
    alerts: tuple[Alert, ...]
    advice: str
    problems: tuple[str, ...]
    failures: tuple[Trouble, ...]
    notes: tuple[Note, ...]
    tables: tuple[Table, ...]
    facts: tuple[tuple[str, str], ...]


def page(run: Run, record: str) -> Page:
    """Lay out a finished run; ``record`` is where its record lies."""
    several = len(run.works) > 1
    failed = [client for client in run.clients if client.failed and not _stands_above(client)]
    alerts = _alerts(run)
    return Page(
        title=run.title,
        status=run.status,
        what=what(run),
        headline=headline(run),
        alerts=alerts,
        advice=_UNTIL_LIFTED if alerts else "",
        problems=run.problems,
        failures=tuple(
            _trouble(client, several, place < LOGS_SHOWN) for place, client in enumerate(failed[:FAILURES_SHOWN])
        ),
        notes=_notes(run, failed[FAILURES_SHOWN:]),
        tables=tables(run),
        facts=_facts(run, record),
    )


def _alerts(run: Run) -> tuple[Alert, ...]:
    """Alarms first; each client once, however many works told the same."""
    alarms = {client.name: _alarm(client) for client in run.clients if client.alarm}
    frozen = {
        client.name: Alert("FROZEN", _why_frozen(client.name, client.session), ())
        for client in run.clients
        if client.session and (client.frozen or client.session.frozen) and client.name not in alarms
    }
    return (*_bounded("ALARM", alarms), *_bounded("FROZEN", frozen))


def _bounded(kind: str, alerts: Mapping[str, Alert]) -> tuple[Alert, ...]:
    rest = list(alerts)[ALERTS_SHOWN:]
    more = (Alert(kind, f"{words.number(len(rest))} more clients: {words.names(rest)}", ()),) if rest else ()
    return (*list(alerts.values())[:ALERTS_SHOWN], *more)


def _why_frozen(name: str, session: Session) -> str:
    """A refusal says it itself; a backup that went on only knows of the freeze, and of the alarm that it came from."""
    why = words.plain_times(session.frozen).removeprefix("ALARM: ")
    if session.code == "frozen":
        return words.plain_times(session.reason)
    return why if why.startswith(f"{name}'s repository ") else f"{name} is frozen: {why}"


def _alarm(client: Client) -> Alert:
    session = client.session
    if session and session.audit and session.audit.findings:
        return Alert("ALARM", f"{client.name}'s repository is not as it was left", session.audit.findings)
    return Alert("ALARM", session.reason.removeprefix("ALARM: ") if session else client.name, ())


def _stands_above(client: Client) -> bool:
    """Whether the alerts have said all that there is to say of a failure."""
    session = client.session
    return client.frozen or (client.alarm and session is not None and not session.gate.refused and not session.log)


def _trouble(client: Client, several: bool, with_log: bool) -> Trouble:
    session = client.session
    reason = session.reason if session else "the work started, but no result came"
    return Trouble(
        client=_called(client, several),
        label=label(client),
        code=session.code if session and session.code not in (client.state, label(client)) else "",
        reason="see the alarm above" if client.alarm else reason,
        refused=session.gate.refused if session else (),
        log=session.log if session else "",
        log_tail=new_lines(session.log_tail, reason) if session and with_log else (),
    )


def _called(client: Client, several: bool) -> str:
    return f"{client.name}, {client.work}" if several else client.name


def _notes(run: Run, failed: Sequence[Client]) -> tuple[Note, ...]:
    """``failed`` are those failures that are not shown one by one."""
    notes = (
        Note("Failed, too", "", _grouped(run, failed, _kind)),
        Note(
            "Missing archives",
            "The server saw them arrive, nobody let them go, and the repository does not hold them any more.",
            _listed(run, lambda session: session.maintain.missing if session.maintain else ()),
        ),
        Note(
            "Unknown archives",
            "The repository holds them, but the server never saw them arrive. They count as no backup, and they stay.",
            _listed(run, lambda session: session.maintain.unknown if session.maintain else ()),
        ),
        Note("Waiting", "", _grouped(run, run.clients, _waiting)),
        Note("Skipped", "", _grouped(run, run.clients, _skipped)),
    )
    return tuple(note for note in notes if note.entries)


def _listed(run: Run, archives: Callable[[Session], Sequence[ArchiveName]]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    found = ((client.name, archives(client.session)) for client in run.clients if client.session)
    return _few([(name, _names(listed)) for name, listed in found if listed])


def _few(entries: Sequence[tuple[str, tuple[str, ...]]]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    rest = len(entries) - ENTRIES_SHOWN
    return (*entries[:ENTRIES_SHOWN], *([(f"and {words.number(rest)} more", ("see the record",))] if rest > 0 else ()))


def _names(archives: Sequence[ArchiveName]) -> tuple[str, ...]:
    """Return each archive's name, which may lie, beside the beginning of its id, which cannot."""
    shown = [f"{archive.id[:12]}  {archive.name or '(no name)'}" for archive in archives[:NAMES_SHOWN]]
    rest = len(archives) - len(shown)
    return (*shown, f"and {rest} more, see the record") if rest else tuple(shown)


def _grouped(
    run: Run, clients: Sequence[Client], reason: Callable[[Client], str]
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return for each reason the clients that have it: most have the same."""
    groups: dict[str, list[str]] = {}
    for client in clients:
        why = reason(client)
        if why:
            groups.setdefault(why, []).append(_called(client, len(run.works) > 1))
    return _few([(words.names(names), (why,)) for why, names in groups.items()])


def _kind(client: Client) -> str:
    return (client.session.code if client.session else "") or label(client)


def _waiting(client: Client) -> str:
    told = (client.session.maintain or client.session.compaction) if client.session else None
    return words.plain_times(told.waiting) if told else ""


def _skipped(client: Client) -> str:
    if client.state is not State.SKIPPED:
        return ""
    return (client.session.reason if client.session else "") or "no reason given"


def _facts(run: Run, record: str) -> tuple[tuple[str, str], ...]:
    tally = run.tally
    passed = words.duration(words.between(run.started, run.finished))
    return (
        ("Clients", f"{tally.succeeded} ok, {tally.failed} failed, {tally.skipped} skipped of {tally.total}"),
        ("Started", f"{words.moment(run.started)}, took {passed}"),
        ("Playbook", f"{run.playbook}{' (check run)' if run.check else ''}, by {run.user} on {run.controller}"),
        ("Run", run.run_id),
        ("Record", printable(record)),
        *(("Ledger", f"{ledger.head} on {ledger.host}") for ledger in _ledgers(run)),
    )


def _ledgers(run: Run) -> list[Ledger]:
    """Return each server's ledger as its last session left it: once a mail has it, nobody can write it anew unseen."""
    told = [client.session.ledger for client in run.clients if client.session and client.session.ledger]
    last = {ledger.host: ledger for ledger in sorted(told, key=lambda ledger: ledger.seq)}
    return [last[host] for host in sorted(last)][:SERVERS_SHOWN]
