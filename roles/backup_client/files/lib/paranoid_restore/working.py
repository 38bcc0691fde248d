# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The work of one restore: directories first, files by several processes with a connection each, then all the rest."""

from __future__ import annotations

import multiprocessing
import os
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paranoid_restore.attributes import has_flags
from paranoid_restore.errors import RestoreError
from paranoid_restore.journal import Journal
from paranoid_restore.planning import ATTRIBUTES, NEW, REPLACE, SAME, Step
from paranoid_restore.progress import Progress
from paranoid_restore.repository import Source, opened
from paranoid_restore.selection import Listed
from paranoid_restore.tree import Tree
from paranoid_restore.writing import Writer

ENTRY_COST = 64 * 1024  # bytes that take about as long as an entry by itself
# What one connection brings in a second on a fast processor, in the same measure. Round trips are no reason for
# another: as many requests are under way as keep the line busy.
COST_PER_SECOND = 256 * 2**20
_WORTH = 2  # A part that takes less than so many times the opening of its connection is none.
_TICK_SECONDS = 0.2
_FORK = multiprocessing.get_context("fork")


@dataclass(frozen=True)
class Job:
    """One restore: of which archive, to where, and where its notes are."""

    location: str
    listed: Listed
    root: str
    journal: Path
    connections: int


def restore(job: Job, source: Source, archive: Any, steps: list[Step]) -> list[tuple[str, str]]:
    """Write what is to be written; return what could not be, with the reason."""
    todo = [step for step in steps if step.action != SAME]
    shared = _FORK.Array("Q", 2)
    progress = Progress(sum(step.size for step in todo if step.action != ATTRIBUTES), len(todo), shared)
    journal = Journal(job.journal, "0")
    writer = Writer(Tree(job.root), archive, journal, progress.tell)
    fresh = [step for step in todo if step.action in (NEW, REPLACE)]
    folders = [step for step in todo if stat.S_ISDIR(step.item.mode)]
    files = [step for step in fresh if stat.S_ISREG(step.item.mode) and not step.source]
    writer.make_directories(folders)
    first, *others = split(files, job.connections, source.seconds) or [[]]
    errors = _write_apart(job, others, progress, lambda: writer.write_files(first, source))
    progress.flush()
    writer.make_others(_others(fresh))
    writer.set_attributes([step for step in todo if step.action == ATTRIBUTES and step not in folders])
    writer.set_attributes(sorted(_touched_folders(steps, todo), key=lambda step: -step.path.count("/")))
    failed = {path for path, _why in errors + writer.errors}
    writer.set_flags(step for step in todo if has_flags(step.item) and step.path not in failed)
    progress.show(last=True)
    return errors + writer.errors


def split(steps: Sequence[Step], parts: int, opening: float) -> list[list[Step]]:
    """Return the steps in at most so many parts that end at about the same time; neighbours stay together.

    ``opening`` is how many seconds another connection takes before it brings anything, as the first one took: Borg, a
    gate, the derivation of a key, and round trips. The first part is larger by what comes meanwhile.
    """
    whole = sum(step.size + ENTRY_COST for step in steps)
    lead = int(opening * COST_PER_SECOND)
    parts = max(1, min(parts, whole // max(1, _WORTH * lead)))
    share = max(1, (whole - lead) // parts)
    result: list[list[Step]] = [[] for _turn in range(parts)]
    done = 0
    for step in steps:
        result[min(parts - 1, max(0, done - lead) // share)].append(step)
        done += step.size + ENTRY_COST
    return [part for part in result if part]


def _touched_folders(steps: list[Step], todo: list[Step]) -> list[Step]:
    """Return the directories that need attributes: also those whose time changes because something comes into them."""
    touched = {step.path.rpartition("/")[0] for step in todo} | {step.path for step in todo}
    return [step for step in steps if stat.S_ISDIR(step.item.mode) and step.path in touched]


def _others(fresh: list[Step]) -> list[Step]:
    """Return the links, pipes and devices."""
    linked = [step for step in fresh if step.source]
    return [step for step in fresh if not stat.S_ISDIR(step.item.mode) and not stat.S_ISREG(step.item.mode)] + linked


def _write_apart(
    job: Job, parts: list[list[Step]], progress: Progress, write_own: Callable[[], None]
) -> list[tuple[str, str]]:
    """Write parts of the files by other processes, and meanwhile what is this one's own."""
    queue = _FORK.SimpleQueue()
    workers = []
    for number, part in enumerate(parts, 1):
        work: Callable[[], None] = _worker(job, str(number), part, progress, queue)
        workers.append(_FORK.Process(target=work))
        workers[-1].start()
    told = 0
    errors: list[tuple[str, str]] = []
    lost = ""
    try:
        write_own()
        while any(worker.is_alive() for worker in workers) or not queue.empty():
            progress.show()
            if queue.empty():
                workers[0].join(_TICK_SECONDS)
                continue
            found, why = queue.get()
            errors, lost, told = errors + found, lost or why, told + 1
    finally:
        _end(workers)
    if lost:
        raise RestoreError(lost)
    if told < len(workers):
        raise RestoreError("a process of the restore was killed: repeat the command, which goes on from there")
    return errors


def _end(workers: Sequence[Any]) -> None:
    """Leave nobody at work: what comes next may start a service again."""
    for worker in workers:
        if worker.is_alive():
            worker.terminate()
    for worker in workers:
        worker.join()


def _worker(job: Job, number: str, part: list[Step], progress: Progress, queue: Any) -> Callable[[], None]:
    def work() -> None:
        journal = Journal(job.journal, number)
        try:
            with opened(job.location) as source:
                writer = Writer(Tree(job.root), source.archive(job.listed), journal, progress.tell)
                writer.write_files(part, source)
            progress.flush()
            queue.put((writer.errors, ""))
        except RestoreError as error:
            queue.put(([], str(error)))
        finally:
            os._exit(0)

    return work
