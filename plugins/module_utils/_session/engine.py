# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine: a session is one ssh connection from the server to a client that performs one verb.

`run` tells the story. What is written, and in which order: the intent, before the client is asked for anything; after
the audit the ledger's entries, then the baseline, then the intent is cleared, and only then the client's lock is free.
Wherever this is cut off, the next session's `recover` finds either an intent or nothing that it would have to know.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from typing import Any

from ansible_collections.paranoid.backup.plugins.module_utils._audit.owners import keep_index
from ansible_collections.paranoid.backup.plugins.module_utils._audit.stored import audit_since_baseline
from ansible_collections.paranoid.backup.plugins.module_utils._audit.verdict import Budget
from ansible_collections.paranoid.backup.plugins.module_utils._borg import repository as place
from ansible_collections.paranoid.backup.plugins.module_utils._common.clock import stamp, utc_now
from ansible_collections.paranoid.backup.plugins.module_utils._common.errors import SessionError
from ansible_collections.paranoid.backup.plugins.module_utils._common.locks import client_lock, port_lock, slot
from ansible_collections.paranoid.backup.plugins.module_utils._common.process import SSH, account, spawn
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.bookkeeping import (
    record_and_advance,
    record_session,
)
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.crash_recovery import recover
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.escrow import (
    describe_state,
    keep_escrow,
    take_recipients,
)
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.intent import Intent, write_intent
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.outcome import Conclusion, Outcome
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.rebuilt import refuse_rebuilt
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.spare import refuse_lost
from ansible_collections.paranoid.backup.plugins.module_utils._retention.trim_plan import TrimPlan, plan_trim
from ansible_collections.paranoid.backup.plugins.module_utils._session import ssh
from ansible_collections.paranoid.backup.plugins.module_utils._session.conversation import Conversation
from ansible_collections.paranoid.backup.plugins.module_utils._session.directory import (
    SSH_LOG_LIMIT,
    is_full,
    make_session_dir,
    read_ssh_log,
    removing,
    session_socket,
)
from ansible_collections.paranoid.backup.plugins.module_utils._session.evidence import Evidence
from ansible_collections.paranoid.backup.plugins.module_utils._session.gates import GateOrder, Gates
from ansible_collections.paranoid.backup.plugins.module_utils._session.log import SessionLog, rotate
from ansible_collections.paranoid.backup.plugins.module_utils._session.order import (
    Order,
    Session,
    is_called_off,
    load_session,
    make_blank,
    raise_flag,
)
from ansible_collections.paranoid.backup.plugins.module_utils._session.progress import showing_progress
from ansible_collections.paranoid.backup.plugins.module_utils._session.protocol import request_line
from ansible_collections.paranoid.backup.plugins.module_utils._session.sshd import answering
from ansible_collections.paranoid.backup.plugins.module_utils._session.trim_result import TrimResult
from ansible_collections.paranoid.backup.plugins.module_utils._session.verbs import CheckMode, Proof
from ansible_collections.paranoid.backup.plugins.module_utils._session.verdict import decide

_CALLED_OFF = "not started: an earlier client of this run failed, and the run stops at the first failure"


def perform(order: Order) -> Outcome:
    """Hold one session and return its outcome; whatever goes wrong is in it, nothing is raised for it."""
    blank = make_blank(order)
    try:
        session = load_session(order, blank)
    except SessionError as error:
        return replace(blank, finished=stamp(), conclusion=Conclusion("failed", error.code, error.reason))
    with closing(session.site):
        try:
            outcome = run(session)
        except SessionError as error:
            outcome = _record_unheld(session, Conclusion("failed", error.code, error.reason, error.alarm))
        except OSError as error:
            reason = f"the server cannot work: {error}"
            outcome = _record_unheld(session, Conclusion("failed", "server_error", reason))
    if outcome.conclusion.status == "failed":
        raise_flag(session.site.server, order)
    return outcome


