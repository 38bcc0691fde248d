# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of the audit after a session: each compares two states and yields what is wrong, as sentences."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from ansible_collections.paranoid.backup.plugins.module_utils._audit.baseline import Baseline
from ansible_collections.paranoid.backup.plugins.module_utils._audit.changes import Changes
from ansible_collections.paranoid.backup.plugins.module_utils._audit.presence import Presence
from ansible_collections.paranoid.backup.plugins.module_utils._audit.verdict import Budget

ARCHIVE_SIZE = 128  # bytes that one archive takes in a stored manifest, at most
_NONCE_LEAP = 2**44  # blocks of 16 bytes: several connections of one session, each bounded by the gate
_OLD_CLIENTS, _CLOCK_LIMIT = 2**61, 2**63 + 2**62  # between these a client begins, where its clock says
_MANIFEST_SLACK = 24  # bytes by which equal lists of archives differ once they are compressed
_COMPRESSIBLE = 3  # no compression makes a list of archives so many times smaller: half of it is ids
_NAMED = 3  # archives that a sentence names
_ENTRIES_SLACK = 64  # bytes of entries around each deletion or commit


@dataclass(frozen=True)
class Comparison:
    """What a session made of a repository, and what it was allowed to.

    ``old`` and ``now`` are the states before and after it, ``changes`` what its segments say. ``replaced`` are
    sentences about older segments that are not as they were, ``expected`` the objects that the index must hold,
    ``recompressed`` whether the client was told to compress otherwise than before,
    ``foreign`` how many of the deleted objects came with archives that stay.
    """

    old: Baseline
    now: Baseline
    changes: Changes
    policy: str
    budget: Budget
    replaced: tuple[str, ...]
    expected: int | None
    recompressed: bool
    presence: Presence = field(default_factory=Presence)
    foreign: int = 0


def find_changed_segments(seen: Comparison) -> Iterator[str]:
    """Nobody may touch older segments: Borg only adds new ones, and a compaction has its own audit."""
    yield from seen.replaced


def find_writing_reader(seen: Comparison) -> Iterator[str]:
    """A session that may only read commits nothing."""
    if seen.policy == "read" and seen.changes.commits:
        yield f"a session that may only read committed {seen.changes.commits} times"


def find_overwritten_objects(seen: Comparison) -> Iterator[str]:
    """No session may overwrite a stored object."""
    if seen.changes.overwritten:
        yield f"{seen.changes.overwritten} stored objects were overwritten"


def find_deleted_objects(seen: Comparison) -> Iterator[str]:
    """A session deletes no more objects than its budget has."""
    if seen.changes.gone > seen.budget.objects:
        yield f"{seen.changes.gone} stored objects were deleted, {seen.budget.objects} were allowed"


def find_deleted_manifest(seen: Comparison) -> Iterator[str]:
    """The list of archives may be replaced, not deleted."""
    if seen.changes.manifest_deleted:
        yield "the list of archives was deleted"


def find_freed_bytes(seen: Comparison) -> Iterator[str]:
    """What was deleted frees no more bytes than the budget has, beside old lists of archives and the entries."""
    changes, manifests = seen.changes, seen.changes.manifests
    entries = changes.deleted + changes.commits + 2 * len(manifests) + 2
    explained = seen.budget.bytes + seen.old.manifest + sum(manifests) + _ENTRIES_SLACK * entries
    if changes.gone and changes.freed is not None and changes.freed > explained:
        yield f"the next compaction would free {changes.freed} bytes more, {seen.budget.bytes} were allowed"


def find_missing_archives(seen: Comparison) -> Iterator[str]:
    """The list of archives does not shrink, or only by the budget's archives.

    Borg compresses the list as it does data in `create`, else by lz4, so sizes are only compared with their like.
    """
    if not seen.changes.manifests:
        return
    old, size, archives = seen.old, seen.changes.manifests[-1], seen.budget.archives
    if seen.policy == "trim":
        if size < (old.manifest - archives * ARCHIVE_SIZE) // 2:
            yield f"the list of archives shrank from {old.manifest} to {size} bytes, by more than {archives}"
    elif size < (old.manifest_floor // _COMPRESSIBLE if seen.recompressed else old.manifest_floor - _MANIFEST_SLACK):
        yield (
            f"the list of archives shrank from {old.manifest_floor} to {size} bytes: archives were dropped, "
            "or the client compresses differently than site.yml told the server"
        )


def find_absent_archives(seen: Comparison) -> Iterator[str]:
    """Every archive that the ledger knows is there."""
    yield from describe_absent_archives(seen.presence)


def describe_absent_archives(presence: Presence) -> Iterator[str]:
    """Yield a sentence about archives that should be there and are not."""
    missing = presence.missing
    if missing:
        named = ", ".join(one[:12] for one in missing[:_NAMED]) + (" and others" if len(missing) > _NAMED else "")
        yield f"{len(missing)} archives that nobody let go are not in the repository: {named}"


def find_foreign_deletions(seen: Comparison) -> Iterator[str]:
    """What came with an archive that stays is needed by it, whatever the budget."""
    if seen.foreign:
        yield f"{seen.foreign} deleted objects came with archives that stay"


def find_changed_config(seen: Comparison) -> Iterator[str]:
    """No session may change the config, which holds the key."""
    if seen.now.config != seen.old.config:
        yield "the repository's config has changed"


def find_nonce_reuse(seen: Comparison) -> Iterator[str]:
    """The nonce never goes back: a nonce that is used twice breaks the encryption."""
    old, now = seen.old.nonce, seen.now.nonce
    if old is not None and (now is None or now < old):
        yield f"the nonce went back from {old} to {now or 0}"


def find_nonce_leap(seen: Comparison) -> Iterator[str]:
    """The nonce goes no further than the data explains: a client without nonces can never write again."""
    old, now = seen.old.nonce or 0, seen.now.nonce
    if now is None or _OLD_CLIENTS < now <= _CLOCK_LIMIT + _NONCE_LEAP:
        return
    if now > old + _NONCE_LEAP + seen.changes.size // 16:
        yield f"the nonce leapt from {old} to {now}"


def find_wrong_index(seen: Comparison) -> Iterator[str]:
    """The index holds as many objects as the segments say."""
    if seen.expected is not None and seen.now.objects != seen.expected:
        yield f"the index holds {seen.now.objects} objects, the segments say {seen.expected}"


Rule = Callable[[Comparison], Iterator[str]]

RULES: tuple[Rule, ...] = (
    find_changed_segments,
    find_writing_reader,
    find_overwritten_objects,
    find_deleted_objects,
    find_deleted_manifest,
    find_freed_bytes,
    find_missing_archives,
    find_absent_archives,
    find_foreign_deletions,
    find_changed_config,
    find_nonce_reuse,
    find_nonce_leap,
    find_wrong_index,
)


def judge(seen: Comparison) -> list[str]:
    """Return the findings of all rules, in their order."""
    return [finding for rule in RULES for finding in rule(seen)]
