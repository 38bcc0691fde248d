# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Are the archives there? The server's own knowledge, without a key: an archive's id is the id of an object.

Source: Borg 1.4, docs/internals/data-structures, "Archives": the list of archives holds the id of each one's metadata.
"""

from __future__ import annotations

from collections.abc import Iterable, Set
from dataclasses import dataclass

from ansible_collections.paranoid.backup.plugins.module_utils._borg.index import Index
from ansible_collections.paranoid.backup.plugins.module_utils._borg.segments import MANIFEST_ID


@dataclass(frozen=True)
class Expectation:
    """What the ledger says of a repository after a session.

    ``staying`` are the ids of the archives that it holds, ``going`` of those that a trim was to delete. ``archive`` is
    the id of the one that the client says it brought, empty if it says so of none.
    """

    staying: tuple[str, ...] = ()
    archive: str = ""
    going: tuple[str, ...] = ()


@dataclass(frozen=True)
class Presence:
    """``missing`` are the archives that should be there and are not, ``gone`` those that were to go and did.

    ``brought``: the client's archive came now.
    """

    missing: tuple[str, ...] = ()
    brought: bool = False
    gone: tuple[str, ...] = ()


def look_up(index: Index | None, expected: Expectation, since: int, lost: Set[bytes] = frozenset()) -> Presence:
    """Look the archives up; ``since`` is the last transaction before the session. Without an index all are missing.

    ``lost`` are the objects that went since then: after a cut the index may be the one from before.
    """
    if index is None:
        return Presence(expected.staying)
    wanted = bytes.fromhex(expected.archive)
    place = index.find(wanted) if wanted and wanted != MANIFEST_ID else None
    brought = place is not None and place[0] > since
    return Presence(_absent(index, expected.staying, lost), brought, _absent(index, expected.going, lost))


def missing_archives(index: Index, archives: Iterable[str]) -> tuple[str, ...]:
    """Return the ids that are no object of the repository."""
    return _absent(index, archives, frozenset())


def _absent(index: Index, archives: Iterable[str], lost: Set[bytes]) -> tuple[str, ...]:
    return tuple(one for one in archives if bytes.fromhex(one) in lost or index.find(bytes.fromhex(one)) is None)