def run(session: Session) -> Outcome:
    """Acquire, recover, plan, converse, decide, record: all of it under the client's lock."""
    with acquiring(session):
        if is_called_off(session):
            return _record_unheld(session, Conclusion("skipped", "fail_fast", _CALLED_OFF))
        repository_id = recover_repository(session)
        if session.verb.changes and not (session.verb.makes_repository and repository_id):
            refuse_rebuilt(session.site)
        plan = make_plan(session) if session.verb.trims else None
        foretold = foretell(session, repository_id, plan)
        if foretold is not None:
            return foretold
        with logging(session) as log:
            note_intent(session, repository_id, plan)
            seen = asyncio.run(converse(session, repository_id, plan, log))
            result = TrimResult.of(plan, seen) if plan else None
            conclusion, came = take_escrow(session, judge(session, seen, result), seen)
            log.say(f"server: {conclusion.status} {conclusion.reason}")
        outcome = record(session, conclusion, seen, result, log)
        return replace(outcome, changed=True) if came else outcome


@contextmanager
def acquiring(session: Session) -> Iterator[None]:
    """Hold the client's lock, the performer's port where it has only one, and one of the server's slots."""
    server, patience = session.site.server, session.deadlines.total
    os.makedirs(server.run_dir, mode=0o755, exist_ok=True)
    with ExitStack() as held:
        held.enter_context(client_lock(server.run_dir, session.site.name, session.note))
        if session.peer.client.transport == "ssh":
            note = f"{session.note}, for {session.site.name}"
            held.enter_context(port_lock(server.run_dir, session.peer.name, note, patience))
        held.enter_context(slot(server.run_dir, server.slots, patience))
        yield


def recover_repository(session: Session) -> str | None:
    """Return the repository's id once what was cut off is in order; None if this session is to make it."""
    place.check_place(session.site)
    if session.verb.makes_repository:
        if place.recorded_id(session.site) is not None:
            return place.check_repository(session.site)
        refuse_lost(session.site)
        return None
    repository_id = place.check_repository(session.site)
    if not session.order.check:
        recover(session.site)
    return repository_id


def make_plan(session: Session) -> TrimPlan:
    """Return what a maintenance asks for now."""
    return plan_trim(session.site, utc_now(), session.order.delete_unknown, session.blank.ahead)


def foretell(session: Session, repository_id: str | None, plan: TrimPlan | None) -> Outcome | None:
    """Return the outcome if it is known without the client: nothing is to be made, or this is check mode."""
    if session.verb.makes_repository and repository_id is not None:
        return session.end(Conclusion("ok"))
    if not session.order.check or session.verb.check_mode is CheckMode.LOOK:
        return None
    changed = bool(plan.named) if plan else True
    return session.end(Conclusion("ok"), changed=changed, maintain=TrimResult.of(plan).to_dict() if plan else None)


@contextmanager
def logging(session: Session) -> Iterator[SessionLog]:
    """Open the session's log, and keep as many of them as the server is to keep."""
    server = session.site.server
    directory = os.path.join(server.log_dir, session.site.name)
    moment = session.blank.started.replace(":", "").replace("-", "")
    log = SessionLog(directory, f"{moment}-{session.performed.name}-{session.id[:8]}")
    try:
        if session.by_keyholder:
            log.say(f"server: {session.performer.name} performs it")
        yield log
    finally:
        log.close()
        rotate(directory, server.log_keep)


def note_intent(session: Session, repository_id: str | None, plan: TrimPlan | None) -> None:
    """Write down what is about to begin, where there is something that could be changed."""
    if repository_id is None or session.order.check:
        return
    blank = session.blank
    budget, named = (plan.budget, plan.named) if plan else (Budget(), ())
    if named:
        keep_index(session.site)
    intent = Intent(session.id, blank.verb, blank.run_id, blank.started, session.verb.policy, budget, named)
    write_intent(session.site, intent)


