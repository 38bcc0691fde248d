# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit after each session: was history touched? It needs no key, and costs what the session brought."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ansible_collections.paranoid.backup.plugins.module_utils._audit.baseline import Baseline
from ansible_collections.paranoid.backup.plugins.module_utils._audit.changes import Changes, TooMany, read_changes
from ansible_collections.paranoid.backup.plugins.module_utils._audit.kept import Kept
from ansible_collections.paranoid.backup.plugins.module_utils._audit.presence import Expectation, look_up
from ansible_collections.paranoid.backup.plugins.module_utils._audit.rules import (
    ARCHIVE_SIZE,
    Comparison,
    describe_absent_archives,
    judge,
)
from ansible_collections.paranoid.backup.plugins.module_utils._audit.segment_listing import (
    Listing,
    config_digest,
    free_nonce,
)
from ansible_collections.paranoid.backup.plugins.module_utils._audit.verdict import (
    ALARM,
    CLEAN,
    EXPECTED,
    AuditVerdict,
    Budget,
)
from ansible_collections.paranoid.backup.plugins.module_utils._borg.errors import Broken, Unreadable
from ansible_collections.paranoid.backup.plugins.module_utils._borg.hints import freeable_bytes
from ansible_collections.paranoid.backup.plugins.module_utils._borg.index import Index, newest_index
from ansible_collections.paranoid.backup.plugins.module_utils._borg.segments import (
    MANIFEST_ID,
    PUT_HEADER,
    File,
    entries,
)


@dataclass(frozen=True)
class Terms:
    """What a session is judged by; see `audit`."""

    policy: str
    budget: Budget
    compression: str
    expected: Expectation
    kept: Kept
    before: Index | None


def audit(
    repository: str,
    baseline: Baseline | None,
    policy: str,
    budget: Budget | None = None,
    compression: str = "",
    expected: Expectation | None = None,
    kept: Kept | None = None,
    before: Index | None = None,
    last: int = -1,
) -> tuple[AuditVerdict, Baseline | None]:
    """Judge what happened since ``baseline`` under ``policy`` (create, append, read, trim); no session may be open.

    ``expected`` is what the ledger says of archives, ``kept`` what a trim must leave, ``before`` the index before it.
    ``compression`` is what the operator tells the client to use: when it changes, so may the size of the manifest.
    Without a baseline there is nothing to compare with but ``expected`` and ``last``, the last transaction that the
    ledger knows; the state is the first baseline.
    What lies on the disk raises nothing: a repository that cannot be read is an alarm, with ``baseline`` back.
    """
    try:
        if baseline is None:
            return _first(repository, expected or Expectation(), last)
        allowed = budget if budget is not None and policy == "trim" else Budget()
        terms = Terms(policy, allowed, compression, expected or Expectation(), kept or Kept(), before)
        return _compare(repository, baseline, terms)
    except (OSError, Broken, Unreadable, TooMany, ValueError) as error:
        return AuditVerdict(ALARM, (unreadable(repository, error),)), baseline


def rebase(repository: str, baseline: Baseline) -> tuple[AuditVerdict, Baseline]:
    """Return the baseline after a compaction by the server, and whether it kept what a compaction has to keep."""
    try:
        now = _snapshot(repository)
    except (OSError, Broken, Unreadable, ValueError) as error:
        return AuditVerdict(ALARM, (unreadable(repository, error),)), baseline
    findings = [
        f"the compaction changed {name} from {getattr(baseline, name)} to {getattr(now, name)}"
        for name in ("objects", "manifest", "config", "nonce")
        if getattr(baseline, name) is not None and getattr(baseline, name) != getattr(now, name)
    ]
    now = replace(
        now,
        manifest_floor=baseline.manifest_floor,
        compression=baseline.compression,
        highest_nonce=_highest_nonce(baseline, now.nonce),
    )
    return AuditVerdict(ALARM if findings else CLEAN, tuple(findings)), now


def unreadable(repository: str, error: Exception) -> str:
    """Return one sentence about what kept an audit from reading."""
    if isinstance(error, OSError):
        return f"{error.filename or repository} cannot be read: {error.strerror}"
    if isinstance(error, Broken):
        return f"{error}: run a full audit, it tells damage from tampering"
    return f"the repository cannot be audited: {error}"


def _first(repository: str, expected: Expectation, last: int) -> tuple[AuditVerdict, Baseline]:
    """Judge a repository that there is nothing to compare with, but for the ledger's word about its archives."""
    with newest_index(repository) as index:
        presence = look_up(index, expected, last)
    findings = tuple(describe_absent_archives(presence))
    return AuditVerdict(ALARM if findings else CLEAN, findings, presence=presence), _snapshot(repository)


