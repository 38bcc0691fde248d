# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a session did, read from its segments.

Borg writes DELETE only for an object that exists, and replaces an object by DELETE and PUT. So if no PUT of the same
id precedes a DELETE in the segments since the last audit, the object is older than they are. It is overwritten if a
PUT follows, and gone if none does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ansible_collections.paranoid.backup.plugins.module_utils._borg.segments import (
    COMMIT,
    DELETE,
    MANIFEST_ID,
    PUT,
    PUT_HEADER,
    File,
    entries,
)

_DELETED_LIMIT = 4_000_000  # ids kept in memory


class TooMany(Exception):
    """There are more deletions than an audit can follow; the message is one line."""


@dataclass(frozen=True)
class Changes:
    """What a session did: entries ``put`` and ``deleted``, older objects ``gone`` and ``overwritten``, ``commits``.

    ``lost`` are the ids of the older objects that are gone. ``manifests`` are the stored sizes of its lists of
    archives, in order; ``manifest_deleted`` tells that it ended without one; ``size`` is that of all its segments;
    ``freed`` is how much the freeable bytes grew by, None if unknown. Sizes are bytes.
    """

    put: int = 0
    deleted: int = 0
    gone: int = 0
    overwritten: int = 0
    commits: int = 0
    manifests: tuple[int, ...] = ()
    manifest_deleted: bool = False
    size: int = 0
    lost: frozenset[bytes] = frozenset()
    freed: int | None = None

    @property
    def stored(self) -> dict[str, int]:
        """How many ``objects`` and ``bytes`` were added and stayed; what the session replaced itself is left out."""
        return {
            "objects": max(0, self.put - self.deleted),
            "bytes": max(0, self.size - max(0, self.freed or 0)),
        }


def read_changes(segments: Sequence[File]) -> Changes:
    """Return what the session that wrote these segments did; raise Broken, OSError or TooMany."""
    counts = [0, 0, 0]
    deleted: set[bytes] = set()
    manifests = []
    manifest_deleted = False
    for file in segments:
        for tag, key, _offset, size in entries(file):
            counts[tag] += 1
            if key == MANIFEST_ID:
                manifest_deleted = tag == DELETE
                if tag == PUT:
                    manifests.append(size - PUT_HEADER)
            elif tag == DELETE:
                deleted.add(key)
                if len(deleted) > _DELETED_LIMIT:
                    raise TooMany(f"more than {_DELETED_LIMIT} objects were deleted")
    lost, overwritten = _find_older(segments, deleted) if deleted else (frozenset(), 0)
    return Changes(
        put=counts[PUT],
        deleted=counts[DELETE],
        gone=len(lost),
        overwritten=overwritten,
        commits=counts[COMMIT],
        manifests=tuple(manifests),
        manifest_deleted=manifest_deleted,
        size=sum(file.size for file in segments),
        lost=lost,
    )


def _find_older(segments: Sequence[File], deleted: set[bytes]) -> tuple[frozenset[bytes], int]:
    """Return which of the ``deleted`` objects existed before and are gone, and how many were overwritten."""
    older: dict[bytes, bool] = {}  # id of an older object: does it exist at the end?
    own: set[bytes] = set()
    for tag, key in _read_operations(segments, deleted):
        if key in older:
            older[key] = tag == PUT
        elif key not in own:
            if tag == DELETE:
                older[key] = False
            else:
                own.add(key)
    lost = frozenset(key for key, is_there in older.items() if not is_there)
    return lost, len(older) - len(lost)


def _read_operations(segments: Sequence[File], keys: set[bytes]) -> Iterator[tuple[int, bytes]]:
    for file in segments:
        for tag, key, _offset, _size in entries(file):
            if key in keys:
                yield tag, key
