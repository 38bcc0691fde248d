# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task told of a client: of anything that comes, as much as can be used. Nothing here raises."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.paranoid.backup.plugins.module_utils._common.errors import CODES
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.chain import parse_head
from ansible_collections.paranoid.backup.plugins.module_utils._session.protocol import UNKNOWN_LIMIT
from ansible_collections.paranoid.backup.plugins.plugin_utils._record import sanitize as untrusted


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
        planned = [*untrusted.mappings(plan.get("keep")), *untrusted.mappings(plan.get("drop"))]
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
class Ledger:
    """A server's ledger after a session. ``head``, the newest entry's number ``seq`` and hash, stands for all of it."""

    host: str
    seq: int
    head: str

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Ledger | None:
        """Return None for what names no entry; never raises."""
        try:
            head = parse_head(untrusted.text(raw.get("head"), 90))
        except ValueError:
            return None
        return cls(untrusted.text(raw.get("host"), 64), head.seq, str(head))


@dataclass(frozen=True, slots=True)
class Session:
    """What a task told: the result of a session, as docs/architecture.md lists it, or as much as others have of it."""

    session: str
    code: str
    reason: str
    began: str
    ended: str
    duration: float | None
    bytes_received: int | None
    bytes_sent: int | None
    archive: Archive | None
    gate: Gate
    audit: Audit | None
    maintain: Maintenance | None
    compaction: Compaction | None
    frozen: str
    ledger: Ledger | None
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
            began=untrusted.moment(raw.get("began")),
            ended=untrusted.moment(raw.get("ended")),
            duration=untrusted.seconds(raw.get("duration")),
            bytes_received=untrusted.count(raw.get("bytes_received")),
            bytes_sent=untrusted.count(raw.get("bytes_sent")),
            archive=Archive.from_dict(archive) if isinstance(archive, Mapping) else None,
            gate=Gate.from_dict(untrusted.mapping(raw.get("gate"))),
            audit=None if audit is None else Audit.from_dict(untrusted.mapping(audit)),
            maintain=Maintenance.from_dict(maintain) if isinstance(maintain, Mapping) else None,
            compaction=Compaction.from_dict(compaction) if isinstance(compaction, Mapping) else None,
            frozen=untrusted.text(raw.get("frozen"), 500),
            ledger=Ledger.from_dict(untrusted.mapping(raw.get("ledger"))),
            log=untrusted.text(raw.get("log"), 300),
            log_tail=untrusted.lines(raw.get("log_tail"), 20, 300),
        )
