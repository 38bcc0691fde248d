# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The results of tasks, read from untrusted input: what can be used is kept. Nothing here raises."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.paranoid.backup.plugins.module_utils._common.alarm import KINDS, WORDS, Alarm, alarm_from_words
from ansible_collections.paranoid.backup.plugins.module_utils._common.errors import CODES
from ansible_collections.paranoid.backup.plugins.module_utils._common.remarks import (
    PATH_LENGTH,
    PATHS_LIMIT,
    REMARK_WORDS,
)
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.chain import parse_head
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.escrow import ESCROW_STATES
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.rehearsals import REHEARSALS
from ansible_collections.paranoid.backup.plugins.module_utils._retention.signals import describe_signal
from ansible_collections.paranoid.backup.plugins.module_utils._session.protocol import (
    OWNER_LENGTH,
    OWNER_LIMIT,
    OWNER_TEXT,
    REFUSED_LENGTH,
    REFUSED_LIMIT,
    UNKNOWN_LIMIT,
)
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.sanitize import (
    take_count,
    take_lines,
    take_mapping,
    take_mappings,
    take_number,
    take_seconds,
    take_text,
    take_time,
    take_word,
)

WITNESSES_LIMIT = 20


@dataclass(frozen=True, slots=True)
class ArchiveResult:
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
    def from_dict(cls, raw: Mapping[str, Any]) -> ArchiveResult:
        """Take what can be used of ``raw``; never raises."""
        return cls(
            name=take_text(raw.get("name"), 200),
            id=take_text(raw.get("id"), 64),
            start=take_time(raw.get("start")),
            end=take_time(raw.get("end")),
            duration=take_seconds(raw.get("duration")),
            original_size=take_count(raw.get("original_size")),
            compressed_size=take_count(raw.get("compressed_size")),
            deduplicated_size=take_count(raw.get("deduplicated_size")),
            nfiles=take_count(raw.get("nfiles")),
        )


@dataclass(frozen=True, slots=True)
class GateResult:
    """What the gate counted in a session."""

    put: int | None
    delete: int | None
    commits: int | None
    manifests: int | None
    refused: tuple[str, ...]

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> GateResult:
        """Take what can be used of ``raw``; never raises."""
        return cls(
            put=take_count(raw.get("put")),
            delete=take_count(raw.get("delete")),
            commits=take_count(raw.get("commits")),
            manifests=take_count(raw.get("manifests")),
            refused=take_lines(raw.get("refused"), 20, 300),
        )


@dataclass(frozen=True, slots=True)
class AuditResult:
    """What the audit says; a verdict that cannot be read is an alarm."""

    verdict: str
    findings: tuple[str, ...]

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> AuditResult:
        """Take what can be used of ``raw``; never raises."""
        findings = take_lines(raw.get("findings"), 20, 300)
        verdict = take_word(raw.get("verdict"), frozenset({"clean", "expected", "alarm"}), "")
        return cls(verdict, findings) if verdict else cls("alarm", ("the audit's verdict cannot be read", *findings))


@dataclass(frozen=True, slots=True)
class ArchiveName:
    """An archive that a result names. The name comes from a client, and may be empty."""

    id: str
    name: str

    @classmethod
    def take_list(cls, raw: Any, names: Mapping[str, str], most: int) -> tuple[ArchiveName, ...]:
        """Take what can be used of a list of ids, named by ``names``, or of mappings of both; never raises."""
        entries = raw[:most] if isinstance(raw, (list, tuple)) else ()
        pairs = [
            (entry.get("id"), entry.get("name")) if isinstance(entry, Mapping) else (entry, "") for entry in entries
        ]
        ids = [(take_text(one, 64), take_text(name, 200)) for one, name in pairs]
        return tuple(cls(one, name or names.get(one, "")) for one, name in ids if one or name)


