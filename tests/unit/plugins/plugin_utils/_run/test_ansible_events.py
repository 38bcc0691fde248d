# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a report takes from an event of Ansible, whatever the event holds."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.model import Client, State, Work
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.results import SessionResult
from ansible_collections.paranoid.backup.plugins.plugin_utils._run.ansible_events import (
    find_work,
    is_nas_status,
    list_answers,
    read_failure,
    read_result,
)
from hypothesis import given
from hypothesis import strategies as st
from report_samples import ANYTHING


def task(
    action: str = "paranoid.backup.session", args: object = None, delegate_to: str | None = None
) -> SimpleNamespace:
    args = {"verb": "backup"} if args is None else args
    return SimpleNamespace(action=action, args=args, delegate_to=delegate_to, get_name=lambda: "A task")


def result(raw: object, **changes: Any) -> SimpleNamespace:
    return SimpleNamespace(host=SimpleNamespace(get_name=lambda: "web01"), task=task(**changes), result=raw)


def seen(event: State, raw: object, **changes: Any) -> tuple[Client, SessionResult]:
    client = read_result(event, result(raw, **changes))
    assert client.session
    return client, client.session


def told(event: State, raw: object, **changes: Any) -> tuple[State, str, str]:
    client, session = seen(event, raw, **changes)
    return client.state, session.code, session.reason


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, Work.BACKUP), ({"args": {"verb": "maintain"}}, Work.MAINTAIN), ({"args": {"verb": "info"}}, None),
        ({"args": {}}, None), ({"args": "{{ all }}"}, None), ({"args": {"verb": "{{ verb }}"}}, None),
        ({"args": {"verb": ["backup"]}}, None), ({"action": "ansible.builtin.command"}, None),
        ({"action": "paranoid.backup.compact"}, Work.COMPACT), ({"action": "paranoid.backup.audit"}, Work.AUDIT),
        ({"action": "paranoid.backup.rollback"}, None), ({"action": "paranoid.backup.unfreeze"}, None),
        ({"action": "paranoid.backup.rehearsal", "args": {"what": "restore"}}, Work.DRILL),
        ({"action": "paranoid.backup.rehearsal", "args": {"what": "escrow"}}, None),
        ({"action": "paranoid.backup.rehearsal", "args": {"what": "{{ what }}", "verb": "backup"}}, None),
    ],
)  # fmt: skip
def test_what_belongs_in_a_report(changes: dict[str, Any], expected: Work | None) -> None:
    assert find_work(task(**changes)) is expected


def test_a_short_name_that_resolves_to_the_task_is_one() -> None:
    for name in ("session", "compact"):
        short = task(action=name)
        short.resolved_action = f"paranoid.backup.{name}"
        assert find_work(short) is (Work.BACKUP if name == "session" else Work.COMPACT)


@given(
    st.sampled_from([State.OK, State.FAILED, State.SKIPPED, State.UNREACHABLE]),
    st.sampled_from(["session", "compact", "audit"]),
    st.dictionaries(st.text(), ANYTHING) | ANYTHING,
)
def test_no_result_raises_and_none_is_ok_by_accident(event: State, name: str, raw: object) -> None:
    client, session = seen(event, raw, action=f"paranoid.backup.{name}")
    assert client.state is not State.OK
    assert session.reason


def test_only_ok_is_ok() -> None:
    assert told(State.OK, {"status": "ok"}) == (State.OK, "", "")
    assert told(State.OK, {"status": "failed", "code": "quota", "reason": "full"}) == (State.FAILED, "quota", "full")
    assert told(State.OK, {"status": "skipped", "code": "fail_fast", "reason": "x"}) == (
        State.SKIPPED,
        "fail_fast",
        "x",
    )
    assert told(State.OK, {"status": "OK"})[0] is State.FAILED
    assert told(State.FAILED, {"status": "ok", "msg": "boom"}) == (State.FAILED, "server_error", "boom")


def test_an_alarm_is_a_failure() -> None:
    audit = {"verdict": "alarm", "findings": ["gone"]}
    assert told(State.OK, {"status": "ok", "audit": audit}) == (State.FAILED, "", "the audit raised an alarm")


def test_a_result_that_contradicts_itself_is_a_failure() -> None:
    alarm = {"verdict": "alarm", "findings": ["gone"]}
    assert told(State.OK, {"status": "ok", "code": "quota", "reason": "full"}) == (State.FAILED, "quota", "full")
    assert told(State.OK, {"status": "ok", "code": "nonsense"})[:2] == (State.FAILED, "bad_result")
    assert told(State.OK, {"status": "skipped", "audit": alarm})[0] is State.FAILED
    clean = {"verdict": "clean", "findings": [], "code": "frozen"}
    assert told(State.OK, clean, action="paranoid.backup.audit")[:2] == (State.FAILED, "bad_result")