async def converse(session: Session, repository_id: str | None, plan: TrimPlan | None, log: SessionLog) -> Evidence:
    """Open the gate, let ssh carry the request, and return what was seen until all of it has ended."""
    session.site.close()  # Nobody keeps the ledger open for the hours that a client may take.
    verb, site = session.performed, session.site
    talk = Conversation(verb.name, session.id, session.deadlines, log)
    options, kept = (plan.gate_options(), plan.kept.to_json()) if plan else ((), b"")
    order = GateOrder(verb.policy, repository_id, verb.at_once, verb.at_all, options, kept)
    gates = Gates(site, order, log, talk.touch)
    login = account(site.server.login_user)
    directory, ssh_log = make_session_dir(site, login.pw_uid, login.pw_gid)
    with removing(directory):
        socket_path, group = session_socket(session.peer, directory, login.pw_gid)
        async with answering(session.peer, socket_path, directory, login.pw_gid, log) as target:
            gates.listen(socket_path, group)
            argv = ssh.command(session.peer, session.id, target, ssh_log, int(session.deadlines.connect))
            pipe = asyncio.subprocess.PIPE
            try:
                limits = replace(SSH, file_size=SSH_LOG_LIMIT)
                process = await spawn(argv, login, {}, limits, stdin=pipe, stdout=pipe, stderr=pipe)
            except (OSError, SessionError):
                await gates.close(0)
                raise
            request = request_line(verb.name, session.id, _details(session, plan))
            shown = (site.server.run_dir, site.name, session.id, session.order.run_id)
            async with showing_progress(*shown, gates.count_bytes):
                seen = await talk.hold(process, gates, request)
        if is_full(ssh_log):  # Whatever deadline passed meanwhile.
            seen = replace(seen, deadline="", protocol=f"it made ssh log more than {SSH_LOG_LIMIT // 1024} KiB")
        return replace(seen, ssh_log=read_ssh_log(ssh_log))


def judge(session: Session, seen: Evidence, result: TrimResult | None) -> Conclusion:
    """Return what the session came to, by itself."""
    return decide(session.performed, session.performer, seen, result, session.verb)


def record(
    session: Session, conclusion: Conclusion, seen: Evidence, result: TrimResult | None, log: SessionLog
) -> Outcome:
    """Audit what was done, put both into the ledger, and let the next audit begin from here."""
    ok, told = conclusion.status == "ok", seen.result
    made, escrow = session.verb.makes_repository and ok, describe_state(session.site)
    outcome = session.end(
        conclusion,
        changed=_is_changed(session, ok, seen),
        repository=place.record_repository(session.site, stamp()) if made else "",
        archive=told.archive if told and session.performed.brings_archive else None,
        info=told.info if told else None,
        remarks=told.remarks if told else None,
        sources=told.sources if told else None,
        versions=told.versions if told else None,
        owner=told.owner if told else None,
        escrow=escrow,
        maintain={**result.to_dict(), "by": session.peer.name} if result else None,
        gate=seen.gate,
        log=log.path,
        log_tail=log.tail,
    )
    if session.order.check:
        return outcome
    budget = result.plan.budget if result else None
    going = frozenset(result.plan.named) if result else frozenset()
    claimed = str(outcome.archive["id"]) if outcome.archive else ""
    found, baseline = audit_since_baseline(session.site, session.verb.policy, budget, going, claimed)
    return record_and_advance(session.site, outcome, found, baseline)


def _record_unheld(session: Session, conclusion: Conclusion) -> Outcome:
    """Record a session that came to nothing which would have to be audited."""
    outcome = session.end(conclusion)
    return outcome if session.order.check else record_session(session.site, outcome)


def _is_changed(session: Session, ok: bool, seen: Evidence) -> bool:
    if session.verb.trims:
        return seen.gate.delete > 0
    return session.verb.changes and not session.order.check and ok


def take_escrow(session: Session, conclusion: Conclusion, seen: Evidence) -> tuple[Conclusion, bool]:
    """Keep what the verb escrow brought; return what the session then came to, and whether something new came."""
    told = seen.result.escrow if seen.result and conclusion.status == "ok" else None
    if not told or session.performed.proof is not Proof.ESCROW:
        return conclusion, False
    try:
        came = keep_escrow(session.site, told["ciphertext"], take_recipients(told["recipients"]), stamp())
    except SessionError as error:
        return Conclusion("failed", error.code, error.reason), False
    except OSError as error:
        reason = f"the escrow of {session.site.name} cannot be kept: {error}"
        return Conclusion("failed", "server_error", reason), False
    return conclusion, came


def _details(session: Session, plan: TrimPlan | None) -> dict[str, Any] | None:
    """Return what the request has beyond verb and session."""
    if plan is None:
        return None
    other = {"client": session.site.name} if session.by_keyholder else {}
    return {**plan.request(), **other}