@dataclass(frozen=True, slots=True)
class MaintainResult:
    """What verb ``maintain`` did; ``named`` is how many archives were to go, ``waiting`` why none were."""

    named: int | None
    deleted: tuple[ArchiveName, ...]
    kept: int | None
    missing: tuple[ArchiveName, ...]
    unknown: tuple[ArchiveName, ...]
    check: str
    waiting: str
    by: str

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> MaintainResult:
        """Take what can be used of ``raw``, whose plan has the archives' names; never raises."""
        plan, named = take_mapping(raw.get("plan")), raw.get("named")
        planned = [*take_mappings(plan.get("keep")), *take_mappings(plan.get("drop"))]
        names = {take_text(entry.get("id"), 64): take_text(entry.get("name"), 200) for entry in planned}
        return cls(
            named=len(named) if isinstance(named, list) else take_count(named),  # a record has the number
            deleted=ArchiveName.take_list(raw.get("deleted"), names, 1500),
            kept=take_count(raw.get("kept")),
            missing=ArchiveName.take_list(raw.get("missing"), names, 1000),
            unknown=ArchiveName.take_list(raw.get("unknown"), {}, UNKNOWN_LIMIT),
            check=take_word(raw.get("check"), frozenset({"ok", "failed", "skipped"}), ""),
            waiting=take_text(raw.get("waiting"), 300),
            by=take_text(raw.get("by"), 64),
        )


@dataclass(frozen=True, slots=True)
class CompactResult:
    """What a compaction freed, in bytes; ``size_after`` is None when none was done, ``waiting`` says why."""

    size: int | None
    freeable: int | None
    size_after: int | None
    waiting: str

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> CompactResult:
        """Take what can be used of ``raw``; never raises."""
        return cls(
            size=take_count(raw.get("size")),
            freeable=take_count(raw.get("freeable")),
            size_after=take_count(raw.get("size_after")),
            waiting=take_text(raw.get("waiting"), 300),
        )


@dataclass(frozen=True, slots=True)
class WitnessResult:
    """Up to which entry a watch has signed the ledger, and when that was kept (ISO 8601); 0 and empty: not yet."""

    name: str
    seq: int
    time: str

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> WitnessResult:
        """Take what can be used of ``raw``; never raises."""
        return cls(take_text(raw.get("name"), 32), take_count(raw.get("seq")) or 0, take_time(raw.get("time")))


@dataclass(frozen=True, slots=True)
class LedgerHead:
    """A server's ledger after a session: ``head`` is its newest entry's number ``seq`` and hash.

    ``spare`` says why the copy of it beside the repositories is not as new, empty if it is; ``witnesses`` are those of
    the watches that the server knows.
    """

    host: str
    seq: int
    head: str
    spare: str = ""
    witnesses: tuple[WitnessResult, ...] = ()

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> LedgerHead | None:
        """Return None for what names no entry; never raises."""
        try:
            head = parse_head(take_text(raw.get("head"), 90))
        except ValueError:
            return None
        witnesses = tuple(map(WitnessResult.from_dict, take_mappings(raw.get("witnesses"))[:WITNESSES_LIMIT]))
        return cls(take_text(raw.get("host"), 64), head.seq, str(head), take_text(raw.get("spare"), 500), witnesses)


def _take_remarks(raw: Any) -> dict[str, dict[str, Any]] | None:
    """Return what can be used of remarks, as `_common/remarks.py` has them, None for none; never raises."""
    if not isinstance(raw, Mapping):
        return None
    told = {kind: take_mapping(raw[kind]) for kind in REMARK_WORDS if kind in raw}
    counts = {
        kind: (take_count(one.get("count")) or 0, take_count(one.get("accepted")) or 0) for kind, one in told.items()
    }
    return {
        kind: {
            "count": count,
            "accepted": min(accepted, count),
            "paths": _take_paths(told[kind].get("paths")),
        }
        for kind, (count, accepted) in counts.items()
    }


def _take_paths(raw: Any) -> list[str]:
    listed = raw[:PATHS_LIMIT] if isinstance(raw, (list, tuple)) else ()
    return [take_text(path, PATH_LENGTH) for path in listed]


def _take_sources(raw: Any) -> dict[str, list[str]] | None:
    """Return the lines about sources that were refused, None where nothing was said of sources; never raises."""
    if not isinstance(raw, Mapping):
        return None
    refused = raw.get("refused")
    lines = refused[:REFUSED_LIMIT] if isinstance(refused, (list, tuple)) else ()
    return {"refused": [take_text(line, REFUSED_LENGTH) for line in lines]}


