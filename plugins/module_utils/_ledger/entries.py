# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the ledger can hold: one frozen dataclass for each kind of entry, and their canonical JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any, Optional, Union

from ansible_collections.paranoid.backup.plugins.module_utils._common.alarm import Alarm
from ansible_collections.paranoid.backup.plugins.module_utils._common.text import one_line

TEXT_LIMIT = 500  # characters of any one text
FINDINGS_LIMIT = 50
BODY_LIMIT = 256 * 1024  # bytes of an entry


class LedgerError(Exception):
    """The ledger cannot be read or written; the message is one line that names the file and what to do."""


@dataclass(frozen=True)
class ReportedArchive:
    """An archive as a session reported it. Sizes are bytes, ``duration`` seconds; the times are the client's word."""

    id: str
    name: str
    start: str = ""
    end: str = ""
    duration: float = 0.0
    original_size: int = 0
    compressed_size: int = 0
    deduplicated_size: int = 0
    nfiles: int = 0


@dataclass(frozen=True)
class SessionEntry:
    """One session as it ended; the fields are those of its result in docs/architecture.md.

    ``commits`` and ``manifests`` are what the gate saw; ``audit`` is the verdict, empty when none was made;
    ``stored_objects`` and ``stored_bytes`` are what the audit found to have come.
    """

    client: str
    verb: str
    session: str
    run_id: str
    status: str
    code: str = ""
    reason: str = ""
    started: str = ""
    finished: str = ""
    duration: float = 0.0
    bytes_received: int = 0
    bytes_sent: int = 0
    commits: int = 0
    manifests: int = 0
    refused: int = 0
    transaction: Optional[int] = None
    archive: Optional[ReportedArchive] = None
    audit: str = ""
    stored_objects: int = 0
    stored_bytes: int = 0

    @property
    def arrived(self) -> bool:
        """Whether its archive arrived: the session was ok, and the gate saw a commit with a manifest.

        The ledger's column ``arrived`` says the same in SQL.
        """
        proven = self.status == "ok" and self.commits > 0 and self.manifests > 0
        return self.verb == "backup" and proven and self.archive is not None


@dataclass(frozen=True)
class AuditEntry:
    """A verdict on a repository: clean, expected or alarm. ``gone`` counts objects, ``freeable`` is bytes."""

    client: str
    session: str
    verdict: str
    findings: tuple[str, ...] = ()
    transaction: Optional[int] = None
    gone: int = 0
    freeable: int = 0


@dataclass(frozen=True)
class TrimEntry:
    """Archives (ids) that the server asked to delete, and those that were deleted, asked for now or earlier."""

    client: str
    session: str
    requested: tuple[str, ...]
    deleted: tuple[str, ...]
    transaction: Optional[int] = None


@dataclass(frozen=True)
class CompactionEntry:
    """A compaction on the server; sizes in bytes."""

    client: str
    size_before: int
    size_after: int
    transaction: Optional[int] = None


@dataclass(frozen=True)
class FreezeEntry:
    """From now on the repository is not compacted. Entries of 0.1.0 have a sentence, ``reason``, and no alarm."""

    client: str
    reason: str = ""
    session: str = ""
    alarm: Optional[Alarm] = None


@dataclass(frozen=True)
class UnfreezeEntry:
    """A person has looked: ``by`` lifted the freeze for this reason."""

    client: str
    reason: str
    by: str = ""


@dataclass(frozen=True)
class RepositoryEntry:
    """A new, empty repository: what earlier ones of this client held is history."""

    client: str
    repository_id: str
    session: str = ""


@dataclass(frozen=True)
class RollbackEntry:
    """The repository went back to an earlier state: ``lost`` archives (ids) went, ``restored`` ones came back."""

    client: str
    reason: str
    lost: tuple[str, ...] = ()
    transaction: Optional[int] = None
    restored: tuple[str, ...] = ()


@dataclass(frozen=True)
class ListEntry:
    """The list of archives became that of transaction ``kept`` again.

    ``lost`` archives (ids) are not on it, because they came later; ``restored`` ones are on it and were lost before.
    """

    client: str
    reason: str
    kept: int
    lost: tuple[str, ...] = ()
    transaction: Optional[int] = None
    restored: tuple[str, ...] = ()
    by: str = ""