def test_deletions_that_a_maintenance_explains_are_no_alarm() -> None:
    audit = {"verdict": "expected", "findings": ["3 objects are gone"]}
    client, session = seen(State.OK, {"status": "ok", "audit": audit})
    assert (client.state, client.has_alarm, session.audit and session.audit.verdict) == (State.OK, False, "expected")


def test_a_maintenance_names_what_went() -> None:
    ids = ["1" * 64, "2" * 64]
    plan = {"drop": [{"id": ids[0], "name": "old"}], "keep": [{"id": ids[1], "name": "new", "reasons": ["last 1"]}]}
    told = {"named": ids[:1], "deleted": ids[:1], "missing": ids[1:], "unknown": [{"id": "3" * 64, "name": "x"}]}
    raw = {"status": "ok", "maintain": {**told, "plan": plan, "kept": 30, "check": "ok", "waiting": ""}}
    client, session = seen(State.OK, raw, args={"verb": "maintain"})
    found = session.maintain
    assert found
    assert (client.state, client.work, found.named, found.kept, found.check) == (State.OK, Work.MAINTAIN, 1, 30, "ok")
    assert [(one.id, one.name) for one in (*found.deleted, *found.missing, *found.unknown)] == [
        (ids[0], "old"), (ids[1], "new"), ("3" * 64, "x"),
    ]  # fmt: skip


def test_a_maintenance_that_does_not_say_what_it_did_is_a_failure() -> None:
    said = told(State.OK, {"status": "ok"}, args={"verb": "maintain"})
    assert said == (State.FAILED, "bad_result", "the task ended without a result that can be read")


def test_as_many_archives_are_missing_as_the_engine_says() -> None:
    many = [f"{place:064}" for place in range(1000)]
    raw = {"status": "failed", "code": "archives_missing", "maintain": {"missing": many}}
    _client, session = seen(State.FAILED, raw, args={"verb": "maintain"})
    assert session.maintain and len(session.maintain.missing) == 1000


def test_a_compaction() -> None:
    action = "paranoid.backup.compact"
    done, session = seen(State.OK, {"size": 9, "freeable": 4, "size_after": 5, "waiting": ""}, action=action)
    assert (done.state, done.work) == (State.OK, Work.COMPACT)
    assert session.compaction and session.compaction.size_after == 5
    assert told(State.OK, {"size": 9, "freeable": "4"}, action=action)[:2] == (State.FAILED, "bad_result")
    failed, session = seen(State.FAILED, {"msg": "ALARM: gone", "code": "alarm"}, action=action)
    assert (failed.has_alarm, session.reason) == (True, "ALARM: gone")
    frozen, _session = seen(State.FAILED, {"msg": "web01 is frozen", "code": "frozen"}, action=action)
    assert (frozen.is_frozen, frozen.has_alarm) == (True, False)


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ({"stderr": "it began\nrestore: web1 has no etc/nope\n"}, "restore: web1 has no etc/nope"),
        ({"stderr": " \n"}, "non-zero return code"),
        ({"stderr": ["x"] * 3}, "['x', 'x', 'x']"),
        ({}, "non-zero return code"),
        ({"stderr": "x", "msg": "Timeout"}, "Timeout"),
    ],
)
def test_of_a_command_its_own_last_words_are_told(raw: dict[str, Any], said: str) -> None:
    failed = read_failure(State.FAILED, result({"msg": "non-zero return code", "rc": 2, **raw}))
    assert failed.session and failed.session.reason.endswith(f'": {said}')


def test_a_drill() -> None:
    rehearsal = {"action": "paranoid.backup.rehearsal", "args": {"what": "restore"}}
    raw = {"changed": True, "drill": {"archive_name": "web1-2026", "files": 212}, "duration": 3.5}
    found, session = seen(State.OK, raw, **rehearsal)
    assert (found.work, found.state, session.duration) == (Work.DRILL, State.OK, 3.5)
    assert session.drill and (session.drill.archive_name, session.drill.files) == ("web1-2026", 212)
    assert told(State.OK, {"changed": True}, **rehearsal)[:2] == (State.FAILED, "bad_result"), "nothing came back"
    assert told(State.OK, {**raw, "drill": "all"}, **rehearsal)[0] is State.FAILED


