# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The contents of the report, in words and in order, before it becomes text or HTML."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from ansible_collections.paranoid.backup.plugins.module_utils._common.formatting import (
    count_seconds,
    format_duration,
    format_number,
    format_time,
    format_times,
    join_names,
)
from ansible_collections.paranoid.backup.plugins.module_utils._common.remarks import describe_remarks
from ansible_collections.paranoid.backup.plugins.module_utils._common.text import printable
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.shortcomings import (
    describe_escrow,
    describe_unopened,
    describe_untried,
)
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.weaknesses import describe_weaknesses
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.history import History
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.model import Client, Run, State
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.results import (
    ArchiveName,
    LedgerHead,
    OwnerResult,
    SessionResult,
)
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.roll_call import Roll
from ansible_collections.paranoid.backup.plugins.plugin_utils._report.absence import SUMMARIES, describe_absent
from ansible_collections.paranoid.backup.plugins.plugin_utils._report.alerts import (
    Alert,
    is_told_by_alerts,
    list_alerts,
)
from ansible_collections.paranoid.backup.plugins.plugin_utils._report.changes import (
    Change,
    compare_received,
    describe_unusual,
    find_changes,
)
from ansible_collections.paranoid.backup.plugins.plugin_utils._report.failures import (
    WHOLE,
    Cause,
    Failure,
    Limits,
    choose_failures,
    describe_failure,
    format_name,
    list_causes,
)
from ansible_collections.paranoid.backup.plugins.plugin_utils._report.headline import format_headline, format_status
from ansible_collections.paranoid.backup.plugins.plugin_utils._report.nas import ADVICE, describe_nas, list_troubled
from ansible_collections.paranoid.backup.plugins.plugin_utils._report.owners import describe_additions, describe_request
from ansible_collections.paranoid.backup.plugins.plugin_utils._report.tables import Table, make_tables
from ansible_collections.paranoid.backup.plugins.plugin_utils._report.unusual import (
    CLOCK_ADVICE,
    EXPECTED_ADVICE,
    UNUSUAL_ADVICE,
    list_clock_doubts,
    list_expected,
    list_unusual,
)
from ansible_collections.paranoid.backup.plugins.plugin_utils._report.witnesses import describe_witnesses, list_late

NAMES_SHOWN = 20
SERVERS_SHOWN = 10
_UNTIL_LIFTED = (
    "Backups of a frozen client go on; it is neither maintained nor compacted until a person has looked, "
    "and goes back (rollback.yml) or lifts the freeze (unfreeze.yml)."
)


@dataclass(frozen=True, slots=True)
class Note:
    """A remark about some clients that is no failure of the run; each entry is a name and its lines.

    With ``urgent`` it is worth a mail where only failures are; ``hidden`` is how many entries are not shown.
    """

    heading: str
    sentence: str
    entries: tuple[tuple[str, tuple[str, ...]], ...]
    urgent: bool = False
    hidden: int = 0

    @property
    def count(self) -> int:
        """How many entries there are."""
        return self.hidden - 1 + len(self.entries) if self.hidden else len(self.entries)


@dataclass(frozen=True, slots=True)
class Page:
    """A report, ready to be laid out."""

    title: str
    status: str
    what: str
    headline: str
    alerts: tuple[Alert, ...]
    advice: str
    changes: tuple[Change, ...]
    problems: tuple[str, ...]
    causes: tuple[Cause, ...]
    failures: tuple[Failure, ...]
    notes: tuple[Note, ...]
    tables: tuple[Table, ...]
    facts: tuple[tuple[str, str], ...]
    since: str = "Since the last run"

    @property
    def is_urgent(self) -> bool:
        """Whether somebody who wants to hear of failures alone wants to hear of this: also that one is over."""
        told = any(one.tone in ("good", "bad") for one in self.changes) or any(note.urgent for note in self.notes)
        return self.status != "SUCCESS" or bool(self.alerts) or told


