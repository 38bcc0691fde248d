# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which runs nobody has heard of. Real ones are killed in tests/integration/report/test_report.py."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.directory import RunDir
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.model import (
    Mail,
    MailState,
    NoticeState,
    Run,
    SentNotice,
    State,
)
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.unheard import (
    MARK,
    find_parts,
    find_unheard,
    hold,
    mark_told,
)


@contextmanager
def held(directory: RunDir) -> Iterator[None]:
    """Hold a run's directory as its process does."""
    descriptor = hold(directory.path)
    yield
    os.close(descriptor)


def begun(reports: Path, run: Run, run_id: str) -> RunDir:
    directory = RunDir.create(reports, run_id)
    directory.begin(replace(run, run_id=run_id))
    return directory


def told(reports: Path) -> list[str]:
    return [one.sentence for one in find_unheard(reports)]


def test_a_run_is_told_when_nobody_holds_it_and_until_it_was_told(tmp_path: Path, run: Run) -> None:
    directory = begun(tmp_path, replace(run, finished=""), "r1")
    with held(directory):
        assert told(tmp_path) == []
    assert told(tmp_path) == told(tmp_path) != []
    mark_told(tmp_path, ["r1", "was never there"])
    assert told(tmp_path) == [] and not (directory.path / MARK).exists()


def test_a_run_without_a_mark_is_of_no_interest(tmp_path: Path, run: Run) -> None:
    begun(tmp_path, replace(run, finished=""), "r1")
    assert told(tmp_path) == told(tmp_path / "nowhere") == []


@pytest.mark.parametrize(
    ("mail", "what"),
    [
        (Mail(MailState.FAILED, ("a",), "no route"), "its mail (SUCCESS) did not reach anybody: no route"),
        (Mail(MailState.FAILED, ("a", "b"), "refused b", ("a",)), "did not reach everybody: refused b"),
        (Mail(MailState.PENDING, ("a",)), "killed while its mail was sent; whether that left is not known"),
        (Mail(MailState.SENT, ("a",)), "its notice did not reach chat: no route"),
        (
            Mail(MailState.LATER, ("a",)),
            "its mail was left to the playbook report, which has not run since; 1 of 2 clients had no result",
        ),
    ],
)
def test_what_became_of_a_mail(tmp_path: Path, run: Run, mail: Mail, what: str) -> None:
    notices = (SentNotice("hook", NoticeState.SENT), SentNotice("chat", NoticeState.FAILED, "no route"))
    clients = (run.clients[0], replace(run.clients[1], state=State.RUNNING))
    with held(begun(tmp_path, replace(run, mail=mail, notices=notices, clients=clients, problems=("x",)), "r1")):
        pass
    (one,) = find_unheard(tmp_path)
    status = what.replace("SUCCESS", "FAILURE")
    assert one.sentence.startswith("r1 (backup.yml, begun 2026-11-21T06:30:00Z): ") and one.sentence.endswith(status)
    assert one.is_left is (mail.state is MailState.LATER)


def test_what_a_later_report_tells_of(tmp_path: Path, run: Run) -> None:
    """Of those that waited for it the record is enough; of the others a sentence, and nobody is left out."""
    runs = {
        "20261121T010000Z-00000001": replace(run, mail=Mail(MailState.LATER, ("a",))),
        "20261121T020000Z-00000002": replace(run, finished=""),
        "20261121T030000Z-00000003": replace(run, mail=Mail(MailState.FAILED, ("a",), "no route")),
        "20261121T040000Z-00000004": replace(run, finished=""),
    }
    made = {name: begun(tmp_path, one, name) for name, one in runs.items()}
    first, second, third, fourth = made
    for name in (first, second, third):
        with held(made[name]):
            pass
    (made[third].record).write_text("rubbish")
    with held(made[fourth]):
        parts, sentences = find_parts(tmp_path)
    assert [(part.run_id, part.record.get("run_id")) for part in parts] == [
        (first, first), (second, second), (third, None),
    ]  # fmt: skip
    assert parts[1].record["status"] == "FAILURE"
    killed, unread, busy = sentences
    assert killed.startswith(f"{second} (") and "it never ended" in killed and "0 of 2 clients had" in killed
    assert unread == f"{third}: its record cannot be read"
    assert busy == f"{fourth} is still at work, so this does not tell of it"


def test_the_record_of_a_dead_run_is_closed(tmp_path: Path, run: Run) -> None:
    directory = begun(tmp_path, replace(run, finished=""), "r1")
    os.utime(directory.record, (0, 0))
    with held(directory):
        pass
    (line,) = told(tmp_path)
    record = json.loads(directory.record.read_text())
    assert (record["status"], record["finished"]) == ("FAILURE", "1970-01-01T00:00:00Z")
    assert record["problems"] == ["it never ended: ansible-playbook was killed, or the machine went down"]
    assert record["tally"]["total"] == 2 and told(tmp_path) == [line]


@pytest.mark.parametrize("content", ["", "[]", "{", '{"clients": 5, "problems": {}, "mail": []}', "[" * 100_000])
def test_a_broken_record_is_told_as_well(tmp_path: Path, run: Run, content: str) -> None:
    directory = begun(tmp_path, run, "r1")
    directory.record.write_text(content)
    with held(directory):
        pass
    assert len(told(tmp_path)) == 1