@dataclass(frozen=True, slots=True)
class OwnerResult:
    """What the owner of a client says by files of his own; ``off`` is why he wants no backup, empty if he does.

    ``why`` and ``asked`` are of his request for a tunnel; ``asked``, a time, is empty without one.
    """

    off: str
    why: str
    asked: str
    sources: tuple[str, ...]
    excludes: int
    hooks: tuple[str, ...]
    skipped: tuple[str, ...]

    @classmethod
    def from_dict(cls, raw: Any) -> OwnerResult | None:
        """Take what can be used of ``raw``, None where nothing was said; never raises."""
        if not isinstance(raw, Mapping):
            return None
        request = take_mapping(raw.get("request"))
        return cls(
            off=take_text(raw.get("off"), OWNER_TEXT),
            why=take_text(request.get("why"), OWNER_TEXT),
            asked=take_time(request.get("made")),
            sources=take_lines(raw.get("sources"), OWNER_LIMIT, OWNER_LENGTH),
            excludes=take_count(raw.get("excludes")) or 0,
            hooks=take_lines(raw.get("hooks"), OWNER_LIMIT, OWNER_LENGTH),
            skipped=take_lines(raw.get("skipped"), OWNER_LIMIT, OWNER_LENGTH),
        )


def _take_versions(raw: Any) -> dict[str, str]:
    """Return which Borg and borgmatic a client says that it has; never raises."""
    told = take_mapping(raw)
    return {name: text for name in ("borg", "borgmatic") if (text := take_text(told.get(name), 40))}


def _take_content(raw: Any) -> dict[str, Any] | None:
    """Return what the server noticed of an archive's content, None where it did not look; never raises."""
    if not isinstance(raw, Mapping):
        return None
    lost = {name: list(take_lines(raw.get(name), REFUSED_LIMIT, REFUSED_LENGTH)) for name in ("unmounted", "emptied")}
    return {"shrunk": take_text(raw.get("shrunk"), 200), "meant": raw.get("meant") is True, **lost}


@dataclass(frozen=True, slots=True)
class UnusualResult:
    """What is unlike the sessions before this one, as lines; ``since`` is when an anomaly began that waits.

    ``normal`` of ``needed`` backups have followed it without a signal; ``expected`` is until when a change is expected.
    """

    signals: tuple[str, ...]
    anomaly: bool
    expected: str
    since: str
    normal: int
    needed: int

    @property
    def is_waiting(self) -> bool:
        """Whether retention waits for a person, because of this session or an earlier one."""
        return self.anomaly or bool(self.since)

    @classmethod
    def from_dict(cls, raw: Any) -> UnusualResult | None:
        """Take what can be used of ``raw``, None where nobody looked; never raises."""
        if not isinstance(raw, Mapping):
            return None
        return cls(
            signals=tuple(describe_signal(_take_signal(one)) for one in take_mappings(raw.get("signals"))[:20]),
            anomaly=raw.get("anomaly") is True,
            expected=take_text(raw.get("expected"), 10),
            since=take_time(raw.get("since")),
            normal=take_count(raw.get("normal")) or 0,
            needed=take_count(raw.get("needed")) or 0,
        )


def _take_signal(raw: Mapping[str, Any]) -> dict[str, Any]:
    numbers = {key: take_number(raw.get(key)) or 0.0 for key in ("value", "low", "high")}
    return {"name": take_text(raw.get("name"), 40), **numbers}


def _take_alarm(raw: Any) -> Alarm | None:
    """Return what can be used of an alarm, of which results of 0.1.0 have only the words; never raises."""
    if isinstance(raw, str) and raw:
        return alarm_from_words("", take_text(raw, 500))
    content = take_mapping(raw)
    findings = content.get("findings")
    if not isinstance(findings, (list, tuple)):
        return None
    return Alarm(
        kind=take_word(content.get("kind"), KINDS, WORDS),
        client=take_text(content.get("client"), 200),
        findings=take_lines(findings[:20], 20, 500),
        since=take_time(content.get("since")),
    )


