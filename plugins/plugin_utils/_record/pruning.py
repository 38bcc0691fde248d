# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Remove the directories of old runs: only those that the callback made, and that hold nothing else.

Of those that stay, only the newest hand on what is remembered: of hundreds of clients it is megabytes, and there may be
a hundred runs a day.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ansible_collections.paranoid.backup.plugins.module_utils._common.files import atomic_write
from ansible_collections.paranoid.backup.plugins.module_utils._common.names import is_run_id
from ansible_collections.paranoid.backup.plugins.module_utils._common.text import one_line
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.directory import RECORD
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.sanitize import take_mapping
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.unheard import MARK

DAY = 86400.0
_LARGEST_RECORD = 512 * 1024 * 1024
_OURS = (RECORD, "report.txt", "report.html", "mail.eml", MARK)
_OF_OWNERS = re.compile(r"\.?owner-\d{1,6}\.eml(\..*)?", re.ASCII)
_REMEMBERING, _LOOKED_AT = 50, 10  # the newest runs, and how many after them may have got too old for it since
_UNTOUCHED = 2 * DAY  # Another run may still write to what is younger: a session can take a day.
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class OldRun:
    """A directory named like a run, and when its record was last written (seconds since 1970)."""

    run_id: str
    written: float


def choose_outdated(runs: Sequence[OldRun], now: float, keep_runs: int, keep_days: int) -> list[str]:
    """Return the ids of the runs to remove, the oldest first; 0 is no limit, and young ones stay in any case."""
    newest_first = sorted(runs, key=lambda run: (run.written, run.run_id), reverse=True)
    beyond = [
        run
        for place, run in enumerate(newest_first)
        if (keep_runs and place >= keep_runs) or (keep_days and now - run.written > keep_days * DAY)
    ]
    return [run.run_id for run in reversed(beyond) if now - run.written > _UNTOUCHED]


def choose_forgetful(runs: Sequence[OldRun], now: float) -> list[str]:
    """Return the ids of some runs that hand nothing on any more; those of a clock that was ahead are not the newest."""
    past = sorted((run.written, run.run_id) for run in runs if run.written <= now + DAY)[::-1]
    return [run_id for _written, run_id in past[_REMEMBERING : _REMEMBERING + _LOOKED_AT]]


def prune(report_dir: Path, now: float, keep_runs: int, keep_days: int) -> str:
    """Remove old runs; return what could not be removed as one line, or an empty string. Never raises OSError."""
    errors = []
    try:
        with _open(str(report_dir), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC) as parent:
            runs, forget = _list_runs(parent), partial(_forget, report_dir)
            works: list[tuple[Callable[[int, str], None], str]]
            works = [(forget, run_id) for run_id in choose_forgetful(runs, now)]
            works += [(_remove, run_id) for run_id in choose_outdated(runs, now, keep_runs, keep_days)]
            for work, run_id in works:
                try:
                    work(parent, run_id)
                except OSError as error:
                    errors.append(f"{run_id}: {error.strerror}")
    except OSError as error:
        errors.append(str(error.strerror))
    if not errors:
        return ""
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return one_line(f"old runs in {report_dir} could not be removed: {errors[0]}{more}", 500)


def _list_runs(parent: int) -> list[OldRun]:
    found = []
    with os.scandir(parent) as entries:
        for entry in entries:
            if is_run_id(entry.name) and entry.is_dir(follow_symlinks=False):
                written = _time_of_record(parent, entry.name)
                found += [OldRun(entry.name, written)] if written is not None else []
    return found


def _time_of_record(parent: int, run_id: str) -> float | None:
    try:
        record = os.stat(f"{run_id}/{RECORD}", dir_fd=parent, follow_symlinks=False)
    except OSError:
        return None
    return record.st_mtime if stat.S_ISREG(record.st_mode) else None


def _remove(parent: int, run_id: str) -> None:
    """Remove one run's directory if it is ours and holds nothing else; the record goes last, so a rest is found."""
    with _open(run_id, _DIRECTORY, parent) as directory:
        if os.fstat(directory).st_uid != os.geteuid() or not _is_record(directory, run_id):
            return
        with os.scandir(directory) as entries:
            names = [entry.name for entry in entries if entry.is_file(follow_symlinks=False) and _is_ours(entry.name)]
        if len(names) != len(os.listdir(directory)):
            return
        for name in sorted(names, key=lambda name: name == RECORD):
            os.unlink(name, dir_fd=directory)
    os.rmdir(run_id, dir_fd=parent)


def _forget(report_dir: Path, parent: int, run_id: str) -> None:
    """Drop what a record of ours hands on; it counts as written when it was. One of a run that goes on has none yet."""
    with _open(run_id, _DIRECTORY, parent) as directory:
        written, record = os.stat(RECORD, dir_fd=directory, follow_symlinks=False), _load(directory)
        if written.st_uid != os.geteuid() or record.get("run_id") != run_id or not record.get("finished"):
            return
        if record.get("history"):
            times = (written.st_atime_ns, written.st_mtime_ns)
            content = json.dumps({**record, "history": None}, ensure_ascii=False, indent=1) + "\n"
            atomic_write(str(report_dir / run_id / RECORD), content.encode(), check=lambda new: os.utime(new, ns=times))


def _is_ours(name: str) -> bool:
    """Whether the callback makes files of this name; a run that was killed may leave one that is half written."""
    return name in _OURS or bool(_OF_OWNERS.fullmatch(name)) or any(name.startswith(f".{own}.") for own in _OURS)


def _is_record(directory: int, run_id: str) -> bool:
    return _load(directory).get("run_id") == run_id


def _load(directory: int) -> Mapping[str, Any]:
    """Return the record in a directory, empty where it is none."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with open(os.open(RECORD, flags, dir_fd=directory), "rb") as file:
        try:
            return take_mapping(json.loads(file.read(_LARGEST_RECORD)))
        except (ValueError, RecursionError):
            return {}


@contextmanager
def _open(path: str, flags: int, parent: int | None = None) -> Iterator[int]:
    descriptor = os.open(path, flags, dir_fd=parent)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
