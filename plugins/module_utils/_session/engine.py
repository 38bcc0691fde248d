# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A session: one ssh connection from the server to a client that performs one verb. The engine."""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.paranoid.backup.plugins.module_utils._audit.stored import audit_since_baseline
from ansible_collections.paranoid.backup.plugins.module_utils._audit.verdict import Budget
from ansible_collections.paranoid.backup.plugins.module_utils._borg import repository as place
from ansible_collections.paranoid.backup.plugins.module_utils._common.clock import stamp, utc_now
from ansible_collections.paranoid.backup.plugins.module_utils._common.errors import SessionError
from ansible_collections.paranoid.backup.plugins.module_utils._common.locks import client_lock, port_lock, slot
from ansible_collections.paranoid.backup.plugins.module_utils._common.names import is_run_id, valid_client_name
from ansible_collections.paranoid.backup.plugins.module_utils._common.process import account, spawn
from ansible_collections.paranoid.backup.plugins.module_utils._config.server import (
    ClientConfig,
    ConfigError,
    ServerConfig,
    load_client,
    load_peer,
    load_server,
)
from ansible_collections.paranoid.backup.plugins.module_utils._config.site import Site
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.bookkeeping import (
    record_and_advance,
    record_session,
)
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.crash_recovery import recover
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.intent import Intent, write_intent
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.outcome import Conclusion, Outcome
from ansible_collections.paranoid.backup.plugins.module_utils._retention.trim_plan import TrimPlan, plan_trim
from ansible_collections.paranoid.backup.plugins.module_utils._session import ssh
from ansible_collections.paranoid.backup.plugins.module_utils._session.conversation import Conversation, Deadlines
from ansible_collections.paranoid.backup.plugins.module_utils._session.directory import (
    beginning,
    emptied,
    make_session_dir,
    session_socket,
)
from ansible_collections.paranoid.backup.plugins.module_utils._session.gates import GateOrder, Gates
from ansible_collections.paranoid.backup.plugins.module_utils._session.log import SessionLog, rotate
from ansible_collections.paranoid.backup.plugins.module_utils._session.protocol import request_line
from ansible_collections.paranoid.backup.plugins.module_utils._session.trim_result import (
    advised,
    judge_maintenance,
    told,
)
from ansible_collections.paranoid.backup.plugins.module_utils._session.verdict import Evidence, decide

POLICIES = {"create": "create", "backup": "append", "info": "read", "open": "read", "maintain": "trim"}


@dataclass(frozen=True)
class Order:
    """What is asked of the engine. Timeouts are seconds and, where None, those of the records."""

    client: str
    verb: str
    run_id: str = ""
    fail_fast: bool = False
    check: bool = False
    config_dir: str = "/etc/paranoid-backup"
    connect_timeout: int | None = None
    idle_timeout: int | None = None
    total_timeout: int | None = None
    open_for: int = 3600
    delete_unknown: list[str] = field(default_factory=list)


def perform(order: Order) -> Outcome:
    """Hold one session and return its outcome; whatever goes wrong is in it, nothing is raised for it."""
    blank = Outcome(order.client, order.verb, secrets.token_hex(16), order.run_id, Conclusion("ok"), stamp(), "", 0.0)
    try:
        session = _Session(order, blank)
    except SessionError as error:
        return replace(blank, finished=stamp(), conclusion=Conclusion("failed", error.code, error.reason))
    except ConfigError as error:
        return replace(blank, finished=stamp(), conclusion=Conclusion("failed", "not_provisioned", str(error)))
    return session.perform()


