# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One or two sentences that say what happened in a run."""

from __future__ import annotations

from ansible_collections.paranoid.backup.plugins.plugin_utils._record.model import Client, Run, State, Work
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.results import Compaction, Maintenance
from ansible_collections.paranoid.backup.plugins.plugin_utils._report import formatting as words

_DONE = {
    Work.BACKUP: ("backed up", "can be backed up (check run, no archive was made)"),
    Work.MAINTAIN: ("maintained", "can be maintained (check run, nothing was deleted)"),
    Work.COMPACT: ("compacted", "can be compacted (check run, nothing was freed)"),
    Work.AUDIT: ("audited: as they were left", "audited (check run, nothing was recorded): as they were left"),
}


def what(run: Run) -> str:
    """Return the status, after the names of the works when there is more to say than that it was a backup."""
    status = "ALARM" if any(client.alarm for client in run.clients) else run.status
    return status if run.works in ((), (Work.BACKUP,)) else f"{words.names(list(run.works))} {status}"


def headline(run: Run) -> str:
    """Return one or two sentences: what happened."""
    tally = run.tally
    sentences = []
    failed = list(dict.fromkeys(client.name for client in run.clients if client.failed))
    if not tally.total:
        sentences.append("Nothing was done: no client matched, or the run ended before the first one.")
    elif failed:
        sentences.append(f"{tally.failed} of {clients(tally.total)} failed: {words.names(failed)}.")
    if tally.not_run:
        sentences.append(f"{tally.not_run} of {clients(tally.total)} did not get a turn.")
    if tally.total and not failed and not tally.not_run:
        sentences += [_success(work, run) for work in run.works]
    sentences += _archives(run)
    if run.problems:
        sentences.append("The run itself had a problem.")
    return " ".join(sentences)


def clients(count: int) -> str:
    """Return ``1 client`` or ``5 clients``."""
    return "1 client" if count == 1 else f"{count} clients"


def _success(work: Work, run: Run) -> str:
    own = [client for client in run.clients if client.work is work]
    due = [client for client in own if client.state is State.OK and not _waits(client)]
    good = sum(client.state is State.OK for client in own)
    verb = _DONE[work][run.check]
    if not good:
        return f"Nothing was {_DONE[work][0].split(':')[0]}: {clients(len(own))} skipped."
    skipped = f", {len(own) - good} skipped" if len(own) > good else ""
    if work is Work.COMPACT and len(due) < good:
        return f"{_some(len(due), len(own))} {verb}{_result(work, due)}, {good - len(due)} not due{skipped}."
    return f"{_some(good, len(own))} {verb}{_result(work, due)}{skipped}."


def _some(count: int, total: int) -> str:
    if count < total:
        return f"{count} of {clients(total)}"
    return f"All {clients(total)}" if total > 1 else "1 client"


def _waits(client: Client) -> bool:
    session = client.session
    return session is not None and session.compaction is not None and bool(session.compaction.waiting)


def _result(work: Work, done: list[Client]) -> str:
    sessions = [client.session for client in done if client.session]
    if work is Work.MAINTAIN:
        return _deleted([session.maintain for session in sessions if session.maintain])
    return _freed([session.compaction for session in sessions if session.compaction]) if work is Work.COMPACT else ""


def _deleted(told: list[Maintenance]) -> str:
    gone = sum(len(one.deleted) for one in told)
    return f", {_count(gone, 'archive')} deleted" if gone else ""


def _freed(told: list[Compaction]) -> str:
    freed = [one.size - one.size_after for one in told if one.size is not None and one.size_after is not None]
    return f", {words.size(sum(freed))} freed" if freed else ""


def _archives(run: Run) -> list[str]:
    """Return what a maintenance found and nobody expected."""
    told = [
        (client.name, client.session.maintain) for client in run.clients if client.session and client.session.maintain
    ]
    missing = {name: len(maintain.missing) for name, maintain in told if maintain.missing}
    unknown = {name: len(maintain.unknown) for name, maintain in told if maintain.unknown}
    return [
        f"{_count(sum(found.values()), word + ' archive')} on {words.names(list(found))}."
        for word, found in (("missing", missing), ("unknown", unknown))
        if found
    ]


def _count(number: int, noun: str) -> str:
    return f"{words.number(number)} {noun}{'' if number == 1 else 's'}"
