# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an event of Ansible says about a client. The objects are ansible-core's; only their public names are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ansible_collections.paranoid.backup.plugins.plugin_utils import _untrusted as untrusted
from ansible_collections.paranoid.backup.plugins.plugin_utils._record import Client, Session, State

SESSION_ACTION = "paranoid.backup.session"


def is_backup(task: Any) -> bool:
    """Whether a task is a session with verb ``backup``, which must be written out in the playbook."""
    names = (task.action, getattr(task, "resolved_action", None))
    return SESSION_ACTION in names and untrusted.mapping(task.args).get("verb") == "backup"


def has_backup(play: Any) -> bool:
    """Whether a play's own tasks or its roles' tasks contain such a session; includes are not seen before they run."""
    return any(is_backup(task) for block in play.compile() for task in block.get_tasks())


def client_from(event: State, result: Any) -> Client:
    """Return what a backup task's last result says; ``event`` is Ansible's own word for the result.

    Only a result that says ``ok`` itself is believed to be one: a hidden (no_log) or a broken result is a failure.
    """
    raw = _last(result.result)
    said = raw.get("status")
    session = Session.from_dict(raw)
    state = event
    if event is State.OK:
        state = State(untrusted.word(said, frozenset({"ok", "skipped"}), "failed"))
    if session.audit is not None and session.audit.verdict == "alarm":
        state = State.FAILED if state is State.OK else state
    if state is not State.OK and not session.reason:
        session = _explain(session, state, raw, result.task.delegate_to)
    return Client(untrusted.text(result.host.get_name(), 200), state, session)


def failure_before(event: State, result: Any) -> Client:
    """Return the client that failed in another task, before its session."""
    raw = _last(result.result)
    session = _explain(Session.from_dict({}), event, raw, result.task.delegate_to)
    task = untrusted.text(result.task.get_name(), 100)
    reason = untrusted.text(f'in the task "{task}": {session.reason}', 500)
    return Client(untrusted.text(result.host.get_name(), 200), event, replace(session, reason=reason))


def _last(raw: Any) -> Mapping[str, Any]:
    """Of a loop, the last round counts."""
    result = untrusted.mapping(raw)
    rounds = result.get("results")
    if "status" not in result and isinstance(rounds, list) and rounds:
        return untrusted.mapping(rounds[-1])
    return result


def _explain(session: Session, state: State, raw: Mapping[str, Any], delegate: Any) -> Session:
    """Make a reason out of what Ansible gives for a result that has none."""
    message = untrusted.text(raw.get("msg"), 400) or untrusted.text(raw.get("module_stderr"), 400)
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
