# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of a run: what was planned, how each client ended, whether the mail was sent. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from ansible_collections.paranoid.backup.plugins.plugin_utils._record.nas import Nas
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.results import SessionResult
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.roll_call import Roll

SCHEMA = 2


class State(StrEnum):
    """How far a client came. In a finished run ``planned`` means that the client never had its turn."""

    PLANNED = "planned"
    RUNNING = "running"
    OK = "ok"
    FAILED = "failed"
    SKIPPED = "skipped"
    UNREACHABLE = "unreachable"


class Work(StrEnum):
    """What a run does with a client: two verbs of a session, two tasks of the server alone, and a restore tried."""

    BACKUP = "backup"
    MAINTAIN = "maintain"
    COMPACT = "compact"
    AUDIT = "audit"
    DRILL = "drill"


class MailState(StrEnum):
    """``none``: no mail is wanted; ``pending``: it is still to be sent; ``sent``: another machine has it.

    ``queued``: this machine's own mail system has it. ``failed``: it was not accepted for every recipient.
    ``waiting``: those who do not have it will get it from the runner's spool. ``later``: it is left to the report of
    several runs together.
    """

    NONE = "none"
    PENDING = "pending"
    QUEUED = "queued"
    SENT = "sent"
    FAILED = "failed"
    WAITING = "waiting"
    LATER = "later"


@dataclass(frozen=True, slots=True)
class Client:
    """One client of a run and one work; ``name`` is the inventory's, never what a client calls itself.

    ``began`` is when its work began, ISO 8601 UTC of the controller's clock, empty where it never did.
    """

    name: str
    state: State = State.PLANNED
    session: SessionResult | None = None
    work: Work = Work.BACKUP
    began: str = ""

    @property
    def has_failed(self) -> bool:
        """Whether it failed; a client that started and never ended has failed as well."""
        return self.state in (State.FAILED, State.UNREACHABLE, State.RUNNING)

    @property
    def has_alarm(self) -> bool:
        """Whether an audit raised an alarm in this run."""
        return self.session is not None and self.session.has_alarm

    @property
    def is_frozen(self) -> bool:
        """Whether the work was refused because of an earlier alarm; a backup goes on in spite of one."""
        return self.session is not None and self.session.code == "frozen"


@dataclass(frozen=True, slots=True)
class Mail:
    """Whether the mail was sent; ``error`` is one line, ``accepted`` are those that have it in spite of an error."""

    state: MailState
    to: tuple[str, ...] = ()
    error: str = ""
    accepted: tuple[str, ...] = ()

    @property
    def is_told(self) -> bool:
        """Whether nothing is left to be sent by the run itself."""
        return self.state not in (MailState.PENDING, MailState.FAILED, MailState.LATER)

    @property
    def is_away(self) -> bool:
        """Whether a mail has gone to all, or will without the run."""
        return self.is_told and self.state is not MailState.NONE


class NoticeState(StrEnum):
    """``waiting``: it could not be sent, and lies in the runner's spool; ``failed``: it will not be tried again."""

    SENT = "sent"
    WAITING = "waiting"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class SentNotice:
    """What came of a notice beside the mail; ``error`` is one line without anything secret."""

    name: str
    state: NoticeState
    error: str = ""


@dataclass(frozen=True, slots=True)
class Tally:
    """How many clients; ``succeeded + failed + skipped == total``. Those never run count as skipped.

    Where a run does several works, a client counts by its worst result.
    """

    total: int
    succeeded: int
    failed: int
    skipped: int
    not_run: int


@dataclass(frozen=True, slots=True)
class Run:
    """One playbook run. Times are ISO 8601 UTC of the controller's clock; ``finished`` is empty until the end.

    ``unheard`` are sentences about earlier runs that nobody has heard of, ``waiting`` about what of them has not
    reached everybody yet; ``roll`` is who is not there, None when no server was asked. ``nas`` is how each NAS is:
    empty where the inventory has none, None where none was asked. ``version`` is that of this collection, ``history``
    what the next run gets to know (`history.py`), None until then.
    """

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
    unheard: tuple[str, ...] = ()
    roll: Roll | None = None
    version: str = ""
    history: Mapping[str, Any] | None = None
    notices: tuple[SentNotice, ...] = ()
    nas: tuple[Nas, ...] | None = None
    waiting: tuple[str, ...] = ()

    @property
    def tally(self) -> Tally:
        """The clients, counted by how they ended."""
        failed = {client.name for client in self.clients if client.has_failed}
        not_run = {client.name for client in self.clients if client.state is State.PLANNED} - failed
        succeeded = {client.name for client in self.clients if client.state is State.OK} - failed - not_run
        total = len({client.name for client in self.clients})
        return Tally(total, len(succeeded), len(failed), total - len(succeeded) - len(failed), len(not_run))

    @property
    def works(self) -> tuple[Work, ...]:
        """What this run does, in its order."""
        return tuple(dict.fromkeys(client.work for client in self.clients))

    @property
    def is_told(self) -> bool:
        """Whether nothing is left to be sent, by mail or beside it."""
        return self.mail.is_told and not any(one.state is NoticeState.FAILED for one in self.notices)

    @property
    def status(self) -> str:
        """SUCCESS, or FAILURE if there was no client, one failed or never ran, or the run itself had a problem."""
        tally = self.tally
        good = self.finished and tally.total and not tally.failed and not tally.not_run and not self.problems
        return "SUCCESS" if good else "FAILURE"

    def to_dict(self) -> dict[str, Any]:
        """Return the record as plain JSON types, with status and tally for readers without this code."""
        return {
            "schema": SCHEMA,
            "status": self.status if self.finished else "RUNNING",
            "tally": asdict(self.tally),
            **asdict(self),
        }
