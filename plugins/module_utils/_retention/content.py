# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The content of an archive, as far as its numbers tell, against what the ledger knows of its client. No I/O.

Three things are noticed: an archive far below the client's own band, a source that lies on the root file system now
and lay on another one before, and one that is empty now and was not. While any waits for a person, retention lets
nothing go. What ends it:

- the next archive that is as it was;
- a person, who accepts it: the archives become good, and later ones are compared with these alone;
- for a size only: the operator's own change of what is saved, known by another fingerprint of that configuration. It is
  told once, as a notice, and later archives are compared with this one alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import (
    AcceptEntry,
    LedgerRow,
    SessionEntry,
)
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.history import History
from ansible_collections.paranoid.backup.plugins.module_utils._retention.band import Band, Size, find_shrinkage

CODES = ("shrunk", "source_unmounted", "source_emptied")


@dataclass(frozen=True)
class ContentVerdict:
    """What was noticed of one archive.

    ``shrunk`` says in what it is far too small, empty if it is not; ``meant``: the operator's own change explains that.
    ``unmounted`` are paths that lay on a file system of their own, ``emptied`` those in which there was something.
    ``config`` is the fingerprint of what is saved.
    """

    config: str = ""
    shrunk: str = ""
    meant: bool = False
    unmounted: tuple[str, ...] = ()
    emptied: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the field ``content`` of a session's result and of its entry in the ledger."""
        return {
            "config": self.config,
            "shrunk": self.shrunk,
            "meant": self.meant,
            "unmounted": list(self.unmounted),
            "emptied": list(self.emptied),
        }


def judge_content(
    history: History, archive: Mapping[str, Any], sources: Mapping[str, Any], config: str, band: Band
) -> ContentVerdict:
    """Judge an archive by its counts and by what its client says of its SOURCES; CONFIG is the present fingerprint."""
    good = [row for row in _backups(history) if is_good(history, row)]
    start = _begins_at(history)
    earlier = [_size(row) for row in good if row.seq >= start]
    shrunk = find_shrinkage(earlier, Size(archive["nfiles"], archive["original_size"]), band)
    known = _content(good[-1]).get("config") if good else ""
    meant = bool(shrunk and config and known and known != config)
    before = _last_sources(history)
    return ContentVerdict(config, shrunk, meant, _lost("mounts", before, sources), _lost("filled", before, sources))


def pending(history: History) -> str:
    """Say what about the newest archive waits for a person, empty if nothing does."""
    rows = _backups(history)
    if not rows or rows[-1].seq < _accepted_at(history):
        return ""
    content = _content(rows[-1])
    found = [content["shrunk"]] if content.get("shrunk") and not content.get("meant") else []
    found += [f"{path} is not mounted" for path in content.get("unmounted") or ()]
    found += [f"{path} is empty" for path in content.get("emptied") or ()]
    return ", ".join(found)


def to_accept(history: History) -> tuple[str, ...]:
    """Return the ids of the archives that a person accepts now: those since the last good one that only shrank."""
    since = takewhile(lambda row: not is_good(history, row), reversed(_backups(history)))
    small = [row for row in since if isinstance(row.entry, SessionEntry) and row.entry.code in CODES]
    return tuple(map(_archive_id, reversed(small)))


def is_good(history: History, row: LedgerRow) -> bool:
    """Whether the archive of this session is one to compare with: green, or accepted by a person."""
    entry = row.entry
    if not isinstance(entry, SessionEntry) or entry.archive is None or entry.audit == "alarm":
        return False
    return entry.arrived or entry.archive.id in history.accepted


def _backups(history: History) -> list[LedgerRow]:
    """Return the sessions that brought an archive, whatever they came to."""
    return [
        row
        for row in history.sessions
        if isinstance(row.entry, SessionEntry) and row.entry.verb == "backup" and row.entry.archive is not None
    ]


def _begins_at(history: History) -> int:
    """Return from which entry on archives are compared: where a person or a changed configuration began anew."""
    rows, newest = _backups(history), history.accepts[-1].entry if history.accepts else None
    accepted = newest.archives if isinstance(newest, AcceptEntry) else ()
    first = next((row.seq for row in rows if _archive_id(row) in accepted), 0)
    return max([first, *(row.seq for row in rows if _content(row).get("meant"))])


def _accepted_at(history: History) -> int:
    return history.accepts[-1].seq if history.accepts else 0


def _lost(name: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the paths of which NAME was true BEFORE and is false now."""
    was = before.get(name) or {}
    return tuple(sorted(path for path, said in (now.get(name) or {}).items() if not said and was.get(path)))


def _last_sources(history: History) -> Mapping[str, Any]:
    """Return what the last backup said of its sources that was good, or that a person accepted meanwhile."""
    for row in reversed(_backups(history)):
        entry = row.entry
        if not isinstance(entry, SessionEntry) or entry.sources is None:
            continue
        if entry.arrived or row.seq < _accepted_at(history):
            return entry.sources
    return {}


def _archive_id(row: LedgerRow) -> str:
    archive = row.entry.archive if isinstance(row.entry, SessionEntry) else None
    return archive.id if archive else ""


def _content(row: LedgerRow) -> Mapping[str, Any]:
    return (row.entry.content if isinstance(row.entry, SessionEntry) else None) or {}


def _size(row: LedgerRow) -> Size:
    archive = row.entry.archive if isinstance(row.entry, SessionEntry) else None
    return Size(archive.nfiles, archive.original_size) if archive else Size(0, 0)