def test_an_audit() -> None:
    action = "paranoid.backup.audit"
    assert told(State.OK, {"verdict": "clean", "findings": []}, action=action) == (State.OK, "", "")
    assert told(State.OK, {"verdict": "fine"}, action=action)[0] is State.FAILED
    raw = {"msg": "ALARM: x", "code": "alarm", "verdict": "alarm", "findings": ["12 objects gone"]}
    found, session = seen(State.FAILED, raw, action=action)
    assert found.has_alarm and session.audit and session.audit.findings == ("12 objects gone",)
    timed = {"verdict": "clean", "findings": [], "duration": 0.2, "began": "2026-11-21T06:30:00Z"}
    _client, session = seen(State.OK, timed, action=action)
    assert (session.duration, session.began) == (0.2, "2026-11-21T06:30:00Z")


def test_of_a_loop_the_last_round_counts() -> None:
    rounds = {"results": [{"status": "failed", "reason": "x"}, {"status": "ok"}], "msg": "All items completed"}
    assert told(State.OK, rounds)[0] is State.OK


def test_reasons_for_results_without_one() -> None:
    assert told(State.FAILED, {"msg": "missing required arguments: client"})[2] == "missing required arguments: client"
    assert told(State.FAILED, {"module_stderr": "sh: python3: not found\nx"})[2] == "sh: python3: not found x"
    assert told(State.FAILED, {}) == (State.FAILED, "bad_result", "the task ended without a result that can be read")
    assert told(State.OK, {"censored": "x"})[2] == "no_log hides the result: remove it from the task"
    assert told(State.SKIPPED, {"false_condition": False})[2] == 'the condition "False" is false'
    assert told(State.SKIPPED, {}) == (State.SKIPPED, "", "skipped")


def test_who_is_to_blame_for_no_connection() -> None:
    here = told(State.UNREACHABLE, {"msg": "timed out"})
    there = told(State.UNREACHABLE, {"msg": "timed out"}, delegate_to="backup01")
    assert here == (State.UNREACHABLE, "unreachable", "Ansible cannot reach this host: timed out")
    assert there[1:] == (
        "server_error",
        "Ansible cannot reach backup01, the server that would run the session: timed out",
    )


def test_failure_in_another_task() -> None:
    client = read_failure(State.FAILED, result({"msg": "no disk"}))
    assert (client.name, client.state) == ("web01", State.FAILED)
    assert client.session and client.session.reason == 'in the task "A task": no disk'


@pytest.mark.parametrize(
    ("action", "args", "asks"),
    [
        ("paranoid.backup.nas", {}, True),
        ("paranoid.backup.nas", {"ask": "status"}, True),
        ("paranoid.backup.nas", {"ask": "snapshot"}, False),
        ("paranoid.backup.nas", "{{ all }}", True),
        ("paranoid.backup.audit", {"ask": "status"}, False),
    ],
)
def test_which_task_asks_how_a_nas_is(action: str, args: object, asks: bool) -> None:
    assert is_nas_status(task(action, args)) is asks


@pytest.mark.parametrize(
    ("raw", "loop", "answers"),
    [
        ({"problem": "x"}, None, [{"item": "vault", "problem": "x"}]),
        ({"item": "attic", "problem": "x"}, None, [{"item": "attic", "problem": "x"}]),
        ({"results": [{"item": "a"}, {"item": "b"}, 7]}, "{{ all }}", [{"item": "a"}, {"item": "b"}]),
        ({"results": []}, "{{ all }}", []),
        ({"results": []}, None, [{"item": "vault", "results": []}]),
        ({"skipped": True}, None, []),
        ({"skipped": "yes"}, None, [{"item": "vault", "skipped": "yes"}]),
        ("rubbish", None, [{"item": "vault"}]),
    ],
)
def test_each_machine_that_was_asked_has_answered(raw: object, loop: object, answers: list[dict[str, Any]]) -> None:
    """An answer that nobody can read is one, too: it is told as a machine that did not say how it is."""
    told = result(raw, delegate_to="vault")
    told.task.loop = loop
    assert [dict(one) for one in list_answers(told)] == answers


@pytest.mark.parametrize(
    ("action", "raw", "state"),
    [
        ("compact", {"freeable": 7, "size": 9}, State.OK),
        ("compact", {"verdict": "clean", "size": 9}, State.FAILED),
        ("audit", {"verdict": "clean"}, State.OK),
        ("audit", {"freeable": 7}, State.FAILED),
        ("audit", {"verdict": "alarm"}, State.FAILED),
    ],
)
def test_a_task_of_the_server_is_green_only_by_its_own_answer(action: str, raw: dict[str, Any], state: State) -> None:
    client, session = seen(State.OK, raw, action=f"paranoid.backup.{action}")
    assert client.state is state
    assert (session.compaction is not None, session.audit is not None) == (
        action == "compact" and "freeable" in raw, action == "audit" and "verdict" in raw,
    )  # fmt: skip
