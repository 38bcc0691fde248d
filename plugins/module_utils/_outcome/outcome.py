# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a session came to: the words for it, and the record that the report and the ledger get."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ansible_collections.paranoid.backup.plugins.module_utils._common.alarm import Alarm
from ansible_collections.paranoid.backup.plugins.module_utils._common.clock import Moment


@dataclass(frozen=True)
class GateSummary:
    """What the gates of one session saw. Bytes are those of the tunnel, both ways as seen from the server.

    ``read`` are the bytes of the objects that were asked for; what a gate did not tell counts as all that was sent.
    ``transaction`` is the last one that was committed, None without any.
    """

    connections: int = 0
    received: int = 0
    sent: int = 0
    put: int = 0
    delete: int = 0
    commits: int = 0
    manifests: int = 0
    transaction: int | None = None
    refused: tuple[str, ...] = ()
    trouble: str | None = None
    detail: str = ""
    read: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return what a result has under ``gate``; bytes have keys of their own there, trouble became its code."""
        counted = ("put", "delete", "commits", "manifests", "transaction")
        return {**{name: getattr(self, name) for name in counted}, "refused": list(self.refused)}


@dataclass(frozen=True)
class Conclusion:
    """``status`` is ok, failed or skipped; ``code`` is empty when ok, else one of CODES.

    ``alarm`` is what lies behind the codes ``alarm`` and ``frozen``.
    """

    status: str
    code: str = ""
    reason: str = ""
    alarm: Alarm | None = None


@dataclass(frozen=True)
class Outcome:
    """The result of a session, as docs/architecture.md lists it; ``repository`` is the id of the one that it made.

    ``remarks`` are as `_common/remarks.py` says, ``sources`` as the answer has them, ``content`` as
    `_retention/content.py` says; None where nobody told of any. ``came`` is the id of the archive whose object the
    audit saw come, empty for none. ``held`` is what lies in the repository afterwards. ``unusual`` is as
    `_retention/anomaly.py` says, ``clock`` as `_ledger/clock_watch.py`: ``moment`` is when the session began, ``ahead``
    by how many seconds the server's clock was ahead of the controller's then, None if that told nothing.
    ``versions`` are those of Borg and borgmatic, in the client's own words.
    ``rehearsals`` are as `rehearsals.py` says, None where the ledger was not asked.
    """

    client: str
    verb: str
    session: str
    run_id: str
    conclusion: Conclusion
    started: str
    finished: str
    duration: float
    changed: bool = False
    archive: dict[str, Any] | None = None
    info: dict[str, Any] | None = None
    maintain: dict[str, Any] | None = None
    remarks: dict[str, Any] | None = None
    sources: dict[str, Any] | None = None
    owner: dict[str, Any] | None = None
    content: dict[str, Any] | None = None
    escrow: dict[str, Any] | None = None
    gate: GateSummary = field(default_factory=GateSummary)
    log: str = ""
    log_tail: tuple[str, ...] = ()
    audit: dict[str, Any] | None = None
    frozen: Alarm | None = None
    rehearsals: dict[str, Any] | None = None
    stored: dict[str, int] | None = None
    held: dict[str, int | None] | None = None
    came: str = ""
    unusual: dict[str, Any] | None = None
    clock: dict[str, Any] | None = None
    moment: Moment | None = None
    ahead: float | None = None
    ledger: dict[str, Any] | None = None
    repository: str = ""
    versions: dict[str, str] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the documented result, made of plain JSON types."""
        return {
            "client": self.client,
            "verb": self.verb,
            "session": self.session,
            "run_id": self.run_id,
            "status": self.conclusion.status,
            "code": self.conclusion.code,
            "reason": self.conclusion.reason,
            "archive": self.archive,
            "info": self.info,
            "maintain": self.maintain,
            "remarks": self.remarks,
            "sources": self.sources,
            "owner": self.owner,
            "content": self.content,
            "escrow": self.escrow,
            "began": self.started,
            "ended": self.finished,
            "duration": self.duration,
            "bytes_received": self.gate.received,
            "bytes_sent": self.gate.sent,
            "bytes_read": self.gate.read,
            "gate": self.gate.to_dict(),
            "log": self.log,
            "log_tail": list(self.log_tail),
            "audit": self.audit,
            "alarm": self.conclusion.alarm.to_dict() if self.conclusion.alarm else None,
            "frozen": self.frozen.to_dict() if self.frozen else None,
            "rehearsals": self.rehearsals,
            "stored": self.stored,
            "held": self.held,
            "came": self.came,
            "versions": self.versions,
            "unusual": self.unusual,
            "clock": self.clock,
            "ledger": self.ledger,
        }