def make_page(run: Run, record: str, history: History | None = None, limits: Limits = WHOLE) -> Page:
    """Lay out a finished run; ``record`` is where its record lies, ``history`` what was before it."""
    several, past = len(run.works) > 1, history or History()
    failed = [client for client in run.clients if client.has_failed and not is_told_by_alerts(client)]
    alerts = list_alerts(run, limits)
    return Page(
        title=run.title,
        status=run.status,
        what=format_status(run),
        headline=format_headline(run),
        alerts=alerts,
        advice=_UNTIL_LIFTED if alerts else "",
        changes=find_changes(run, past),
        problems=run.problems[: limits.entries],
        causes=list_causes(failed, several),
        failures=tuple(
            describe_failure(client, several, place < limits.logs, limits.lines)
            for place, client in enumerate(choose_failures(failed, limits))
        ),
        notes=tuple(_cut_note(note, limits) for note in _make_notes(run, past)),
        tables=make_tables(run, limits.rows),
        facts=_list_facts(run, record, past),
    )


def _make_notes(run: Run, history: History) -> tuple[Note, ...]:
    """Return what is told beside the failures, what is urgent first."""
    notes = (
        *_make_urgent_notes(run),
        *_make_archive_notes(run, history),
        *_make_key_notes(run),
        *_make_owner_notes(run),
        Note("Waiting", "", _group(run, run.clients, _explain_wait)),
        Note("Skipped", "", _group(run, run.clients, _explain_skip)),
    )
    return tuple(note for note in notes if note.entries)


def _make_urgent_notes(run: Run) -> tuple[Note, ...]:
    return (
        Note(
            "Nobody has heard of",
            "Runs of this controller that never ended, or whose mail did not reach everybody.",
            tuple(_split_unheard(sentence) for sentence in run.unheard),
            urgent=True,
        ),
        Note(
            "Not delivered yet",
            "The runner tries again until it is out. Look at the address, or at what refuses it.",
            tuple(_split_unheard(sentence) for sentence in run.waiting),
            urgent=True,
        ),
        Note("The server's clock cannot be believed", CLOCK_ADVICE, tuple(list_clock_doubts(run)), urgent=True),
        Note("Unusual", UNUSUAL_ADVICE, tuple(list_unusual(run)), urgent=True),
        Note("NAS", ADVICE, list_troubled(run.nas or ()), urgent=True),
        *_make_absence_notes(run.roll or Roll()),
        Note(
            "The server was made again",
            "It had been lost. This is how, and what nobody knows any more; docs/restore.md says what to do about it.",
            tuple((names, lines) for lines, names in _group_rebuilt(run).items()),
            urgent=True,
        ),
        Note(
            "Not saved beside the repositories",
            "If the server is lost now, it cannot be made again as it is.",
            tuple((ledger.host, (ledger.spare,)) for ledger in _find_ledgers(run) if ledger.spare),
            urgent=True,
        ),
        Note(
            "Not witnessed",
            "If the ledger is written anew now, only an old mail shows it. Look at the machine that watches.",
            tuple((ledger.host, lines) for ledger in _find_ledgers(run) if (lines := list_late(ledger, run.finished))),
            urgent=True,
        ),
    )


def _make_archive_notes(run: Run, history: History) -> tuple[Note, ...]:
    return (
        Note(
            "Missing archives",
            "The server saw them arrive, nobody let them go, and the repository does not hold them any more.",
            _list_archives(run, lambda session: session.maintain.missing if session.maintain else ()),
        ),
        Note(
            "Unknown archives",
            "The repository holds them, but the server never saw them arrive. They count as no backup, and they stay.",
            _list_archives(run, lambda session: session.maintain.unknown if session.maintain else ()),
        ),
        Note(
            "Remarks",
            "What Borg and borgmatic warned of. What changed or vanished meanwhile makes no backup red.",
            _list_remarks(run),
        ),
        Note("A change is expected", EXPECTED_ADVICE, tuple(list_expected(run))),
        Note(
            "Smaller on purpose",
            "What is to be saved was changed since the last backup. Later archives are compared with these alone.",
            tuple((client.name, (shrunk,)) for client in run.clients if (shrunk := _explain_shrinkage(client))),
        ),
        Note(
            "More than usual",
            "Far beyond the median of the same client's last sessions. No failure, but somebody should know why.",
            tuple((client.name, lines) for client in run.clients if (lines := describe_unusual(client, history))),
        ),
    )


