# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs that nobody has heard of: they never ended, or their mail never left. The next run finds them and tells.

While a run is at work it holds its directory (flock), and a mark lies in it until its report has gone out. The hold
goes with the processes of the run, whatever ends them, and a mark without a hold is a run that nobody has heard of.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible_collections.paranoid.backup.plugins.module_utils._common.names import is_run_id
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.directory import RECORD, RunDir
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.merging import Part
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.model import MailState, NoticeState
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.sanitize import (
    take_mapping,
    take_mappings,
    take_text,
)

MARK = "untold"
_LARGEST_RECORD = 64 * 1024 * 1024
_NEVER_ENDED = "it never ended: ansible-playbook was killed, or the machine went down"


@dataclass(frozen=True, slots=True)
class Unheard:
    """A run that nobody has heard of, and one sentence about it; ``is_left``: it left its mail to a later report."""

    run_id: str
    sentence: str
    is_left: bool = False


def hold(directory: Path) -> int:
    """Mark a run as one that nobody has heard of, and hold it; the descriptor that is returned ends the hold."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    with suppress(OSError):  # A file system without locks: then nobody can tell whether a run is still at work.
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(os.open(directory / MARK, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
    return descriptor


def find_unheard(report_dir: Path) -> tuple[Unheard, ...]:
    """Return the runs that nobody has heard of and that are not at work, oldest first; close records that were open."""
    described = (_describe(RunDir(report_dir / name)) for name in _list_marked(report_dir))
    return tuple(unheard for unheard in described if unheard)


def _list_marked(report_dir: Path) -> list[str]:
    """Return the runs that have a mark, the oldest first."""
    with suppress(OSError):  # Whether the directory can be used, the run that begins finds out for itself.
        names = sorted(entry.name for entry in os.scandir(report_dir) if is_run_id(entry.name))
        return [name for name in names if (report_dir / name / MARK).exists()]
    return []


def find_parts(report_dir: Path) -> tuple[tuple[Part, ...], tuple[str, ...]]:
    """Return the records of all runs that nobody has heard of, and a sentence about each that did not mean to wait."""
    found = find_unheard(report_dir)
    parts = tuple(Part(one.run_id, _load(report_dir / one.run_id)) for one in found)
    busy = sorted(set(_list_marked(report_dir)) - {one.run_id for one in found})
    return parts, (
        *(one.sentence for one in found if not one.is_left),
        *(f"{name} is still at work, so this does not tell of it" for name in busy),
    )


def mark_told(report_dir: Path, run_ids: Iterable[str]) -> None:
    """Note that somebody has heard of these runs; a mark that cannot be removed is told again by the next run."""
    for run_id in run_ids:
        with suppress(OSError):
            (report_dir / run_id / MARK).unlink()


def _describe(directory: RunDir) -> Unheard | None:
    """Return what is to be told of a run, None while it is at work."""
    with suppress(OSError):
        descriptor = os.open(directory.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            record = _read(descriptor)
            if record and not record.get("finished"):
                _close(directory, record)
            is_left = bool(record.get("finished")) and take_mapping(record.get("mail")).get("state") == MailState.LATER
            return Unheard(directory.path.name, _make_sentence(directory.path.name, record), is_left)
        finally:
            os.close(descriptor)
    return None


def _load(path: Path) -> dict[str, Any]:
    """Return the record below a directory, empty when it cannot be read."""
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            return _read(descriptor)
        finally:
            os.close(descriptor)
    return {}


def _read(directory: int) -> dict[str, Any]:
    """Return the record, empty when it cannot be read."""
    try:
        with open(os.open(RECORD, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory), "rb") as file:
            return dict(take_mapping(json.loads(file.read(_LARGEST_RECORD))))
    except (OSError, ValueError, RecursionError):
        return {}


def _close(directory: RunDir, record: dict[str, Any]) -> None:
    """Write into the record of a dead run that it has ended, at the last time that it wrote there itself."""
    last = datetime.fromtimestamp(directory.record.stat().st_mtime, UTC)
    problems = record.get("problems")
    ended = {
        "status": "FAILURE",
        "finished": last.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "problems": [*(problems if isinstance(problems, list) else []), _NEVER_ENDED],
    }
    directory.write(RECORD, (json.dumps({**record, **ended}, ensure_ascii=False, indent=1) + "\n").encode())


def _make_sentence(run_id: str, record: Mapping[str, Any]) -> str:
    """Return ``<run id> (<playbook>, begun <time>): <what happened>``."""
    if not record:
        return f"{run_id}: its record cannot be read"
    playbook, began = take_text(record.get("playbook"), 100), take_text(record.get("started"), 40)
    run = f"{run_id} ({playbook}, begun {began})"
    problems, mail = record.get("problems"), take_mapping(record.get("mail"))
    if not record.get("finished") or (isinstance(problems, list) and _NEVER_ENDED in problems):
        return take_text(f"{run}: {_NEVER_ENDED}; {_count(record)}", 500)
    if mail.get("state") == MailState.LATER:
        return take_text(
            f"{run}: its mail was left to the playbook report, which has not run since; {_count(record)}", 500
        )
    if mail.get("state") == MailState.FAILED:
        whom = "everybody" if mail.get("accepted") else "anybody"
        what = f"its mail ({take_text(record.get('status'), 20)}) did not reach {whom}"
        return take_text(f"{run}: {what}: {take_text(mail.get('error'), 300)}", 500)
    silent = [one for one in take_mappings(record.get("notices")) if one.get("state") == NoticeState.FAILED]
    if silent and mail.get("state") != MailState.PENDING:
        what = f"its notice did not reach {take_text(silent[0].get('name'), 60)}"
        return take_text(f"{run}: {what}: {take_text(silent[0].get('error'), 300)}", 500)
    return take_text(f"{run}: it was killed while its mail was sent; whether that left is not known", 500)


def _count(record: Mapping[str, Any]) -> str:
    clients = take_mappings(record.get("clients"))
    without = sum(client.get("state") in ("planned", "running") for client in clients)
    return f"{without} of {len(clients)} clients had no result"