def _snapshot(repository: str) -> Baseline:
    """Return the state as it is, compared with nothing."""
    listing = Listing(repository, (), -1)
    committed = listing.committed()
    transaction = committed[-1].number if committed else -1
    with newest_index(repository) as index:
        place = index.find(MANIFEST_ID) if index is not None else None
        objects = _objects(index, transaction)
    manifest = _stored_size(committed, *place) if place is not None else 0
    nonce = free_nonce(repository)
    return Baseline(
        transaction=transaction,
        directories=listing.directories(transaction),
        objects=objects,
        manifest=manifest,
        manifest_floor=manifest,
        config=config_digest(repository),
        nonce=nonce,
        freeable=freeable_bytes(repository, transaction),
        highest_nonce=nonce,
    )


def _highest_nonce(old: Baseline, now: int | None) -> int | None:
    return max((one for one in (old.highest_nonce, old.nonce, now) if one is not None), default=None)


def _objects(index: Index | None, transaction: int) -> int | None:
    """Return how many objects the index holds, None when it is not of this transaction."""
    return index.objects if index is not None and index.transaction == transaction else None


def _stored_size(segments: list[File], number: int, offset: int) -> int:
    for file in segments:
        if file.number == number:
            return next((size - PUT_HEADER for _tag, _key, at, size in entries(file) if at == offset), 0)
    return 0


def _compare(repository: str, old: Baseline, terms: Terms) -> tuple[AuditVerdict, Baseline]:
    """Read what came since ``old`` and have the rules judge it."""
    listing = Listing(repository, old.directories, old.transaction)
    committed = listing.committed()
    changes = read_changes(committed)
    policy, budget = terms.policy, terms.budget
    transaction = committed[-1].number if committed else old.transaction
    freeable = freeable_bytes(repository, transaction)
    if freeable is not None and old.freeable is not None:
        changes = replace(changes, freed=freeable - old.freeable)
    expected = None if old.objects is None else old.objects + changes.put - changes.deleted
    with newest_index(repository) as index:
        counted = _objects(index, transaction)
        presence = look_up(index, terms.expected, old.transaction, changes.lost)
    foreign = terms.kept.count_lost(terms.before, changes.lost) if terms.before is not None else 0
    used = terms.compression if changes.manifests and policy != "trim" else ""  # by a client that backed up
    recompressed = "" not in (old.compression, used) and used != old.compression
    nonce = free_nonce(repository)
    now = Baseline(
        transaction=transaction,
        directories=listing.directories(transaction),
        objects=expected if counted is None else counted,
        manifest=changes.manifests[-1] if changes.manifests else old.manifest,
        manifest_floor=changes.manifests[-1] if recompressed else _next_floor(old, changes, policy, budget),
        config=config_digest(repository),
        nonce=nonce,
        freeable=freeable,
        compression=used or old.compression,
        highest_nonce=_highest_nonce(old, nonce),
    )
    replaced = tuple(listing.changed)
    seen = Comparison(old, now, changes, policy, budget, replaced, expected, recompressed, presence, foreign)
    findings = judge(seen)
    notes = [f"the lists of archives of {old.compression} and of {used} cannot be compared"] if recompressed else []
    return replace(_verdict(findings, notes, changes, budget), presence=presence), now


def _verdict(findings: list[str], notes: list[str], changes: Changes, budget: Budget) -> AuditVerdict:
    if findings:
        return AuditVerdict(ALARM, tuple(findings), changes)
    if changes.gone:
        notes = [*notes, f"{changes.gone} objects were deleted, of at most {budget.objects} that were allowed"]
    return AuditVerdict(EXPECTED if notes else CLEAN, tuple(notes), changes)


def _next_floor(old: Baseline, changes: Changes, policy: str, budget: Budget) -> int:
    """Return the size that the next backup's list of archives has at least.

    A list that grew by more than an archive was compressed in another way (`recreate` begins with one, before it is
    refused); the next backup's may be smaller again, so such a list does not raise the floor.
    """
    if policy == "trim":
        return max(0, old.manifest_floor - budget.archives * ARCHIVE_SIZE) if changes.manifests else old.manifest_floor
    floor, before = old.manifest_floor, old.manifest
    for size in changes.manifests:
        if size - before <= ARCHIVE_SIZE:
            floor = size
        before = size
    return floor
