# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit after each session: was history touched? Told without any key, at the cost of the session alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Optional

from ansible_collections.paranoid.backup.plugins.module_utils._audit.baseline import Baseline
from ansible_collections.paranoid.backup.plugins.module_utils._audit.changes import Changes, TooMany, read_changes
from ansible_collections.paranoid.backup.plugins.module_utils._audit.segment_listing import (
    Listing,
    config_digest,
    free_nonce,
)
from ansible_collections.paranoid.backup.plugins.module_utils._borg.index import (
    Head,
    Unreadable,
    freeable_bytes,
    index_find,
    index_head,
)
from ansible_collections.paranoid.backup.plugins.module_utils._borg.segments import (
    MANIFEST_ID,
    PUT_HEADER,
    Broken,
    File,
    entries,
)

CLEAN, EXPECTED, ALARM = "clean", "expected", "alarm"
_NONCE_LEAP = 2**44  # blocks of 16 bytes: several connections of one session, each bounded by the gate
_ARCHIVE_SIZE = 128  # bytes that one archive takes in a stored manifest, at most
_MANIFEST_SLACK = 24  # bytes by which equal lists of archives differ once they are compressed
_COMPRESSIBLE = 3  # no compression makes a list of archives so many times smaller: half of it is ids
_ENTRIES_SLACK = 64  # bytes of entries around each deletion or commit


@dataclass(frozen=True)
class Budget:
    """What a session may delete: objects, stored bytes, archives."""

    objects: int = 0
    bytes: int = 0
    archives: int = 0


@dataclass(frozen=True)
class AuditVerdict:
    """The audit's word (clean, expected, alarm), its findings as sentences, and the changes behind them."""

    verdict: str
    findings: tuple[str, ...]
    changes: Changes = field(default_factory=Changes)


def audit(
    repository: str,
    baseline: Optional[Baseline],
    policy: str,
    budget: Optional[Budget] = None,
    compression: str = "",
) -> tuple[AuditVerdict, Optional[Baseline]]:
    """Judge what happened since ``baseline`` under ``policy`` (create, append, read, trim); no session may be open.

    ``compression`` is what the operator tells the client to use: when it changes, so may the size of the manifest.
    Without a baseline there is nothing to compare with: the verdict is clean, and the state is the first baseline.
    What lies on the disk raises nothing: a repository that cannot be read is an alarm, with ``baseline`` back.
    """
    try:
        if baseline is None:
            return AuditVerdict(CLEAN, ()), _look(repository)
        allowed = budget if budget is not None and policy == "trim" else Budget()
        return _compare(repository, baseline, policy, allowed, compression)
    except (OSError, Broken, Unreadable, TooMany, ValueError) as error:
        return AuditVerdict(ALARM, (unreadable(repository, error),)), baseline


def rebase(repository: str, baseline: Baseline) -> tuple[AuditVerdict, Baseline]:
    """Return the baseline after a compaction by the server, and whether it kept what a compaction has to keep."""
    try:
        now = _look(repository)
    except (OSError, Broken, Unreadable, ValueError) as error:
        return AuditVerdict(ALARM, (unreadable(repository, error),)), baseline
    findings = [
        f"the compaction changed {name} from {getattr(baseline, name)} to {getattr(now, name)}"
        for name in ("objects", "manifest", "config", "nonce")
        if getattr(baseline, name) is not None and getattr(baseline, name) != getattr(now, name)
    ]
    now = replace(now, manifest_floor=baseline.manifest_floor, compression=baseline.compression)
    return AuditVerdict(ALARM if findings else CLEAN, tuple(findings)), now


def unreadable(repository: str, error: Exception) -> str:
    """Return one sentence about what kept an audit from reading."""
    if isinstance(error, OSError):
        return f"{error.filename or repository} cannot be read: {error.strerror}"
    if isinstance(error, Broken):
        return f"{error}: run a full audit, it tells damage from tampering"
    return f"the repository cannot be audited: {error}"


def _look(repository: str) -> Baseline:
    listing = Listing(repository, (), -1)
    committed = listing.committed()
    transaction = committed[-1].number if committed else -1
    head = index_head(repository)
    place = index_find(head, MANIFEST_ID) if head is not None else None
    manifest = _stored_size(committed, *place) if place is not None else 0
    return Baseline(
        transaction=transaction,
        directories=listing.directories(transaction),
        objects=_counted(head, transaction),
        manifest=manifest,
        manifest_floor=manifest,
        config=config_digest(repository),
        nonce=free_nonce(repository),
        freeable=freeable_bytes(repository, transaction),
    )


def _counted(head: Optional[Head], transaction: int) -> Optional[int]:
    """Return how many objects the index holds, None when it is not of this transaction."""
    return head.objects if head is not None and head.transaction == transaction else None


def _stored_size(segments: list[File], number: int, offset: int) -> int:
    for file in segments:
        if file.number == number:
            return next((size - PUT_HEADER for _tag, _key, at, size in entries(file) if at == offset), 0)
    return 0


