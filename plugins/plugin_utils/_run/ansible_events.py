# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an event of Ansible says about a client. The objects are ansible-core's; only their public names are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ansible_collections.paranoid.backup.plugins.plugin_utils._record import sanitize as untrusted
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.model import Client, State, Work
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.results import Session

_SESSION = "paranoid.backup.session"
_VERBS = {"backup": Work.BACKUP, "maintain": Work.MAINTAIN}
_TASKS = {"paranoid.backup.compact": Work.COMPACT, "paranoid.backup.audit": Work.AUDIT}


def work_of(task: Any) -> Work | None:
    """Return what a task does that belongs in a report; a session's verb must be written out in the playbook."""
    names = (task.action, getattr(task, "resolved_action", None))
    if _SESSION in names:
        verb = untrusted.mapping(task.args).get("verb")
        return _VERBS.get(verb) if isinstance(verb, str) else None
    return next(filter(None, map(_TASKS.get, names)), None)


def works_of(play: Any) -> tuple[Work, ...]:
    """Return what a play's own tasks and its roles' tasks do; includes are not seen before they run.

    Tags choose among them, but cannot make a play with nothing left to do pass for one without work.
    """
    tasks = [task for block in play.compile() for task in block.get_tasks() if work_of(task)]
    chosen = [task for task in tasks if task.evaluate_tags(play.only_tags, play.skip_tags, all_vars={})]
    return tuple(dict.fromkeys(filter(None, map(work_of, chosen or tasks))))


def called(name: str) -> str:
    """Return what the report calls a host of the inventory: its name, made printable."""
    return untrusted.text(name, 200)


def client_from(event: State, result: Any) -> Client:
    """Return what the last result of a task with work says; ``event`` is Ansible's own word for the result.

    Only a result that says ``ok`` itself is believed to be one: a hidden (no_log) or a broken result is a failure.
    """
    raw = _last(result.result)
    work = work_of(result.task) or Work.BACKUP
    session = Session.from_dict({**raw, **_upkeep(work, raw)})
    state = event
    if event is State.OK:
        state = _own_word(work, raw, session)
    client = Client(called(result.host.get_name()), state, session, work)
    if client.alarm and state is State.OK:
        client = replace(client, state=State.FAILED)
    if client.state is not State.OK and not session.reason:
        explained = _explain(session, client.state, raw, result.task.delegate_to)
        client = replace(client, session=explained)
    return client


def _upkeep(work: Work, raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the server's own tasks tell, under the names that the record has for it."""
    if work is Work.AUDIT and "verdict" in raw:
        return {"audit": raw}
    return {"compaction": raw} if work is Work.COMPACT and "freeable" in raw else {}


def _own_word(work: Work, raw: Mapping[str, Any], session: Session) -> State:
    if work is Work.AUDIT:
        return State.OK if session.audit is not None else State.FAILED
    if work is Work.COMPACT:
        return State.OK if session.compaction and session.compaction.freeable is not None else State.FAILED
    state = State(untrusted.word(raw.get("status"), frozenset({"ok", "skipped"}), "failed"))
    silent = work is Work.MAINTAIN and session.maintain is None
    return State.FAILED if silent and state is State.OK else state


def failure_before(event: State, result: Any) -> Client:
    """Return the client that failed in another task, before its work."""
    raw = _last(result.result)
    session = _explain(Session.from_dict({}), event, raw, result.task.delegate_to)
    task = untrusted.text(result.task.get_name(), 100)
    reason = untrusted.text(f'in the task "{task}": {session.reason}', 500)
    return Client(called(result.host.get_name()), event, replace(session, reason=reason))


def _last(raw: Any) -> Mapping[str, Any]:
    """Of a loop, the last round counts."""
    result = untrusted.mapping(raw)
    rounds = result.get("results")
    if "status" not in result and isinstance(rounds, list) and rounds:
        return untrusted.mapping(rounds[-1])
    return result


def _explain(session: Session, state: State, raw: Mapping[str, Any], delegate: Any) -> Session:
    """Make a reason out of what Ansible gives for a result that has none."""
    message = untrusted.text(raw.get("msg"), 500) or untrusted.text(raw.get("module_stderr"), 400)
    other = untrusted.text(delegate, 200)
    if session.audit is not None and session.audit.verdict == "alarm":
        return replace(session, reason="the audit raised an alarm")
    if state is State.UNREACHABLE:
        where = f"{other}, the server that would run the session" if other else "this host"
        return replace(
            session,
            code="server_error" if other else "unreachable",
            reason=untrusted.text(f"Ansible cannot reach {where}: {message or 'no reason given'}", 500),
        )
    if state is State.SKIPPED:
        condition = untrusted.text(str(raw.get("false_condition", "")), 200)
        return replace(session, reason=f'the condition "{condition}" is false' if condition else message or "skipped")
    if "censored" in raw:
        return replace(session, code="bad_result", reason="no_log hides the result: remove it from the task")
    if not message:
        return replace(session, code="bad_result", reason="the task ended without a result that can be read")
    return replace(session, code=session.code or "server_error", reason=message)
