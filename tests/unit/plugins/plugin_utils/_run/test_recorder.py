# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The record is kept up to date for little time of the run."""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.paranoid.backup.plugins.plugin_utils._record.model import Client, Run, State, Work
from ansible_collections.paranoid.backup.plugins.plugin_utils._run.recorder import Recorder


class Disk:
    """Remembers what was saved; each save takes ``cost`` seconds of a clock that only it and the test move."""

    def __init__(self, cost: float = 0.0) -> None:
        self.now, self.cost = 0.0, cost
        self.saved: list[Run] = []

    def save(self, run: Run) -> None:
        self.now += self.cost
        self.saved.append(run)

    def clock(self) -> float:
        return self.now


def test_every_event_is_saved_while_saving_is_cheap(run: Run) -> None:
    disk = Disk(cost=0.001)
    recorder = Recorder(replace(run, clients=()), disk.save, disk.clock)
    recorder.plan(["a", "b"], Work.BACKUP)
    recorder.note_start("a", Work.BACKUP)
    recorder.note_result(Client("a", State.OK))
    assert [[str(client.state) for client in saved.clients] for saved in disk.saved] == [
        ["planned", "planned"], ["running", "planned"], ["ok", "planned"],
    ]  # fmt: skip


def test_saving_takes_a_bounded_share_of_the_run(run: Run) -> None:
    disk = Disk(cost=0.1)
    recorder = Recorder(replace(run, clients=()), disk.save, disk.clock)
    for place in range(1000):
        disk.now += 0.1
        recorder.note_start(f"c{place}", Work.BACKUP)
    spent = len(disk.saved) * disk.cost
    assert 0.5 <= spent <= 0.5 + 0.05 * disk.now + disk.cost
    assert len(recorder.run.clients) == 1000


def test_planning_again_forgets_nothing(run: Run) -> None:
    recorder = Recorder(replace(run, clients=()), Disk().save)
    recorder.plan(["a"], Work.BACKUP)
    recorder.note_result(Client("a", State.OK))
    recorder.plan(["a", "b"], Work.BACKUP)
    assert [client.state for client in recorder.run.clients] == [State.OK, State.PLANNED]
    assert [recorder.find_unfinished(name) for name in "abc"] == [None, Work.BACKUP, None]


def test_work_that_is_under_way_has_not_ended(run: Run) -> None:
    """A failure of another task, such as a handler beside it, is then this client's."""
    recorder = Recorder(replace(run, clients=()), Disk().save)
    recorder.note_start("a", Work.BACKUP)
    assert recorder.find_unfinished("a") is Work.BACKUP


def test_works_do_not_overwrite_each_other(run: Run) -> None:
    recorder = Recorder(replace(run, clients=()), Disk().save)
    for work in (Work.BACKUP, Work.MAINTAIN):
        recorder.plan(["a"], work)
    assert recorder.find_unfinished("a") is Work.BACKUP
    recorder.note_result(Client("a", State.OK))
    assert recorder.find_unfinished("a") is Work.MAINTAIN
    recorder.note_result(Client("a", State.FAILED, work=Work.MAINTAIN))
    told = [(client.work, client.state) for client in recorder.run.clients]
    assert told == [(Work.BACKUP, State.OK), (Work.MAINTAIN, State.FAILED)]


def test_a_full_disk_is_one_problem_and_no_exception(run: Run) -> None:
    def full(_run: Run) -> None:
        raise OSError(28, "No space left on device")

    recorder = Recorder(replace(run, clients=()), full)
    recorder.plan(["a"], Work.BACKUP)
    recorder.note_start("a", Work.BACKUP)
    assert recorder.run.problems == ("the record could not be kept up to date: [Errno 28] No space left on device",)


def test_when_a_work_began_stays_with_its_result(run: Run) -> None:
    recorder = Recorder(replace(run, clients=()), Disk().save)
    recorder.plan(["a", "b"], Work.BACKUP)
    recorder.note_start("a", Work.BACKUP)
    (began,) = {client.began for client in recorder.run.clients if client.name == "a"}
    recorder.note_result(Client("a", State.OK))
    recorder.note_result(Client("b", State.UNREACHABLE))
    assert began and {client.name: client.began for client in recorder.run.clients} == {"a": began, "b": ""}
