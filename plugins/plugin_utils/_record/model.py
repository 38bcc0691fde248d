# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of a run: what was planned, what came of each client, whether the mail went out. No I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from ansible_collections.paranoid.backup.plugins.plugin_utils._record import sanitize as untrusted
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.results import Session

SCHEMA = 2
_RUN_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,63}", re.ASCII)


class State(StrEnum):
    """How far a client came. A finished run's ``planned`` means: it was never this client's turn."""

    PLANNED = "planned"
    RUNNING = "running"
    OK = "ok"
    FAILED = "failed"
    SKIPPED = "skipped"
    UNREACHABLE = "unreachable"


class Work(StrEnum):
    """What a run does with a client: two verbs of a session, and two tasks of the server alone."""

    BACKUP = "backup"
    MAINTAIN = "maintain"
    COMPACT = "compact"
    AUDIT = "audit"


class MailState(StrEnum):
    """``none``: no mail is wanted; ``pending``: it is still to be sent."""

    NONE = "none"
    PENDING = "pending"
    SENT = "sent"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Client:
    """One client of a run and one work; ``name`` is the inventory's, never what a client calls itself."""

    name: str
    state: State = State.PLANNED
    session: Session | None = None
    work: Work = Work.BACKUP

    @property
    def failed(self) -> bool:
        """A client that started and never came to an end has failed as well."""
        return self.state in (State.FAILED, State.UNREACHABLE, State.RUNNING)

    @property
    def alarm(self) -> bool:
        """Whether an audit raised an alarm now."""
        session = self.session
        audited = session.audit if session else None
        return session is not None and (session.code == "alarm" or (audited is not None and audited.verdict == "alarm"))

    @property
    def frozen(self) -> bool:
        """Whether nothing was done because of an earlier alarm; a backup goes on in spite of one."""
        return self.session is not None and self.session.code == "frozen"

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Client:
        """Take what can be used of ``raw``; never raises. An unknown state is a failure."""
        session = raw.get("session")
        return cls(
            name=untrusted.text(raw.get("name"), 200),
            state=State(untrusted.word(raw.get("state"), frozenset(State), State.FAILED)),
            session=Session.from_dict(session) if isinstance(session, Mapping) else None,
            work=Work(untrusted.word(raw.get("work"), frozenset(Work), Work.BACKUP)),
        )


@dataclass(frozen=True, slots=True)
class Mail:
    """What became of the mail; ``error`` is one line."""

    state: MailState
    to: tuple[str, ...] = ()
    error: str = ""

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Mail:
        """Take what can be used of ``raw``; never raises. An unknown state is ``pending``."""
        return cls(
            state=MailState(untrusted.word(raw.get("state"), frozenset(MailState), MailState.PENDING)),
            to=untrusted.lines(raw.get("to"), 100, 320),
            error=untrusted.text(raw.get("error"), 500),
        )


@dataclass(frozen=True, slots=True)
class Tally:
    """How many clients; ``succeeded + failed + skipped == total``. Those never run count as skipped.

    Where a run does several works, the worst that came of a client counts.
    """

    total: int
    succeeded: int
    failed: int
    skipped: int
    not_run: int


@dataclass(frozen=True, slots=True)
class Run:
    """One playbook run. Times are ISO 8601 UTC of the controller's clock; ``finished`` is empty until the end."""

    run_id: str
    title: str
    controller: str
    user: str
    playbook: str
    check: bool
    started: str
    finished: str
    mail: Mail
    clients: tuple[Client, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def tally(self) -> Tally:
        """Count the clients by what became of them."""
        failed = {client.name for client in self.clients if client.failed}
        not_run = {client.name for client in self.clients if client.state is State.PLANNED} - failed
        succeeded = {client.name for client in self.clients if client.state is State.OK} - failed - not_run
        total = len({client.name for client in self.clients})
        return Tally(total, len(succeeded), len(failed), total - len(succeeded) - len(failed), len(not_run))

    @property
    def works(self) -> tuple[Work, ...]:
        """What this run does, in its order."""
        return tuple(dict.fromkeys(client.work for client in self.clients))

    @property
    def status(self) -> str:
        """Return SUCCESS or FAILURE. What was not seen to succeed is no success: no client, one not run, a problem."""
        tally = self.tally
        good = self.finished and tally.total and not tally.failed and not tally.not_run and not self.problems
        return "SUCCESS" if good else "FAILURE"

    def to_dict(self) -> dict[str, Any]:
        """Return the record as plain JSON types, with status and tally for whoever reads it without this code."""
        return {
            "schema": SCHEMA,
            "status": self.status if self.finished else "RUNNING",
            "tally": asdict(self.tally),
            **asdict(self),
        }

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Run:
        """Take what can be used of a record; never raises."""
        return cls(
            run_id=untrusted.text(raw.get("run_id"), 64),
            title=untrusted.text(raw.get("title"), 80),
            controller=untrusted.text(raw.get("controller"), 255),
            user=untrusted.text(raw.get("user"), 64),
            playbook=untrusted.text(raw.get("playbook"), 255),
            check=raw.get("check") is True,
            started=untrusted.moment(raw.get("started")),
            finished=untrusted.moment(raw.get("finished")),
            mail=Mail.from_dict(untrusted.mapping(raw.get("mail"))),
            clients=tuple(map(Client.from_dict, untrusted.mappings(raw.get("clients")))),
            problems=untrusted.lines(raw.get("problems"), 100, 500),
        )


def valid_run_id(text: str) -> bool:
    """Whether ``text`` can be a run id, which is also the name of a directory."""
    return _RUN_ID.fullmatch(text) is not None