def _make_key_notes(run: Run) -> tuple[Note, ...]:
    return (
        Note("Borg with known weaknesses", "", _group(run, run.clients, _explain_weakness)),
        Note(
            "Escrow",
            "If such a host is lost with its passphrase, its backups cannot be opened by those who should.",
            _group(run, run.clients, _explain_escrow),
        ),
        Note(
            "Not rehearsed",
            "Nobody has seen lately that it works, and the day on which it must is a bad one to find out.",
            _group(run, run.clients, _explain_escrow_age) + _group(run, run.clients, _explain_restore_age),
        ),
    )


def _make_owner_notes(run: Run) -> tuple[Note, ...]:
    return (
        Note(
            "Asked for a tunnel",
            "Their owners want to restore something: open.yml opens one, which withdraws the request.",
            _list_requests(run),
        ),
        Note(
            "Of the owners",
            "What the owners of hosts added by files of their own (hooks.d, sources.d), and what has no effect there.",
            _list_additions(run),
        ),
    )


def _make_absence_notes(roll: Roll) -> tuple[Note, ...]:
    absent = {why: [one for one in roll.absent if one.why is why] for why in SUMMARIES}
    named = {why: tuple((one.client, (describe_absent(one),)) for one in found) for why, found in absent.items()}
    unknown = tuple((server, (why,)) for server, _colon, why in (problem.partition(": ") for problem in roll.problems))
    return (
        *(Note(SUMMARIES[why].capitalize(), "", entries) for why, entries in named.items()),
        Note("Could not say who is missing", "", unknown),
    )


def _group_rebuilt(run: Run) -> dict[tuple[str, ...], str]:
    """Return the names of clients of a server that was made again, by what was told of them."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for client in run.clients:
        if client.session and client.session.rebuilt:
            groups.setdefault(client.session.rebuilt, []).append(client.name)
    return {lines: join_names(names) for lines, names in groups.items()}


def _split_unheard(sentence: str) -> tuple[str, tuple[str, ...]]:
    name, _colon, what = format_times(sentence).partition(": ")
    return name, (what,)


def _list_archives(
    run: Run, archives: Callable[[SessionResult], Sequence[ArchiveName]]
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    found = ((client.name, archives(client.session)) for client in run.clients if client.session)
    return tuple((name, _format_archives(listed)) for name, listed in found if listed)


def _list_remarks(run: Run) -> tuple[tuple[str, tuple[str, ...]], ...]:
    found = ((client.name, client.session.remarks) for client in run.clients if client.session)
    return tuple((name, describe_remarks(remarks)) for name, remarks in found if remarks)


def _list_requests(run: Run) -> tuple[tuple[str, tuple[str, ...]], ...]:
    asked = ((name, owner) for name, owner in _find_owners(run).items() if owner.asked or owner.why)
    return tuple((name, (describe_request(owner),)) for name, owner in asked)


def _list_additions(run: Run) -> tuple[tuple[str, tuple[str, ...]], ...]:
    found = ((name, describe_additions(owner)) for name, owner in _find_owners(run).items())
    return tuple((name, lines) for name, lines in found if lines)


def _find_owners(run: Run) -> dict[str, OwnerResult]:
    """Return what each owner said last in this run."""
    told = ((client.name, client.session.owner) for client in run.clients if client.session)
    return {name: owner for name, owner in told if owner}


def _cut_note(note: Note, limits: Limits) -> Note:
    """Return a note with so many entries, and so many lines of each."""
    rest = len(note.entries) - limits.entries
    shown = tuple((name, tuple(_cut_lines(lines, limits.lines))) for name, lines in note.entries[: limits.entries])
    more = ((f"and {format_number(rest)} more", ("see the record",)),) if rest > 0 else ()
    return replace(note, entries=(*shown, *more), hidden=max(0, rest))


def _cut_lines(lines: Sequence[str], most: int) -> Iterator[str]:
    yield from islice(lines, most)
    if len(lines) > most + 1:  # The last one says itself how many more there are.
        yield f"and {len(lines) - most} more lines, see the record"
    else:
        yield from lines[most:]


def _format_archives(archives: Sequence[ArchiveName]) -> tuple[str, ...]:
    """Return each archive's name, which may be false, after the beginning of its id, which cannot be."""
    shown = [f"{archive.id[:12]}  {archive.name or '(no name)'}" for archive in archives[:NAMES_SHOWN]]
    rest = len(archives) - len(shown)
    return (*shown, f"and {rest} more, see the record") if rest else tuple(shown)


