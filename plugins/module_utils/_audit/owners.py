# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the server keeps to know with which session an object came: notes of compactions, and the index before a trim.

Before a trim or a compaction the index is copied, because it says where the objects lay that go or move. The copy is
there until the audit of the trim, or the note of the compaction, is written; so also after the server was cut off.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager, suppress
from dataclasses import asdict
from typing import Any

from ansible_collections.paranoid.backup.plugins.module_utils._audit.kept import Kept
from ansible_collections.paranoid.backup.plugins.module_utils._audit.ownership import Compaction, Ownership
from ansible_collections.paranoid.backup.plugins.module_utils._audit.segment_listing import Listing
from ansible_collections.paranoid.backup.plugins.module_utils._borg.index import Index, newest_index
from ansible_collections.paranoid.backup.plugins.module_utils._borg.segments import PUT, entries
from ansible_collections.paranoid.backup.plugins.module_utils._common.errors import SessionError
from ansible_collections.paranoid.backup.plugins.module_utils._common.files import save_json
from ansible_collections.paranoid.backup.plugins.module_utils._config.site import Site
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import CompactionEntry
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.history import History

_BEFORE = "before"  # a directory with the index
_NOTES = "compactions.json"


def kept_archives(site: Site, history: History, going: AbstractSet[str]) -> Kept:
    """Return what a trim of the archives ``going`` must leave."""
    staying = [one for one in history.archives if one.id not in going]
    sessions = {one.transaction for one in staying if one.transaction is not None}
    return Kept(tuple(one.id for one in staying), load_ownership(site, history).intervals(sessions))


def load_ownership(site: Site, history: History) -> Ownership:
    """Return with which session each object came, by the ledger and by what is noted of compactions."""
    compacted = {row.entry.transaction for row in history.compactions if isinstance(row.entry, CompactionEntry)}
    notes = tuple(note for note in load_notes(site.state_file(_NOTES)) if note.transaction in compacted)
    return Ownership(history.transactions, notes)


def save_notes(site: Site, notes: Sequence[Compaction]) -> None:
    """Keep the notes of all compactions."""
    save_json(site.state_file(_NOTES), {"schema": 1, "compactions": [asdict(note) for note in notes]})


def load_notes(path: str) -> tuple[Compaction, ...]:
    """Return the notes of compactions, none before the first; SessionError if they cannot be read."""
    try:
        with open(path, encoding="utf-8") as handle:
            content: Any = json.load(handle)
        if content["schema"] != 1:
            raise ValueError("it is of another release")
        return tuple(
            Compaction(one["before"], one["transaction"], tuple((run[0], run[1], run[2]) for run in one["runs"]))
            for one in content["compactions"]
        )
    except FileNotFoundError:
        return ()
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise SessionError("server_error", f"{path} cannot be read: {error}; take it from a snapshot") from None


@contextmanager
def index_before(site: Site) -> Iterator[Index | None]:
    """Keep the copy of the index open, None where there is none."""
    directory = site.state_file(_BEFORE)
    if not os.path.isdir(directory):
        yield None
        return
    with newest_index(directory) as index:
        yield index


def keep_index(site: Site) -> None:
    """Keep a copy of the index as it is before a trim or a compaction, until `forget_index`."""
    forget_index(site)
    os.makedirs(site.state_file(_BEFORE), mode=0o700)
    with newest_index(site.client.repository) as index:
        if index is not None:
            index.save(os.path.join(site.state_file(_BEFORE), f"index.{index.transaction}"))


def forget_index(site: Site) -> None:
    """Remove the copy of the index, where there is one."""
    with suppress(FileNotFoundError):
        shutil.rmtree(site.state_file(_BEFORE))


def note_compaction(site: Site, before: int, transaction: int) -> None:
    """Note with which sessions the objects came that a compaction moved, by the copy of the index before it."""
    owners = load_ownership(site, site.ledger.history(site.name))
    with index_before(site) as index:
        save_notes(site, add_compaction(owners, site.client.repository, index, before, transaction))


def add_compaction(
    owners: Ownership, repository: str, index: Index | None, before: int, transaction: int
) -> tuple[Compaction, ...]:
    """Return the notes after a compaction that ended with ``transaction``; ``index`` is the one before it."""
    segments = Listing(repository, (), -1).committed()
    moved = (
        ((file.number, offset), index.find(key) if index is not None else None)
        for file in segments
        if before < file.number <= transaction
        for tag, key, offset, _size in entries(file)
        if tag == PUT
    )
    return owners.after_compaction(before, transaction, moved, [file.number for file in segments])
