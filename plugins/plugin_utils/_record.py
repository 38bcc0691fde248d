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
UNKNOWN_LIMIT = 100  # a client tells no more
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
class ArchiveName:
    """An archive that is only mentioned. The name is a client's word, and may be empty."""

    id: str
    name: str

    @classmethod
    def listed(cls, raw: Any, names: Mapping[str, str], most: int) -> tuple[ArchiveName, ...]:
        """Take what can be used of a list of ids, named by ``names``, or of mappings of both; never raises."""
        entries = raw[:most] if isinstance(raw, (list, tuple)) else ()
        pairs = [
            (entry.get("id"), entry.get("name")) if isinstance(entry, Mapping) else (entry, "") for entry in entries
        ]
        ids = [(untrusted.text(one, 64), untrusted.text(name, 200)) for one, name in pairs]
        return tuple(cls(one, name or names.get(one, "")) for one, name in ids if one or name)


@dataclass(frozen=True, slots=True)
class Maintenance:
    """What verb ``maintain`` did; ``named`` is how many archives were to go, ``waiting`` why none were."""

    named: int | None
    deleted: tuple[ArchiveName, ...]
    kept: int | None
    missing: tuple[ArchiveName, ...]
    unknown: tuple[ArchiveName, ...]
    check: str
    waiting: str

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Maintenance:
        """Take what can be used of a result, whose plan knows the archives' names, or of a record; never raises."""
        plan, named = untrusted.mapping(raw.get("plan")), raw.get("named")
        planned = [*_entries(plan.get("keep")), *_entries(plan.get("drop"))]
        names = {untrusted.text(entry.get("id"), 64): untrusted.text(entry.get("name"), 200) for entry in planned}
        return cls(
            named=len(named) if isinstance(named, list) else untrusted.count(named),
            deleted=ArchiveName.listed(raw.get("deleted"), names, 1500),
            kept=untrusted.count(raw.get("kept")),
            missing=ArchiveName.listed(raw.get("missing"), names, 1000),
            unknown=ArchiveName.listed(raw.get("unknown"), {}, UNKNOWN_LIMIT),
            check=untrusted.word(raw.get("check"), frozenset({"ok", "failed", "skipped"}), ""),
            waiting=untrusted.text(raw.get("waiting"), 300),
        )


@dataclass(frozen=True, slots=True)
class Compaction:
    """What a compaction freed, in bytes; ``size_after`` is None when none was done, ``waiting`` says why."""

    size: int | None
    freeable: int | None
    size_after: int | None
    waiting: str

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Compaction:
        """Take what can be used of ``raw``; never raises."""
        return cls(
            size=untrusted.count(raw.get("size")),
            freeable=untrusted.count(raw.get("freeable")),
            size_after=untrusted.count(raw.get("size_after")),
            waiting=untrusted.text(raw.get("waiting"), 300),
        )


@dataclass(frozen=True, slots=True)
class Session:
    """What a task told: the result of a session, as docs/architecture.md lists it, or as much as others have of it."""

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
    maintain: Maintenance | None
    compaction: Compaction | None
    frozen: str
    log: str
    log_tail: tuple[str, ...]

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Session:
        """Take what can be used of a task's result, which may be anything; never raises."""
        archive, audit = raw.get("archive"), raw.get("audit")
        maintain, compaction = raw.get("maintain"), raw.get("compaction")
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
            maintain=Maintenance.from_dict(maintain) if isinstance(maintain, Mapping) else None,
            compaction=Compaction.from_dict(compaction) if isinstance(compaction, Mapping) else None,
            frozen=untrusted.text(raw.get("frozen"), 500),
            log=untrusted.text(raw.get("log"), 300),
            log_tail=untrusted.lines(raw.get("log_tail"), 20, 300),
        )


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
            clients=tuple(map(Client.from_dict, _entries(raw.get("clients")))),
            problems=untrusted.lines(raw.get("problems"), 100, 500),
        )


def _entries(raw: Any) -> list[Mapping[str, Any]]:
    return [entry for entry in raw if isinstance(entry, Mapping)] if isinstance(raw, (list, tuple)) else []


def valid_run_id(text: str) -> bool:
    """Whether ``text`` can be a run id, which is also the name of a directory."""
    return _RUN_ID.fullmatch(text) is not None
