# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a playbook comes to: a run or nothing, and the exit code. Real runs are in tests/integration/report."""

from __future__ import annotations

import atexit
import json
import os
import signal
from collections.abc import Callable, Iterator
from email.headerregistry import Address
from pathlib import Path
from string import Template
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.model import State
from ansible_collections.paranoid.backup.plugins.plugin_utils._run.observer import (
    REPORTED,
    RUN_ID,
    CannotBeginError,
    Observer,
    claim_run_id,
)
from ansible_collections.paranoid.backup.plugins.plugin_utils._run.reporter import Reporter
from ansible_collections.paranoid.backup.plugins.plugin_utils._settings import Settings

BACKUP = SimpleNamespace(
    action="paranoid.backup.session",
    args={"verb": "backup"},
    delegate_to=None,
    evaluate_tags=lambda *_tags, all_vars: True,
    get_name=lambda: "Back up",
)
OTHER = SimpleNamespace(
    action="ansible.builtin.ping",
    args={},
    delegate_to=None,
    evaluate_tags=lambda *_tags, all_vars: True,
    get_name=lambda: "Ping",
)


class Screen:
    """What was shown; ``closed`` is a terminal that is gone."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, bool]] = []
        self.closed = False

    def show(self, line: str, bad: bool) -> None:
        if self.closed:
            raise BrokenPipeError
        self.lines.append((line, bad))


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Iterator[Screen]:
    """A screen, a run id, and signal handlers as they were afterwards."""
    monkeypatch.setenv(RUN_ID, "r1")
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield Screen()
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        tmp_path,
        "t",
        Template("$STATUS"),
        Address(addr_spec="a@example.org"),
        (Address(addr_spec="b@example.org"),),
        False,
        None,
    )


def play(*tasks: Any) -> SimpleNamespace:
    manager = SimpleNamespace(get_vars=lambda play: {"ansible_play_hosts_all": ["web01"], "groups": {}})
    blocks = [SimpleNamespace(get_tasks=lambda: list(tasks))]
    return SimpleNamespace(compile=lambda: blocks, only_tags=(), skip_tags=(), get_variable_manager=lambda: manager)


def result(task: Any, **raw: Any) -> SimpleNamespace:
    return SimpleNamespace(host=SimpleNamespace(get_name=lambda: "web01"), task=task, result=raw)


def begun(settings: Settings | CannotBeginError, screen: Screen, *tasks: Any) -> Reporter:
    """A reporter whose playbook's one play has begun."""
    reporter = Reporter(settings, "backup.yml", False, screen.show)
    reporter.begin([play(*tasks)])
    reporter.begin_play(play(*tasks))
    return reporter


def ended(reporter: Reporter, *lost: str) -> int:
    reporter.finish(SimpleNamespace(failures=dict.fromkeys(lost, 1), dark={}))
    return reporter.exit_code


ROLL = SimpleNamespace(action="paranoid.backup.roll_call", args={}, delegate_to="vault", get_name=lambda: "Ask")


def test_provisioning_says_at_once_who_is_missing(settings: Settings, screen: Screen) -> None:
    """It has no report, and what Ansible displays is a matter of taste."""
    reporter = begun(settings, screen, OTHER)
    hosts = {"web01": {"client": "web01", "address": "web01"}}
    clients = [{"client": name, "host": name, "last_success": None, "age": 3600} for name in ("old", "web01")]
    reporter.note_result(State.OK, result(ROLL, clients=clients, hosts=hosts, problem=""))
    assert screen.lines == [("old is not in the inventory: last success 1 h 00 min ago, on vault", False)]
    assert ended(reporter) == 0


def test_a_good_run_exits_with_0(settings: Settings, screen: Screen, tmp_path: Path) -> None:
    reporter = begun(settings, screen, OTHER, BACKUP)
    reporter.note_result(State.OK, result(BACKUP, status="ok"))
    assert ended(reporter) == 0
    assert json.loads((tmp_path / "r1/record.json").read_text())["status"] == "SUCCESS"
    assert [bad for _line, bad in screen.lines] == [False]