def _group(
    run: Run, clients: Sequence[Client], reason: Callable[[Client], str]
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return for each reason its clients: most have the same."""
    groups: dict[str, list[str]] = {}
    for client in clients:
        why = reason(client)
        if why:
            groups.setdefault(why, []).append(format_name(client, len(run.works) > 1))
    return tuple((join_names(names), (why,)) for why, names in groups.items())


def _explain_wait(client: Client) -> str:
    told = (client.session.maintain or client.session.compaction) if client.session else None
    return format_times(told.waiting) if told else ""


def _explain_shrinkage(client: Client) -> str:
    content = (client.session.content if client.session else None) or {}
    return str(content["shrunk"]) if content.get("meant") else ""


def _explain_weakness(client: Client) -> str:
    return describe_weaknesses(client.session.versions.get("borg", "")) if client.session else ""


def _explain_escrow(client: Client) -> str:
    return describe_escrow(client.session.escrow) if client.session else ""


def _explain_escrow_age(client: Client) -> str:
    told = client.session.rehearsals if client.session else None
    return describe_unopened(told.escrow, told.overdue) if told else ""


def _explain_restore_age(client: Client) -> str:
    told = client.session.rehearsals if client.session else None
    return describe_untried(told.restore, told.overdue) if told else ""


def _explain_skip(client: Client) -> str:
    if client.state is not State.SKIPPED:
        return ""
    return (client.session.reason if client.session else "") or "no reason given"


def _list_facts(run: Run, record: str, history: History) -> tuple[tuple[str, str], ...]:
    tally = run.tally
    passed = format_duration(count_seconds(run.started, run.finished))
    received = compare_received(run, history)
    return (
        ("Clients", f"{tally.succeeded} ok, {tally.failed} failed, {tally.skipped} skipped of {tally.total}"),
        ("Started", f"{format_time(run.started)}, took {passed}"),
        ("Playbook", f"{run.playbook}{' (check run)' if run.check else ''}, by {run.user} on {run.controller}"),
        *((("Received", received),) if received else ()),
        ("Run", run.run_id),
        *((("Record", printable(record)),) if record else ()),
        *_name_own_keepers(run),
        *(("Ledger", f"{ledger.head} on {ledger.host}") for ledger in _find_ledgers(run)[:SERVERS_SHOWN]),
        *(("Witness", sentence) for sentence in describe_witnesses(_find_ledgers(run)[:SERVERS_SHOWN], run.finished)),
        *(("NAS", sentence) for sentence in describe_nas(run.nas)),
    )


def _name_own_keepers(run: Run) -> tuple[tuple[str, str], ...]:
    """Name the clients that delete for themselves, which a thief of the client could do, too."""
    told = ((client.name, client.session.maintain) for client in run.clients if client.session)
    own = [name for name, done in told if done and done.by == name]
    reach = "a thief of one deletes at most what came with the archives that go, and until the compaction it comes back"
    weaker = f"{reach}; a keyholder instead is the stronger promise, see retention.md"
    return (("Maintain themselves", f"{join_names(own)}; {weaker}"),) if own else ()


def _find_ledgers(run: Run) -> list[LedgerHead]:
    """Return the newest head of each server's ledger: once it is in a mail, a ledger written anew is found out."""
    told = [client.session.ledger for client in run.clients if client.session and client.session.ledger]
    last = {ledger.host: ledger for ledger in sorted(told, key=lambda ledger: ledger.seq)}
    return [last[host] for host in sorted(last)]