Entry = Union[
    SessionEntry,
    AuditEntry,
    TrimEntry,
    CompactionEntry,
    FreezeEntry,
    UnfreezeEntry,
    RepositoryEntry,
    RollbackEntry,
    ListEntry,
]
KINDS: dict[str, type[Entry]] = {
    "session": SessionEntry,
    "audit": AuditEntry,
    "trim": TrimEntry,
    "compaction": CompactionEntry,
    "freeze": FreezeEntry,
    "unfreeze": UnfreezeEntry,
    "repository": RepositoryEntry,
    "rollback": RollbackEntry,
    "list": ListEntry,
}
_NESTED: dict[str, Any] = {"archive": ReportedArchive, "alarm": Alarm}
_KIND_OF = {entry_type: kind for kind, entry_type in KINDS.items()}


@dataclass(frozen=True)
class LedgerRow:
    """An entry at its place in the chain; ``time`` is the server's clock at the append, UTC."""

    seq: int
    time: datetime
    kind: str
    client: str
    hash: str
    entry: Entry


@dataclass(frozen=True)
class KnownArchive:
    """An archive whose arrival the server itself recorded. Not ``good`` when its session's audit was an alarm.

    ``transaction`` is the one that brought it; ``stored_objects`` and ``stored_bytes`` are what came with it.
    """

    id: str
    name: str
    arrival: datetime
    seq: int
    good: bool = True
    original_size: int = 0
    deduplicated_size: int = 0
    nfiles: int = 0
    transaction: Optional[int] = None
    stored_objects: int = 0
    stored_bytes: int = 0


def encode(entry: Entry) -> tuple[str, str, str]:
    """Return kind, client and canonical JSON of ``entry``: every text printable, in one line and capped."""
    content = {name: _clean(name, value) for name, value in asdict(entry).items()}
    client = content.pop("client")
    if not client or client != entry.client:
        raise LedgerError(f"the ledger takes no entry for a client named {one_line(repr(entry.client), 80)}")
    try:
        body = json.dumps(content, ensure_ascii=True, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise LedgerError(f"the ledger takes no such entry for client {client}: {error}") from None
    if len(body) > BODY_LIMIT:
        raise LedgerError(f"the ledger takes no entry of {len(body)} bytes for client {client}: at most {BODY_LIMIT}")
    return _KIND_OF[type(entry)], client, body


def decode(kind: str, client: str, body: str) -> Entry:
    """Return the entry that ``encode`` wrote; fields of a newer version are left out. ValueError when it is none."""
    try:
        entry_type, content = KINDS[kind], json.loads(body)
        entry: Entry = _build(entry_type, {**content, "client": client})
        return entry
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"not an entry of kind {kind}: {error}") from None


def make_session_entry(result: Mapping[str, Any]) -> SessionEntry:
    """Return the ledger's entry for a session's result of the form in docs/architecture.md."""
    gate, archive, audit = result["gate"], result["archive"], result["audit"]
    stored = result.get("stored") or {"objects": 0, "bytes": 0}
    content = {
        **result,
        "commits": gate["commits"],
        "manifests": gate["manifests"],
        "transaction": gate.get("transaction"),
        "refused": len(gate["refused"]),
        "archive": archive,
        "audit": audit["verdict"] if audit else "",
        "stored_objects": stored["objects"],
        "stored_bytes": stored["bytes"],
    }
    session: SessionEntry = _build(SessionEntry, content)
    return session


def _build(entry_type: Any, content: Mapping[str, Any]) -> Any:
    values = {item.name: _restore(item.name, content[item.name]) for item in fields(entry_type) if item.name in content}
    return entry_type(**values)


def _restore(name: str, value: Any) -> Any:
    if name in _NESTED and value is not None:
        return _build(_NESTED[name], value)
    return tuple(value) if isinstance(value, list) else value


def _clean(name: str, value: Any) -> Any:
    if isinstance(value, str):
        return one_line(value, TEXT_LIMIT)
    if isinstance(value, dict):
        return {key: _clean(key, item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        kept = value[:FINDINGS_LIMIT] if name == "findings" else value
        more = [f"and {len(value) - len(kept)} more"] if len(value) > len(kept) else []
        return [_clean(name, item) for item in kept] + more
    return value