class _Session:
    """The steps of one session, in the order in which they are taken."""

    def __init__(self, order: Order, blank: Outcome) -> None:
        self._order = order
        self._blank = blank
        self._began = time.monotonic()
        self._errand: TrimPlan | None = None
        if not valid_client_name(order.client) or (order.run_id and not is_run_id(order.run_id)):
            raise SessionError("not_provisioned", "the name of the client or of the run is not a valid name")
        self._server: ServerConfig = load_server(order.config_dir)
        try:
            self._client: ClientConfig = load_client(order.config_dir, order.client)
            self._peer: ClientConfig = load_peer(order.config_dir, self._client, order.verb)
            self._site = Site(self._server, self._client)
        except ConfigError:
            self._raise_flag()
            raise

    def perform(self) -> Outcome:
        """Return the outcome once it is in the ledger, and other sessions of the run can see that it failed."""
        with closing(self._site):
            outcome = self._attempt()
            if not outcome.finished:  # It came to nothing that had to be audited.
                outcome = self._ended(outcome)
                if not self._order.check:
                    outcome = record_session(self._site, outcome)
        if outcome.conclusion.status == "failed":
            self._raise_flag()
        return outcome

    def _attempt(self) -> Outcome:
        try:
            return self._guarded()
        except SessionError as error:
            verdict = Conclusion("failed", error.code, error.reason, error.alarm)
        except OSError as error:
            verdict = Conclusion("failed", "server_error", f"the server cannot work: {error}")
        return replace(self._blank, conclusion=verdict)

    def _guarded(self) -> Outcome:
        order, run_dir = self._order, self._server.run_dir
        os.makedirs(run_dir, mode=0o755, exist_ok=True)
        holder = f"session {self._blank.session[:8]}, verb {order.verb}, since {self._blank.started}"
        with ExitStack() as held:
            held.enter_context(client_lock(run_dir, order.client, holder))
            if self._peer.transport == "ssh":
                port_holder = f"{holder}, for {order.client}"
                held.enter_context(port_lock(run_dir, self._peer.client, port_holder, self._deadlines().total))
            held.enter_context(slot(run_dir, self._server.slots, self._deadlines().total))
            if order.fail_fast and os.path.exists(self._flag()):
                reason = "not started: an earlier client of this run failed, and the run stops at the first failure"
                return replace(self._blank, conclusion=Conclusion("skipped", "fail_fast", reason))
            return self._locked()

    def _locked(self) -> Outcome:
        order = self._order
        place.check_place(self._site)
        if order.verb == "create":
            if place.recorded_id(self._site) is not None:
                place.check_repository(self._site)
                return self._blank
            if order.check:
                return replace(self._blank, changed=True)
            return self._logged(repository_id=None)
        repository_id = place.check_repository(self._site)
        if not order.check:
            recover(self._site)
        if order.verb == "maintain":
            self._errand = plan_trim(self._site, utc_now(), order.delete_unknown)
            if order.check:
                return replace(self._blank, changed=bool(self._errand.named), maintain=told(self._errand))
        return self._logged(repository_id)

    def _logged(self, repository_id: str | None) -> Outcome:
        directory = os.path.join(self._server.log_dir, self._order.client)
        moment = self._blank.started.replace(":", "").replace("-", "")
        verb = self._verb()
        log = SessionLog(directory, f"{moment}-{verb}-{self._blank.session[:8]}")
        if self._peer is not self._client:
            log.say(f"server: {self._performer()} performs it")
        if repository_id is not None and not self._order.check:
            write_intent(self._site, self._underway())
        try:
            seen = asyncio.run(self._converse(verb, repository_id, log))
            verdict = decide(verb, replace(self._peer, client=self._performer()), seen)
            if self._errand and verdict.status == "ok":
                verdict = judge_maintenance(self._client.client, self._performer(), self._errand, seen)
            elif self._errand:
                verdict = advised(verdict)
            log.say(f"server: {verdict.status} {verdict.reason}")
        finally:
            log.close()
            rotate(directory, self._server.log_keep)
        return self._examined(self._outcome(verdict, seen, log))

    def _examined(self, outcome: Outcome) -> Outcome:
        outcome = self._ended(outcome)
        if self._order.check:
            return outcome
        budget = self._errand.budget if self._errand else None
        found, baseline = audit_since_baseline(self._site, POLICIES[self._order.verb], budget)
        return record_and_advance(self._site, outcome, found, baseline)

    def _ended(self, outcome: Outcome) -> Outcome:
        return replace(outcome, finished=stamp(), duration=round(time.monotonic() - self._began, 3))

    def _underway(self) -> Intent:
        blank, errand = self._blank, self._errand
        budget, named = (errand.budget, errand.named) if errand else (Budget(), ())
        return Intent(blank.session, blank.verb, blank.run_id, blank.started, POLICIES[blank.verb], budget, named)

    async def _converse(self, verb: str, repository_id: str | None, log: SessionLog) -> Evidence:
        self._site.close()  # Nobody keeps the ledger open for the hours that a client may take.
        talk = Conversation(verb, self._blank.session, self._deadlines(), log)
        reading = POLICIES[verb] == "read"
        errand = self._errand
        options = errand.gate_options() if errand else ()
        at_once, at_all = (4, 1000) if reading else (1, 64)
        order = GateOrder(POLICIES[verb], repository_id, at_once, at_all, options)
        gates = Gates(self._site, order, log, talk.touch)
        login = account(self._server.login_user)
        directory, ssh_log = make_session_dir(self._site, login.pw_uid, login.pw_gid)
        with emptied(directory):
            socket_path, group = session_socket(Site(self._server, self._peer), directory, login.pw_gid)
            gates.listen(socket_path, group)
            limit = int(self._deadlines().connect)
            argv = ssh.command(Site(self._server, self._peer), self._blank.session, socket_path, ssh_log, limit)
            pipe = asyncio.subprocess.PIPE
            try:
                process = await spawn(argv, login, {}, stdin=pipe, stdout=pipe, stderr=pipe)
            except (OSError, SessionError):
                await gates.close(0)
                raise
            request = request_line(verb, self._blank.session, self._asked())
            seen = await talk.hold(process, gates, request)
            return replace(seen, ssh_log=beginning(ssh_log))

    def _outcome(self, verdict: Conclusion, seen: Evidence, log: SessionLog) -> Outcome:
        if self._order.verb == "create" and verdict.status == "ok":
            place.record_repository(self._site, stamp())
        result = seen.result
        return replace(
            self._blank,
            conclusion=verdict,
            changed=self._changed(verdict, seen),
            archive=result.archive if result and verdict.status == "ok" else None,
            info=result.info if result else None,
            maintain=told(self._errand, seen) if self._errand else None,
            gate=seen.gate,
            log=log.path,
            log_tail=log.tail,
        )

    def _changed(self, verdict: Conclusion, seen: Evidence) -> bool:
        if self._order.verb == "maintain":
            return seen.gate.delete > 0
        return self._order.verb in ("create", "backup") and not self._order.check and verdict.status == "ok"

    def _asked(self) -> dict[str, Any] | None:
        """Return what the request has beyond verb and session."""
        if self._errand is None:
            return None
        other = {} if self._peer is self._client else {"client": self._client.client}
        return {**self._errand.request(), **other}

    def _performer(self) -> str:
        """Return what to call the host that performs the verb."""
        if self._peer is self._client:
            return self._client.client
        return f"{self._peer.client} (keyholder of {self._client.client})"

    def _verb(self) -> str:
        """In check mode, look through the whole path instead of writing an archive through it."""
        return "info" if self._order.check else self._order.verb

    def _deadlines(self) -> Deadlines:
        order, client, server = self._order, self._client, self._server
        staying = order.verb == "open"
        return Deadlines(
            connect=order.connect_timeout or client.connect_timeout or server.connect_timeout,
            idle=None if staying else order.idle_timeout or client.idle_timeout or server.idle_timeout,
            total=order.total_timeout or client.total_timeout or server.total_timeout,
            close=server.close_timeout,
            stay=order.open_for if staying else None,
        )

    def _flag(self) -> str:
        return os.path.join(self._server.run_dir, "runs", f"{self._order.run_id}.failed")

    def _raise_flag(self) -> None:
        if not self._order.run_id:
            return
        os.makedirs(os.path.dirname(self._flag()), mode=0o700, exist_ok=True)
        with open(self._flag(), "w", encoding="utf-8") as handle:
            handle.write(self._order.client + "\n")
