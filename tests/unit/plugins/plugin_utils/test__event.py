# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from types import SimpleNamespace

import pytest
from ansible_collections.paranoid.backup.plugins.plugin_utils._event import client_from, failure_before, is_backup
from ansible_collections.paranoid.backup.plugins.plugin_utils._record import State
from hypothesis import given
from hypothesis import strategies as st
from report_samples import ANYTHING


def task(action="paranoid.backup.session", args=None, delegate_to=None):
    args = {"verb": "backup"} if args is None else args
    return SimpleNamespace(action=action, args=args, delegate_to=delegate_to, get_name=lambda: "A task")


def result(raw, **changes):
    return SimpleNamespace(host=SimpleNamespace(get_name=lambda: "web01"), task=task(**changes), result=raw)


def told(event, raw, **changes):
    client = client_from(event, result(raw, **changes))
    return client.state, client.session.code, client.session.reason


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, True), ({"args": {"verb": "info"}}, False), ({"args": {}}, False), ({"args": "{{ all }}"}, False),
        ({"args": {"verb": "{{ verb }}"}}, False), ({"action": "ansible.builtin.command"}, False),
    ],
)  # fmt: skip
def test_is_backup(changes, expected):
    assert is_backup(task(**changes)) is expected


def test_a_short_name_that_resolves_to_the_session_is_one():
    short = task(action="session")
    short.resolved_action = "paranoid.backup.session"
    assert is_backup(short)


@given(
    st.sampled_from([State.OK, State.FAILED, State.SKIPPED, State.UNREACHABLE]),
    st.dictionaries(st.text(), ANYTHING) | ANYTHING,
)
def test_no_result_raises_and_none_is_ok_by_accident(event, raw):
    client = client_from(event, result(raw))
    assert client.state is not State.OK
    assert client.session.reason


def test_only_ok_is_ok():
    assert told(State.OK, {"status": "ok"}) == (State.OK, "", "")
    assert told(State.OK, {"status": "failed", "code": "quota", "reason": "full"}) == (State.FAILED, "quota", "full")
    assert told(State.OK, {"status": "skipped", "code": "fail_fast", "reason": "x"}) == (
        State.SKIPPED,
        "fail_fast",
        "x",
    )
    assert told(State.OK, {"status": "OK"})[0] is State.FAILED
    assert told(State.FAILED, {"status": "ok", "msg": "boom"}) == (State.FAILED, "server_error", "boom")


def test_an_alarm_is_a_failure():
    audit = {"verdict": "alarm", "findings": ["gone"]}
    assert told(State.OK, {"status": "ok", "audit": audit}) == (State.FAILED, "", "the audit raised an alarm")


def test_of_a_loop_the_last_round_counts():
    rounds = {"results": [{"status": "failed", "reason": "x"}, {"status": "ok"}], "msg": "All items completed"}
    assert told(State.OK, rounds)[0] is State.OK


def test_reasons_for_results_without_one():
    assert told(State.FAILED, {"msg": "missing required arguments: client"})[2] == "missing required arguments: client"
    assert told(State.FAILED, {"module_stderr": "sh: python3: not found\nx"})[2] == "sh: python3: not found x"
    assert told(State.FAILED, {}) == (State.FAILED, "bad_result", "the task ended without a result that can be read")
    assert told(State.OK, {"censored": "x"})[2] == "no_log hides the result: remove it from the task"
    assert told(State.SKIPPED, {"false_condition": False})[2] == 'the condition "False" is false'
    assert told(State.SKIPPED, {}) == (State.SKIPPED, "", "skipped")


def test_who_is_to_blame_for_no_connection():
    here = told(State.UNREACHABLE, {"msg": "timed out"})
    there = told(State.UNREACHABLE, {"msg": "timed out"}, delegate_to="backup01")
    assert here == (State.UNREACHABLE, "unreachable", "Ansible cannot reach this host: timed out")
    assert there[1:] == (
        "server_error",
        "Ansible cannot reach backup01, the server that would run the session: timed out",
    )


def test_failure_in_another_task():
    client = failure_before(State.FAILED, result({"msg": "no disk"}))
    assert (client.name, client.state) == ("web01", State.FAILED)
    assert client.session.reason == 'in the task "A task": no disk'
