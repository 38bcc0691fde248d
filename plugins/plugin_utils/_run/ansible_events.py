# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read Ansible's events: which tasks belong in a report, and what their results say. Nothing here raises.

Whether a session succeeded is the engine's decision. The controller only distrusts a result's form: `_believe`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ansible_collections.paranoid.backup.plugins.plugin_utils._record import nas, roll_call
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.model import Client, State, Work
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.results import SessionResult
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.sanitize import (
    take_mapping,
    take_mappings,
    take_text,
    take_word,
)

_SESSION = "paranoid.backup.session"
_VERBS = {"backup": Work.BACKUP, "maintain": Work.MAINTAIN}
_TASKS = {"paranoid.backup.compact": Work.COMPACT, "paranoid.backup.audit": Work.AUDIT}
_NO_WORDS = "non-zero return code"  # of ansible.builtin.command and its kin
_REHEARSAL = "paranoid.backup.rehearsal"
_REHEARSED = {"restore": Work.DRILL}  # Whoever opens an escrow sees himself whether it does.


def find_work(task: Any) -> Work | None:
    """Return the work that a task does, or None; what decides must be written out in the playbook."""
    names = (task.action, getattr(task, "resolved_action", None))
    for module, word, works in ((_SESSION, "verb", _VERBS), (_REHEARSAL, "what", _REHEARSED)):
        if module in names:
            told = take_mapping(task.args).get(word)
            return works.get(told) if isinstance(told, str) else None
    return next(filter(None, map(_TASKS.get, names)), None)


def is_roll_call(task: Any) -> bool:
    """Whether a task asks servers for their clients."""
    return roll_call.MODULE in (task.action, getattr(task, "resolved_action", None))


def is_nas_status(task: Any) -> bool:
    """Whether a task asks NAS how they are."""
    is_of_nas = nas.MODULE in (task.action, getattr(task, "resolved_action", None))
    return is_of_nas and take_mapping(task.args).get("ask", "status") == "status"


def list_answers(result: Any) -> list[Mapping[str, Any]]:
    """Return what each machine said, of a loop over them or of one alone; nothing if none was asked."""
    raw = take_mapping(result.result)
    was_empty = raw.get("results") == [] and getattr(result.task, "loop", None) is not None
    if raw.get("skipped") is True or was_empty:
        return []
    return take_mappings(raw.get("results")) or [{"item": take_text(result.task.delegate_to, 200), **raw}]


def find_works(play: Any) -> tuple[Work, ...]:
    """Return the works of a play's own tasks and its roles' tasks; includes are not seen before they run.

    Tags choose among them, but a play whose tags leave no work still counts as one with work.
    """
    tasks = [task for block in play.compile() for task in block.get_tasks() if find_work(task)]
    chosen = [task for task in tasks if task.evaluate_tags(play.only_tags, play.skip_tags, all_vars={})]
    return tuple(dict.fromkeys(filter(None, map(find_work, chosen or tasks))))


def format_host(name: str) -> str:
    """Return a host's name in the inventory, made printable, as the report writes it."""
    return take_text(name, 200)


def read_result(event: State, result: Any) -> Client:
    """Return how a client ended, from the result of a task with work; ``event`` is Ansible's word for the result."""
    raw = _last_round(result.result)
    work = find_work(result.task) or Work.BACKUP
    session = SessionResult.from_dict({**raw, **_nest_upkeep(work, raw)})
    state = _believe(event, work, raw, session)
    if state is not State.OK and not session.reason:
        session = _explain(session, state, raw, result.task.delegate_to)
    return Client(format_host(result.host.get_name()), state, session, work)


def read_failure(event: State, result: Any) -> Client:
    """Return the client that failed in another task, before its work."""
    raw = _last_round(result.result)
    session = _explain(SessionResult.from_dict({}), event, raw, result.task.delegate_to)
    task = take_text(result.task.get_name(), 100)
    reason = take_text(f'in the task "{task}": {session.reason}', 500)
    return Client(format_host(result.host.get_name()), event, replace(session, reason=reason))


def _last_round(raw: Any) -> Mapping[str, Any]:
    """Return the result, or of a loop the last round's."""
    result = take_mapping(raw)
    rounds = result.get("results")
    if "status" not in result and isinstance(rounds, list) and rounds:
        return take_mapping(rounds[-1])
    return result


def _nest_upkeep(work: Work, raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return the result of the server's own tasks under the key that the record has for it."""
    if work is Work.AUDIT and "verdict" in raw:
        return {"audit": raw}
    return {"compaction": raw} if work is Work.COMPACT and "freeable" in raw else {}


def _believe(event: State, work: Work, raw: Mapping[str, Any], session: SessionResult) -> State:
    """Return the state that a result supports: a broken, hidden (no_log) or contradictory one is a failure.

    OK takes Ansible's OK, the task's own ok, what only a task that did its work returns, no failure code, no alarm.
    """
    if event is not State.OK:
        return event
    status = "ok"
    if work in (Work.BACKUP, Work.MAINTAIN):
        status = take_word(raw.get("status"), frozenset({"ok", "skipped"}), "failed")
    proven = {
        Work.BACKUP: True,
        Work.MAINTAIN: session.maintain is not None,
        Work.COMPACT: session.compaction is not None and session.compaction.freeable is not None,
        Work.AUDIT: session.audit is not None,
        Work.DRILL: session.drill is not None,
    }[work]
    if session.has_alarm or (status == "ok" and (raw.get("code") or not proven)):
        return State.FAILED
    return State(status)


def _find_message(raw: Mapping[str, Any]) -> str:
    """Return what a result says of itself; of a failed command Ansible says only that, and it itself why."""
    message = take_text(raw.get("msg"), 500) or take_text(raw.get("module_stderr"), 400)
    said = str(raw.get("stderr", ""))[-4000:].strip().rpartition("\n")[2] if message == _NO_WORDS else ""
    return take_text(said, 400) or message


def _explain(session: SessionResult, state: State, raw: Mapping[str, Any], delegate: Any) -> SessionResult:
    """Return the session with a reason, made from what Ansible says of a result that has none."""
    message = _find_message(raw)
    server, why = take_text(delegate, 200), message or "no reason given"
    condition = take_text(str(raw.get("false_condition", "")), 200)
    match state:
        case _ if session.audit is not None and session.audit.verdict == "alarm":
            code, reason = session.code, "the audit raised an alarm"
        case State.UNREACHABLE if server:
            code = "server_error"
            reason = f"Ansible cannot reach {server}, the server that would run the session: {why}"
        case State.UNREACHABLE:
            code, reason = "unreachable", f"Ansible cannot reach this host: {why}"
        case State.SKIPPED if condition:
            code, reason = session.code, f'the condition "{condition}" is false'
        case State.SKIPPED:
            code, reason = session.code, message or "skipped"
        case _ if "censored" in raw:
            code, reason = "bad_result", "no_log hides the result: remove it from the task"
        case _ if not message:
            code, reason = "bad_result", "the task ended without a result that can be read"
        case _:
            code, reason = session.code or "server_error", message
    return replace(session, code=code, reason=take_text(reason, 500))
