# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ledger's entries: one frozen dataclass for each kind, and their canonical JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Any, TypeAlias

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

    The gate counted ``commits`` and ``manifests``; ``audit`` is the verdict, empty without an audit; the audit counted
    ``stored_objects`` and ``stored_bytes``, which the session added, and saw the object of the archive that ``came``
    (its id, empty for none). ``remarks`` and ``sources`` are the client's word, None where it gave none; ``content`` is
    what the server noticed of the archive (`_retention/content.py`); ``escrow`` is the digest of the ciphertext that
    the verb escrow brought. ``bytes_read`` were read back through the gate, ``held_objects`` and ``held_bytes`` lie in
    the repository afterwards; None is unknown. ``unusual`` is what was noticed of the session
    (`_retention/anomaly.py`), ``clock`` what is known of the server's clock (`_ledger/clock_watch.py`). ``versions``
    are those of Borg and borgmatic, the client's word.
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
    transaction: int | None = None
    archive: ReportedArchive | None = None
    audit: str = ""
    stored_objects: int = 0
    stored_bytes: int = 0
    came: str = ""
    remarks: dict[str, Any] | None = None
    sources: dict[str, Any] | None = None
    content: dict[str, Any] | None = None
    escrow: str = ""
    bytes_read: int | None = None
    held_objects: int | None = None
    held_bytes: int | None = None
    unusual: dict[str, Any] | None = None
    clock: dict[str, Any] | None = None
    versions: dict[str, str] | None = None

    @property
    def brought(self) -> bool:
        """Whether it brought an archive, whatever else it came to: the server itself saw that.

        Of a session that is ok the gate saw a commit with a manifest; of any other the audit saw the archive's object.
        """
        if self.verb != "backup" or self.archive is None:
            return False
        return self.arrived or self.came == self.archive.id

    @property
    def arrived(self) -> bool:
        """Whether its archive arrived and is a good one: the session was ok, and the gate saw a commit with a manifest.

        The ledger's column ``arrived`` says the same in SQL. The verb is compared by name, here as there: the ledger
        keeps the names of verbs and stands below `_session`, which defines them.
        """
        if self.verb != "backup" or self.archive is None:
            return False
        return self.status == "ok" and self.commits > 0 and self.manifests > 0


@dataclass(frozen=True)
class ArchiveEntry:
    """An archive that nobody named when it came: ``session`` failed, and ``transaction`` brought it.

    A client named it later, and the server knows by its object with which session it came.
    """

    client: str
    id: str
    name: str
    session: str
    transaction: int


@dataclass(frozen=True)
class AuditEntry:
    """An audit's verdict: clean, expected or alarm. ``gone`` counts objects, ``freeable`` is bytes."""

    client: str
    session: str
    verdict: str
    findings: tuple[str, ...] = ()
    transaction: int | None = None
    gone: int = 0
    freeable: int = 0


@dataclass(frozen=True)
class TrimEntry:
    """Ids of the archives that the server asked to delete, and of those deleted, whether asked for now or earlier."""

    client: str
    session: str
    requested: tuple[str, ...]
    deleted: tuple[str, ...]
    transaction: int | None = None


@dataclass(frozen=True)
class CompactionEntry:
    """A compaction on the server; sizes in bytes."""

    client: str
    size_before: int
    size_after: int
    transaction: int | None = None


@dataclass(frozen=True)
class FreezeEntry:
    """The repository is not compacted from now on. Entries of 0.1.0 have a sentence, ``reason``, and no alarm."""

    client: str
    reason: str = ""
    session: str = ""
    alarm: Alarm | None = None


@dataclass(frozen=True)
class UnfreezeEntry:
    """A person, ``by``, looked and lifted the freeze for this reason, and gave up the ``lost`` archives (ids)."""

    client: str
    reason: str
    by: str = ""
    lost: tuple[str, ...] = ()


@dataclass(frozen=True)
class RepositoryEntry:
    """A new, empty repository: the archives of the client's earlier ones no longer count."""

    client: str
    repository_id: str
    session: str = ""


@dataclass(frozen=True)
class RollbackEntry:
    """A rollback to an earlier state: the archives (ids) that were ``lost``, and those that came back, ``restored``."""

    client: str
    reason: str
    lost: tuple[str, ...] = ()
    transaction: int | None = None
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
    transaction: int | None = None
    restored: tuple[str, ...] = ()
    by: str = ""


@dataclass(frozen=True)
class AcceptEntry:
    """A person, ``by``, says that the client's archives (ids) are as small, and lie where they lie, on purpose.

    And that what was unusual about its ``sessions`` (ids) is meant.
    """

    client: str
    reason: str
    by: str = ""
    archives: tuple[str, ...] = ()
    sessions: tuple[str, ...] = ()


@dataclass(frozen=True)
class ClockEntry:
    """A person, ``by``, says that the server's clock is right now: ``clock`` is what is known of it from then on.

    It holds for the whole server, whichever client it was said of.
    """

    client: str
    reason: str
    by: str = ""
    clock: dict[str, Any] | None = None


@dataclass(frozen=True)
class RebuildEntry:
    """The server was lost and made again, with this client's repository as it lay on the dataset.

    ``source`` is where the ledger before this entry comes from: its ``copy`` beside the repositories, or nowhere
    (``anew``). The copy was whole up to ``head``, an entry of ``time``, and ended with number ``last``; ``known`` is
    the head that a person gave, such as a mail's.
    """

    client: str
    source: str
    head: str = ""
    known: str = ""
    time: str = ""
    last: int = 0


