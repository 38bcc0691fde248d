# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The full audit: every segment read and checked, the index compared with what the segments say.

A wrong checksum or a file that ends early is damage: neither Borg nor a client can write one. Entries that are whole
but could not have been written by Borg one after the other, or an index that says otherwise, are tampering: somebody
changed the server's files.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from ansible_collections.paranoid.backup.plugins.module_utils._audit.incremental import unreadable
from ansible_collections.paranoid.backup.plugins.module_utils._audit.segment_listing import Listing
from ansible_collections.paranoid.backup.plugins.module_utils._audit.verdict import ALARM, CLEAN, AuditVerdict
from ansible_collections.paranoid.backup.plugins.module_utils._borg.errors import Broken, Unreadable
from ansible_collections.paranoid.backup.plugins.module_utils._borg.index import Index, newest_index
from ansible_collections.paranoid.backup.plugins.module_utils._borg.segments import DELETE, PUT, File, entries

_NAMED = 20  # findings of a kind that are spelled out


@dataclass
class _Findings:
    """Sentences by kind; beyond a few of a kind only their number."""

    kinds: dict[str, list[str]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    def add(self, kind: str, detail: str) -> None:
        """Note one finding."""
        self.counts[kind] = self.counts.get(kind, 0) + 1
        named = self.kinds.setdefault(kind, [])
        if len(named) < _NAMED:
            named.append(f"{kind}: {detail}")

    def sentences(self) -> Iterator[str]:
        """Yield what was found, kind by kind."""
        for kind, named in self.kinds.items():
            yield from named
            if self.counts[kind] > len(named):
                yield f"{kind}: {self.counts[kind] - len(named)} more"


def full_audit(repository: str, checksums: bool = True) -> AuditVerdict:
    """Judge the whole repository; no session may be open. Without ``checksums`` only headers and index are read.

    Holds the ids that were ever deleted, and about 300 bytes per object once something is wrong. Never raises for
    what lies on the disk.
    """
    findings = _Findings()
    try:
        committed = Listing(repository, (), -1).committed()
        said, damaged = _read(committed, checksums)
        for damage in damaged.values():
            findings.add("damage", str(damage))
        with newest_index(repository) as index:
            if index is None:
                findings.add("tampering", "there is no index; the next session of a client rebuilds it")
            elif committed and index.transaction == committed[-1].number and said != _sum(index):
                _explain(index, committed, damaged, findings)
    except (OSError, Broken, Unreadable) as error:
        findings.add("damage", unreadable(repository, error))
    sentences = tuple(findings.sentences())
    return AuditVerdict(ALARM if sentences else CLEAN, sentences)


def _read(committed: Sequence[File], checksums: bool) -> tuple[int, dict[int, Broken]]:
    """Return the sum of the hashes of id, segment and offset of all objects, and the first damage of each segment.

    Two sets of millions are equal when these sums are, without a table of either: Python's hash is keyed by process.
    """
    total = 0
    deleted: set[bytes] = set()
    damaged = {}
    for file in committed:
        number = file.number
        try:
            for tag, key, offset, _size in entries(file, checksums):
                if tag == PUT:
                    total += hash((key, number, offset))
                elif tag == DELETE:
                    deleted.add(key)
        except Broken as damage:
            damaged[number] = damage
    return total - (_replaced(committed, deleted) if deleted and not damaged else 0), damaged


def _replaced(committed: Sequence[File], deleted: set[bytes]) -> int:
    """Return the sum of the hashes of what later entries deleted or replaced; ``deleted`` are its ids."""
    total = 0
    places: dict[bytes, int] = {}
    for file in committed:
        for tag, key, offset, _size in entries(file):
            if key in deleted:
                total += places.pop(key, 0)
                if tag == PUT:
                    places[key] = hash((key, file.number, offset))
    return total


def _sum(index: Index) -> int:
    """Sum up the places of the index as ``_read`` does those of the segments; the order does not matter."""
    return sum(map(hash, index.places()))


def _explain(index: Index, committed: Sequence[File], damaged: dict[int, Broken], findings: _Findings) -> None:
    """Name the objects of which index and segments differ, but for what damage hides."""
    said = _places(committed, damaged)
    indexed = {key: (segment, offset) for key, segment, offset in index.places()}
    for key, (segment, offset) in indexed.items():
        unknown = segment in damaged and offset >= damaged[segment].offset
        if said.get(key) != (segment, offset) and not unknown:
            here, there = _place((segment, offset)), _place(said.get(key))
            findings.add("tampering", f"the index has object {key.hex()} at {here}, the segments {there}")
    if damaged:
        return
    for key in said.keys() - indexed.keys():
        findings.add("tampering", f"object {key.hex()} at {_place(said[key])} is not in the index")


def _places(committed: Sequence[File], damaged: dict[int, Broken]) -> dict[bytes, tuple[int, int]]:
    """Return segment and offset of every object, as the segments say up to their first damage."""
    places: dict[bytes, tuple[int, int]] = {}
    for file in committed:
        end = damaged[file.number].offset if file.number in damaged else file.size
        with suppress(Broken):
            for tag, key, offset, _size in entries(file):
                if offset >= end:
                    break
                if tag == PUT:
                    places[key] = file.number, offset
                elif tag == DELETE:
                    places.pop(key, None)
    return places


def _place(place: tuple[int, int] | None) -> str:
    return "nowhere" if place is None else f"segment {place[0]}, offset {place[1]}"