def _compare(
    repository: str, old: Baseline, policy: str, budget: Budget, compression: str
) -> tuple[AuditVerdict, Baseline]:
    listing = Listing(repository, old.directories, old.transaction)
    committed = listing.committed()
    changes = read_changes(committed)
    transaction = committed[-1].number if committed else old.transaction
    freeable = freeable_bytes(repository, transaction)
    if freeable is not None and old.freeable is not None:
        changes = replace(changes, freed=freeable - old.freeable)
    expected = None if old.objects is None else old.objects + changes.put - changes.deleted
    counted = _counted(index_head(repository), transaction)
    told = compression if changes.manifests and policy != "trim" else ""  # to a client that backed up
    differently = "" not in (old.compression, told) and told != old.compression
    now = Baseline(
        transaction=transaction,
        directories=listing.directories(transaction),
        objects=expected if counted is None else counted,
        manifest=changes.manifests[-1] if changes.manifests else old.manifest,
        manifest_floor=changes.manifests[-1] if differently else _next_floor(old, changes, policy, budget),
        config=config_digest(repository),
        nonce=free_nonce(repository),
        freeable=freeable,
        compression=told or old.compression,
    )
    findings = [
        *listing.changed,
        *_judge_objects(changes, policy, budget, old.manifest),
        *_judge_manifest(old, changes, policy, budget, differently),
        *_judge_rest(old, now, changes),
        *_judge_index(now.objects, expected),
    ]
    notes = [f"the lists of archives of {old.compression} and of {told} cannot be compared"] if differently else []
    return _verdict(findings, notes, changes, budget), now


def _verdict(findings: list[str], notes: list[str], changes: Changes, budget: Budget) -> AuditVerdict:
    if findings:
        return AuditVerdict(ALARM, tuple(findings), changes)
    if changes.gone:
        notes = [*notes, f"{changes.gone} objects were deleted, of at most {budget.objects} that were allowed"]
    return AuditVerdict(EXPECTED if notes else CLEAN, tuple(notes), changes)


def _judge_objects(changes: Changes, policy: str, budget: Budget, old_manifest: int) -> Iterator[str]:
    if policy == "read" and changes.commits:
        yield f"a session that may only read committed {changes.commits} times"
    if changes.overwritten:
        yield f"{changes.overwritten} stored objects were overwritten"
    if changes.gone > budget.objects:
        yield f"{changes.gone} stored objects were deleted, {budget.objects} were allowed"
    if changes.manifest_deleted:
        yield "the list of archives was deleted"
    explained = (
        budget.bytes
        + old_manifest
        + sum(changes.manifests)
        + _ENTRIES_SLACK * (changes.deleted + changes.commits + 2 * len(changes.manifests) + 2)
    )
    if changes.gone and changes.freed is not None and changes.freed > explained:
        yield f"the next compaction would free {changes.freed} bytes more, {budget.bytes} were allowed"


def _judge_manifest(old: Baseline, changes: Changes, policy: str, budget: Budget, differently: bool) -> Iterator[str]:
    """Compare like with like: Borg compresses the list of archives as it does data in `create`, else by lz4."""
    if not changes.manifests:
        return
    size = changes.manifests[-1]
    if policy == "trim":
        if size < (old.manifest - budget.archives * _ARCHIVE_SIZE) // 2:
            yield f"the list of archives shrank from {old.manifest} to {size} bytes, by more than {budget.archives}"
    elif size < (old.manifest_floor // _COMPRESSIBLE if differently else old.manifest_floor - _MANIFEST_SLACK):
        yield (
            f"the list of archives shrank from {old.manifest_floor} to {size} bytes: archives were dropped, "
            "or the client compresses differently than site.yml told the server"
        )


def _next_floor(old: Baseline, changes: Changes, policy: str, budget: Budget) -> int:
    """Return the size that the next backup's list of archives has at least.

    One that grew by more than an archive was compressed in another way (`recreate` begins with one, before it is
    refused); the next backup's may be smaller again, so it raises nothing.
    """
    if policy == "trim":
        return max(0, old.manifest_floor - budget.archives * _ARCHIVE_SIZE) if changes.manifests else old.manifest_floor
    floor, before = old.manifest_floor, old.manifest
    for size in changes.manifests:
        if size - before <= _ARCHIVE_SIZE:
            floor = size
        before = size
    return floor


def _judge_rest(old: Baseline, now: Baseline, changes: Changes) -> Iterator[str]:
    if now.config != old.config:
        yield "the repository's config has changed"
    if old.nonce is not None and (now.nonce is None or now.nonce < old.nonce):
        yield f"the nonce went back from {old.nonce} to {now.nonce or 0}"
    limit = (old.nonce or 0) + _NONCE_LEAP + changes.size // 16
    if now.nonce is not None and now.nonce > limit:
        yield f"the nonce leapt from {old.nonce or 0} to {now.nonce}"


def _judge_index(found: Optional[int], expected: Optional[int]) -> Iterator[str]:
    if expected is not None and found != expected:
        yield f"the index holds {found} objects, the segments say {expected}"