@dataclass(frozen=True)
class RehearsalEntry:
    """A person, ``by``, tried whether what is meant for a bad day works, and it did: ``what`` is escrow or restore.

    With the first, ``holder`` opened the ``escrow`` with this digest; with the second, the client brought ``files``
    and ``bytes`` back from the archive of this name, in ``seconds`` (0: not said). All of it is the word of who ran it.
    """

    client: str
    what: str
    by: str = ""
    holder: str = ""
    escrow: str = ""
    archive_name: str = ""
    files: int = 0
    bytes: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class ForgetEntry:
    """Ciphertexts (digests) of the key of ``repository_id`` were removed; ``holders`` could open these alone.

    Whoever kept a copy opens it as before: the key is the same.
    """

    client: str
    repository_id: str
    escrows: tuple[str, ...] = ()
    holders: tuple[str, ...] = ()
    by: str = ""


@dataclass(frozen=True)
class RetireEntry:
    """A person, ``by``, set the repository aside as it is, to ``place`` beside it, where no client reaches it.

    It held ``archives`` (a number) that the ledger knows, and is not destroyed before ``until`` (a date).
    """

    client: str
    reason: str
    by: str
    repository_id: str
    place: str
    until: str
    archives: int = 0


@dataclass(frozen=True)
class DestroyEntry:
    """A person, ``by``, had a repository destroyed that was retired earlier; ``size`` is what it had, in bytes."""

    client: str
    reason: str
    by: str
    repository_id: str
    size: int = 0


# Text, because ansible-test reads this as Python 3.9, which knows no | between classes.
Entry: TypeAlias = (
    "SessionEntry | ArchiveEntry | AuditEntry | TrimEntry | CompactionEntry | FreezeEntry | "
    "UnfreezeEntry | RepositoryEntry | RollbackEntry | ListEntry | AcceptEntry | "
    "ClockEntry | RebuildEntry | RehearsalEntry | ForgetEntry | RetireEntry | DestroyEntry"
)
KINDS: dict[str, type[Entry]] = {
    "session": SessionEntry,
    "archive": ArchiveEntry,
    "audit": AuditEntry,
    "trim": TrimEntry,
    "compaction": CompactionEntry,
    "freeze": FreezeEntry,
    "unfreeze": UnfreezeEntry,
    "repository": RepositoryEntry,
    "rollback": RollbackEntry,
    "list": ListEntry,
    "accept": AcceptEntry,
    "clock": ClockEntry,
    "rebuild": RebuildEntry,
    "rehearsal": RehearsalEntry,
    "forget": ForgetEntry,
    "retire": RetireEntry,
    "destroy": DestroyEntry,
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


class ArchiveState(StrEnum):
    """What an archive is worth, by its session: good, or its audit was an ``alarm``, or it ``failed`` otherwise."""

    GOOD = "good"
    ALARM = "alarm"
    FAILED = "failed"


@dataclass(frozen=True)
class KnownArchive:
    """An archive whose arrival the server itself recorded; ``name`` and sizes are the client's word.

    It is not ``good`` if its session's audit was an alarm, or if its session ``failed`` otherwise and nobody accepted
    the archive. ``transaction`` added it; ``stored_objects`` and ``stored_bytes`` were added with it.
    """

    id: str
    name: str
    arrival: datetime
    seq: int
    good: bool = True
    original_size: int = 0
    deduplicated_size: int = 0
    nfiles: int = 0
    transaction: int | None = None
    stored_objects: int = 0
    stored_bytes: int = 0
    failed: bool = False

    @property
    def state(self) -> ArchiveState:
        """What it is worth."""
        return ArchiveState.GOOD if self.good else ArchiveState.FAILED if self.failed else ArchiveState.ALARM


def encode(entry: Entry) -> tuple[str, str, str]:
    """Return kind, client and canonical JSON of ``entry``; every text is made printable, one line, and short enough."""
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
    """Return the entry that ``encode`` wrote, without a newer version's fields; ValueError if it is no entry."""
    try:
        entry_type, content = KINDS[kind], json.loads(body)
        entry: Entry = _build(entry_type, {**content, "client": client})
        return entry
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"not an entry of kind {kind}: {error}") from None


def make_session_entry(result: Mapping[str, Any]) -> SessionEntry:
    """Return the ledger's entry for a session's result, whose form docs/architecture.md describes."""
    gate, archive, audit = result["gate"], result["archive"], result["audit"]
    stored = result.get("stored") or {"objects": 0, "bytes": 0}
    held = result.get("held") or {"objects": None, "bytes": None}
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
        "held_objects": held["objects"],
        "held_bytes": held["bytes"],
        "escrow": (result.get("escrow") or {}).get("digest", "") if result["verb"] == "escrow" else "",
    }
    session: SessionEntry = _build(SessionEntry, content)
    return session


def _build(entry_type: Any, content: Mapping[str, Any]) -> Any:
    return entry_type(**{name: _restore(name, content[name]) for name in _names(entry_type) if name in content})


@cache
def _names(entry_type: Any) -> tuple[str, ...]:
    return tuple(item.name for item in fields(entry_type))


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
