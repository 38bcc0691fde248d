# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives that nobody named when they came, found with the session that brought them.

A backup may commit its archive and fail afterwards, without a word about it: the client's disk is full, its connection
breaks. A maintenance then tells of an archive that the ledger does not know. Where its object lies says with which
session it came. If that one was a backup that failed, the archive is known from now on, as one of a failed session:
retention lets it go like any other. What came with no such session stays unknown, for a person.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.paranoid.backup.plugins.module_utils._audit.owners import load_ownership
from ansible_collections.paranoid.backup.plugins.module_utils._borg.index import newest_index
from ansible_collections.paranoid.backup.plugins.module_utils._config.site import Site
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import ArchiveEntry, SessionEntry
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.history import History


def find_archives(site: Site, unknown: Sequence[Mapping[str, Any]]) -> list[ArchiveEntry]:
    """Return an entry for each of the ``unknown`` archives (``id``, ``name``) that a failed backup brought.

    A session brings one archive at most: the client's word alone makes no second one.
    """
    history = site.ledger.history(site.name)
    silent = _silent_sessions(history)
    if not unknown or not silent:
        return []
    owners = load_ownership(site, history)
    found: dict[int, ArchiveEntry] = {}
    with newest_index(site.client.repository) as index:
        for one in unknown:
            place = index.find(bytes.fromhex(one["id"])) if index is not None else None
            transaction = owners.session_of(*place) if place is not None else None
            if transaction in silent:
                entry = ArchiveEntry(site.name, one["id"], one["name"], silent[transaction], transaction)
                found.setdefault(transaction, entry)
    return list(found.values())


def _silent_sessions(history: History) -> dict[int, str]:
    """Return the backups that failed, committed something, and of which no archive is known, by their transaction."""
    taken = {entry.transaction for entry in history.found}
    sessions = (row.entry for row in history.sessions if isinstance(row.entry, SessionEntry))
    return {
        entry.transaction: entry.session
        for entry in sessions
        if entry.verb == "backup"
        and entry.status == "failed"
        and not entry.brought
        and entry.transaction is not None
        and entry.transaction not in taken
    }