@dataclass(frozen=True, slots=True)
class Rehearsals:
    """When somebody last opened the client's escrow, and brought something back; ``overdue`` are those too long ago."""

    escrow: str
    restore: str
    overdue: tuple[str, ...]

    @classmethod
    def from_dict(cls, raw: object) -> Rehearsals | None:
        """Take what can be used of it; None where the server told of none, as one of 0.1.0 does."""
        if not isinstance(raw, Mapping):
            return None
        overdue = tuple(what for what in take_lines(raw.get("overdue"), 5, 20) if what in REHEARSALS)
        return cls(take_time(raw.get("escrow")), take_time(raw.get("restore")), overdue)


@dataclass(frozen=True, slots=True)
class DrillResult:
    """What a restore that was only tried brought: from which archive, and how many entries."""

    archive_name: str
    files: int | None

    @classmethod
    def from_dict(cls, raw: object) -> DrillResult | None:
        """Take what can be used of it; None where nothing was tried."""
        if not isinstance(raw, Mapping):
            return None
        return cls(take_text(raw.get("archive_name"), 200), take_count(raw.get("files")))


@dataclass(frozen=True, slots=True)
class SessionResult:
    """The result of a session, as docs/architecture.md lists it; compact, audit and drill have a part of it."""

    session: str
    code: str
    reason: str
    began: str
    ended: str
    duration: float | None
    bytes_received: int | None
    bytes_sent: int | None
    archive: ArchiveResult | None
    gate: GateResult
    audit: AuditResult | None
    maintain: MaintainResult | None
    compaction: CompactResult | None
    drill: DrillResult | None
    remarks: dict[str, dict[str, Any]] | None
    sources: dict[str, list[str]] | None
    owner: OwnerResult | None
    content: dict[str, Any] | None
    unusual: UnusualResult | None
    clock: str
    alarm: Alarm | None
    frozen: Alarm | None
    ledger: LedgerHead | None
    escrow: str
    rehearsals: Rehearsals | None
    rebuilt: tuple[str, ...]
    log: str
    log_tail: tuple[str, ...]
    versions: dict[str, str]

    @property
    def has_alarm(self) -> bool:
        """Whether an audit raised an alarm, now and not earlier."""
        return self.code == "alarm" or (self.audit is not None and self.audit.verdict == "alarm")

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> SessionResult:
        """Take what can be used of a task's result, which may be anything; never raises."""
        archive, audit = raw.get("archive"), raw.get("audit")
        maintain, compaction = raw.get("maintain"), raw.get("compaction")
        return cls(
            session=take_text(raw.get("session"), 32),
            code=take_word(raw.get("code"), frozenset(CODES), ""),
            reason=take_text(raw.get("reason"), 500),
            began=take_time(raw.get("began")),
            ended=take_time(raw.get("ended")),
            duration=take_seconds(raw.get("duration")),
            bytes_received=take_count(raw.get("bytes_received")),
            bytes_sent=take_count(raw.get("bytes_sent")),
            archive=ArchiveResult.from_dict(archive) if isinstance(archive, Mapping) else None,
            gate=GateResult.from_dict(take_mapping(raw.get("gate"))),
            audit=None if audit is None else AuditResult.from_dict(take_mapping(audit)),
            maintain=MaintainResult.from_dict(maintain) if isinstance(maintain, Mapping) else None,
            compaction=CompactResult.from_dict(compaction) if isinstance(compaction, Mapping) else None,
            drill=DrillResult.from_dict(raw.get("drill")),
            remarks=_take_remarks(raw.get("remarks")),
            sources=_take_sources(raw.get("sources")),
            owner=OwnerResult.from_dict(raw.get("owner")),
            content=_take_content(raw.get("content")),
            unusual=UnusualResult.from_dict(raw.get("unusual")),
            clock=take_text(take_mapping(raw.get("clock")).get("doubt"), 300),
            alarm=_take_alarm(raw.get("alarm")),
            frozen=_take_alarm(raw.get("frozen")),
            ledger=LedgerHead.from_dict(take_mapping(raw.get("ledger"))),
            escrow=take_word(take_mapping(raw.get("escrow")).get("state"), ESCROW_STATES, ""),
            rehearsals=Rehearsals.from_dict(raw.get("rehearsals")),
            rebuilt=take_lines(raw.get("rebuilt"), 20, 500),
            log=take_text(raw.get("log"), 300),
            log_tail=take_lines(raw.get("log_tail"), 20, 300),
            versions=_take_versions(raw.get("versions")),
        )
