# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One or two sentences that say what happened in a run."""

from __future__ import annotations

from ansible_collections.paranoid.backup.plugins.module_utils._common.formatting import (
    format_number,
    format_size,
    join_names,
)
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.model import Client, Run, State, Work
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.results import CompactResult, MaintainResult
from ansible_collections.paranoid.backup.plugins.plugin_utils._report.absence import summarize
from ansible_collections.paranoid.backup.plugins.plugin_utils._report.nas import summarize_nas
from ansible_collections.paranoid.backup.plugins.plugin_utils._report.unusual import describe_waiting

_DONE = {
    Work.BACKUP: ("backed up", "can be backed up (check run, no archive was made)"),
    Work.MAINTAIN: ("maintained", "can be maintained (check run, nothing was deleted)"),
    Work.COMPACT: ("compacted", "can be compacted (check run, nothing was freed)"),
    Work.AUDIT: ("audited: as they were left", "audited (check run, nothing was recorded): as they were left"),
    Work.DRILL: ("drilled: what was tried came back", "can be drilled (check run, nothing came back)"),
}


def format_status(run: Run) -> str:
    """Return the status, after the names of the works unless it was only a backup."""
    status = "ALARM" if any(client.has_alarm for client in run.clients) else run.status
    return status if run.works in ((), (Work.BACKUP,)) else f"{join_names(list(run.works))} {status}"


def format_headline(run: Run) -> str:
    """Return one or two sentences: what happened."""
    tally = run.tally
    sentences = []
    failed = list(dict.fromkeys(client.name for client in run.clients if client.has_failed))
    if not tally.total:
        sentences.append("Nothing was done: no client matched, or the run ended before the first one.")
    elif failed:
        sentences.append(f"{tally.failed} of {format_clients(tally.total)} failed: {join_names(failed)}.")
    if tally.not_run:
        sentences.append(f"{tally.not_run} of {format_clients(tally.total)} did not get a turn.")
    if tally.total and not failed and not tally.not_run:
        sentences += [_describe_success(work, run) for work in run.works]
    sentences += _describe_archives(run)
    sentences.append(summarize(run.roll.absent) if run.roll else "")
    sentences.append(summarize_nas(run.nas or ()))
    sentences += describe_waiting(run)
    if run.unheard:
        sentences.append(f"Nobody has heard of {_format_count(len(run.unheard), 'earlier run')}.")
    if run.waiting:
        runs = len({sentence.partition(":")[0] for sentence in run.waiting})
        sentences.append(f"Not everybody could be told of {_format_count(runs, 'earlier run')} yet.")
    if run.problems:
        sentences.append("The run itself had a problem.")
    return " ".join(filter(None, sentences))


def format_clients(count: int) -> str:
    """Return ``1 client`` or ``5 clients``."""
    return "1 client" if count == 1 else f"{count} clients"


def _describe_success(work: Work, run: Run) -> str:
    own = [client for client in run.clients if client.work is work]
    due = [client for client in own if client.state is State.OK and not _is_waiting(client)]
    good = sum(client.state is State.OK for client in own)
    verb = _DONE[work][run.check]
    if not good:
        return f"Nothing was {_DONE[work][0].split(':')[0]}: {format_clients(len(own))} skipped."
    skipped = f", {len(own) - good} skipped" if len(own) > good else ""
    if work is Work.COMPACT and len(due) < good:
        share = _format_share(len(due), len(own))
        return f"{share} {verb}{_describe_result(work, due)}, {good - len(due)} not due{skipped}."
    return f"{_format_share(good, len(own))} {verb}{_describe_result(work, due)}{skipped}."


def _format_share(count: int, total: int) -> str:
    if count < total:
        return f"{count} of {format_clients(total)}"
    return f"All {format_clients(total)}" if total > 1 else "1 client"


def _is_waiting(client: Client) -> bool:
    session = client.session
    return session is not None and session.compaction is not None and bool(session.compaction.waiting)


def _describe_result(work: Work, done: list[Client]) -> str:
    sessions = [client.session for client in done if client.session]
    if work is Work.MAINTAIN:
        return _describe_deleted([session.maintain for session in sessions if session.maintain])
    return (
        _describe_freed([session.compaction for session in sessions if session.compaction])
        if work is Work.COMPACT
        else ""
    )


def _describe_deleted(results: list[MaintainResult]) -> str:
    gone = sum(len(one.deleted) for one in results)
    return f", {_format_count(gone, 'archive')} deleted" if gone else ""


def _describe_freed(results: list[CompactResult]) -> str:
    freed = [one.size - one.size_after for one in results if one.size is not None and one.size_after is not None]
    return f", {format_size(sum(freed))} freed" if freed else ""


def _describe_archives(run: Run) -> list[str]:
    """Return the archives that a maintenance did not expect or did not find."""
    told = [
        (client.name, client.session.maintain) for client in run.clients if client.session and client.session.maintain
    ]
    missing = {name: len(maintain.missing) for name, maintain in told if maintain.missing}
    unknown = {name: len(maintain.unknown) for name, maintain in told if maintain.unknown}
    return [
        f"{_format_count(sum(found.values()), word + ' archive')} on {join_names(list(found))}."
        for word, found in (("missing", missing), ("unknown", unknown))
        if found
    ]


def _format_count(number: int, noun: str) -> str:
    return f"{format_number(number)} {noun}{'' if number == 1 else 's'}"