@pytest.mark.parametrize(("lost", "code"), [((), 2), (("web01",), 0)])
def test_a_failure_that_ansible_does_not_count_exits_with_2(
    lost: tuple[str, ...], code: int, settings: Settings, screen: Screen
) -> None:
    reporter = begun(settings, screen, BACKUP)
    reporter.note_result(State.OK, result(BACKUP, status="failed", code="quota"))
    assert ended(reporter, *lost) == code


def test_without_work_nothing_is_written_whatever_the_settings(screen: Screen, tmp_path: Path) -> None:
    reporter = begun(CannotBeginError("an option is wrong"), screen, OTHER)
    reporter.begin_task(OTHER)
    reporter.note_start(SimpleNamespace(get_name=lambda: "web01"), OTHER)
    reporter.note_result(State.FAILED, result(OTHER, msg="no"))
    assert ended(reporter) == 0 and screen.lines == [] and list(tmp_path.iterdir()) == []


def test_with_work_a_wrong_option_ends_it_before_it_begins(screen: Screen) -> None:
    with pytest.raises(SystemExit) as caught:
        begun(CannotBeginError("an option is wrong"), screen, BACKUP)
    assert caught.value.code == 7
    assert screen.lines == [("paranoid.backup.report: an option is wrong. Nothing was started.", True)]


def test_work_of_an_include_begins_the_run_and_knows_who_failed_before(
    settings: Settings, screen: Screen, tmp_path: Path
) -> None:
    reporter = begun(settings, screen, OTHER)
    reporter.note_result(State.FAILED, result(OTHER, msg="no space"))
    reporter.note_result(State.FAILED, result(OTHER, msg="never mind"), ignored=True)
    reporter.begin_task(BACKUP)
    ended(reporter, "web01")
    (client,) = json.loads((tmp_path / "r1/record.json").read_text())["clients"]
    assert client["state"] == "failed" and client["session"]["reason"].endswith(": no space")


def test_a_defect_is_noted_and_exits_with_7(settings: Settings, screen: Screen, tmp_path: Path) -> None:
    reporter = begun(settings, screen, BACKUP)
    reporter.note_result(State.OK, result(BACKUP, status="ok"))
    reporter.note_defect("v2_runner_on_ok", ZeroDivisionError("x"))
    assert ended(reporter) == 7
    line = "paranoid.backup.report failed in v2_runner_on_ok: ZeroDivisionError: x"
    assert screen.lines[0] == (line, True)
    assert json.loads((tmp_path / "r1/record.json").read_text())["problems"] == [line]


def test_a_closed_terminal_is_no_good_run(settings: Settings, screen: Screen) -> None:
    reporter = begun(settings, screen, BACKUP)
    reporter.note_result(State.OK, result(BACKUP, status="ok"))
    screen.closed = True
    assert ended(reporter) == 7


def test_a_run_that_is_cut_off_is_reported(settings: Settings, screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    _cut_off(settings, screen, monkeypatch)
    assert "ansible-playbook ended before the run had come to its end" in screen.lines[0][0]


def test_a_defect_while_that_is_reported_is_shown(
    settings: Settings, screen: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Observer, "format_summary", lambda _self, _run: 1 / 0)
    _cut_off(settings, screen, monkeypatch)
    assert screen.lines[0][0].startswith("paranoid.backup.report failed in _end_early: ZeroDivisionError")


def _cut_off(settings: Settings, screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin a run and let the process come to its end."""
    at_exit: list[Callable[[], None]] = []
    with monkeypatch.context() as patch:
        patch.setattr(atexit, "register", at_exit.append)
        begun(settings, screen, BACKUP)
    (report,) = at_exit
    report()


def test_a_run_id_of_ours_is_replaced_and_a_persons_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(RUN_ID, "")
    monkeypatch.setenv(REPORTED, "")
    first = claim_run_id("")
    assert os.environ[RUN_ID] == os.environ[REPORTED] == first
    second = claim_run_id(first)
    assert second != first and os.environ[RUN_ID] == os.environ[REPORTED] == second
    monkeypatch.setenv(RUN_ID, "nightly")
    assert claim_run_id(second) == second
    assert os.environ[RUN_ID] == os.environ[REPORTED] == "nightly"
