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

from ansible_collections.paranoid.backup.plugins.module_utils._outcome import CODES
from ansible_collections.paranoid.backup.plugins.plugin_utils import _untrusted as untrusted

SCHEMA = 1
_RUN_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,63}", re.ASCII)


class State(StrEnum):
    """How far a client came. A finished run's ``planned`` means: it was never this client's turn."""

    PLANNED = "planned"
    RUNNING = "running"
    OK = "ok"
    FAILED = "failed"
    SKIPPED = "skipped"
    UNREACHABLE = "unreachable"


class MailState(StrEnum):
    """``none``: no mail is wanted; ``pending``: it is still to be sent."""

    NONE = "none"
    PENDING = "pending"
    SENT = "sent"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Archive:
    """The archive that a session made. Sizes are bytes, ``duration`` is seconds; None is unknown."""

    name: str
    id: str
    start: str
    end: str
    duration: float | None
    original_size: int | None
    compressed_size: int | None
    deduplicated_size: int | None
    nfiles: int | None

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Archive:
        """Take what can be used of ``raw``; never raises."""
        return cls(
            name=untrusted.text(raw.get("name"), 200),
            id=untrusted.text(raw.get("id"), 64),
            start=untrusted.moment(raw.get("start")),
            end=untrusted.moment(raw.get("end")),
            duration=untrusted.seconds(raw.get("duration")),
            original_size=untrusted.count(raw.get("original_size")),
            compressed_size=untrusted.count(raw.get("compressed_size")),
            deduplicated_size=untrusted.count(raw.get("deduplicated_size")),
            nfiles=untrusted.count(raw.get("nfiles")),
        )


@dataclass(frozen=True, slots=True)
class Gate:
    """What the gate counted in a session."""

    put: int | None
    delete: int | None
    commits: int | None
    manifests: int | None
    refused: tuple[str, ...]

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Gate:
        """Take what can be used of ``raw``; never raises."""
        return cls(
            put=untrusted.count(raw.get("put")),
            delete=untrusted.count(raw.get("delete")),
            commits=untrusted.count(raw.get("commits")),
            manifests=untrusted.count(raw.get("manifests")),
            refused=untrusted.lines(raw.get("refused"), 20, 300),
        )


@dataclass(frozen=True, slots=True)
class Audit:
    """What the audit says; a verdict that cannot be read is an alarm."""

    verdict: str
    findings: tuple[str, ...]

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Audit:
        """Take what can be used of ``raw``; never raises."""
        findings = untrusted.lines(raw.get("findings"), 20, 300)
        verdict = untrusted.word(raw.get("verdict"), frozenset({"clean", "expected", "alarm"}), "")
        return cls(verdict, findings) if verdict else cls("alarm", ("the audit's verdict cannot be read", *findings))


@dataclass(frozen=True, slots=True)
class Session:
    """The result of a session with verb ``backup``, as docs/architecture.md lists it."""

    session: str
    code: str
    reason: str
    started: str
    finished: str
    duration: float | None
    bytes_received: int | None
    bytes_sent: int | None
    archive: Archive | None
    gate: Gate
    audit: Audit | None
    log: str
    log_tail: tuple[str, ...]

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Session:
        """Take what can be used of a task's result, which may be anything; never raises."""
        archive, audit = raw.get("archive"), raw.get("audit")
        return cls(
            session=untrusted.text(raw.get("session"), 32),
            code=untrusted.word(raw.get("code"), frozenset(CODES), ""),
            reason=untrusted.text(raw.get("reason"), 500),
            started=untrusted.moment(raw.get("started")),
            finished=untrusted.moment(raw.get("finished")),
            duration=untrusted.seconds(raw.get("duration")),
            bytes_received=untrusted.count(raw.get("bytes_received")),
            bytes_sent=untrusted.count(raw.get("bytes_sent")),
            archive=Archive.from_dict(archive) if isinstance(archive, Mapping) else None,
            gate=Gate.from_dict(untrusted.mapping(raw.get("gate"))),
            audit=None if audit is None else Audit.from_dict(untrusted.mapping(audit)),
            log=untrusted.text(raw.get("log"), 300),
            log_tail=untrusted.lines(raw.get("log_tail"), 20, 300),
        )


@dataclass(frozen=True, slots=True)
class Client:
    """One client of a run; ``name`` is the inventory's, never what a client calls itself."""

    name: str
    state: State = State.PLANNED
    session: Session | None = None

    @property
    def failed(self) -> bool:
        """A client that started and never came to an end has failed as well."""
        return self.state in (State.FAILED, State.UNREACHABLE, State.RUNNING)

    @property
    def alarm(self) -> bool:
        """Whether the audit of its session raised an alarm."""
        return self.session is not None and self.session.audit is not None and self.session.audit.verdict == "alarm"

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Client:
        """Take what can be used of ``raw``; never raises. An unknown state is a failure."""
        session = raw.get("session")
        return cls(
            name=untrusted.text(raw.get("name"), 200),
            state=State(untrusted.word(raw.get("state"), frozenset(State), State.FAILED)),
            session=Session.from_dict(session) if isinstance(session, Mapping) else None,
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
    """How many clients; ``succeeded + failed + skipped == total``. Those never run count as skipped."""

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
        total = len(self.clients)
        succeeded = sum(client.state is State.OK for client in self.clients)
        failed = sum(client.failed for client in self.clients)
        not_run = sum(client.state is State.PLANNED for client in self.clients)
        return Tally(total, succeeded, failed, total - succeeded - failed, not_run)

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
        listed = raw.get("clients")
        clients = [entry for entry in listed if isinstance(entry, Mapping)] if isinstance(listed, list) else []
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
            clients=tuple(map(Client.from_dict, clients)),
            problems=untrusted.lines(raw.get("problems"), 100, 500),
        )


def valid_run_id(text: str) -> bool:
    """Whether ``text`` can be a run id, which is also the name of a directory."""
    return _RUN_ID.fullmatch(text) is not None
