# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to be written: each entry of the archive compared with what is there now, by content.

A chunk's id follows from its content and the key (Borg docs, internals, "Chunks": a MAC of the data). So this host can
tell which parts of a file it has already, at the same place, and fetches only the others.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from paranoid_restore.attributes import find_difference, has_its_flags, lends_rights
from paranoid_restore.errors import RestoreError, printable
from paranoid_restore.selection import Wanted, is_safe
from paranoid_restore.tree import Tree, handle

SAME, ATTRIBUTES, NEW, REPLACE = "same", "attributes", "new", "replace"
_CRAFTED = "this archive has {} {!r}, which leads away: somebody crafted it, restore another one"
Item = Any  # borg.item.Item
Digest = Callable[[bytes], bytes]


@dataclass(frozen=True)
class Step:
    """One entry of the archive and what is to be done for it; ``have`` says of each chunk whether it is there."""

    path: str
    item: Item
    action: str
    have: tuple[bool, ...] = ()
    newer: bool = False
    source: str = ""  # the first name of a hard link
    inode: tuple[int, int] = (0, 0)  # device and number of what gets its attributes

    @property
    def size(self) -> int:
        """Bytes of the file; 0 for what is none."""
        return sum(chunk.size for chunk in self.chunks)

    @property
    def chunks(self) -> Any:
        """The file's chunks, with ``id`` and ``size``."""
        return self.item.get("chunks") or ()

    @property
    def missing(self) -> list[Any]:
        """The chunks that must be fetched."""
        if self.action in (SAME, ATTRIBUTES):
            return []
        return [chunk for place, chunk in enumerate(self.chunks) if not (self.have and self.have[place])]


def plan_steps(items: Iterable[Item], wanted: Wanted, tree: Tree, digest: Digest) -> Iterator[Step]:
    """Yield a step for each wanted entry, in the archive's order; RestoreError for an archive that is crafted."""
    firsts: dict[str, Any] = {}
    for item in items:
        path = str(item.path)
        if path == "." and stat.S_ISDIR(item.mode):
            continue  # So Borg names / as a source: what is restored below is there already.
        if not is_safe(path):
            raise RestoreError(_CRAFTED.format("an entry", path))
        if item.get("hardlink_master", True) and stat.S_ISREG(item.mode) and "source" not in item:
            firsts[path] = item.get("chunks")
        if wanted.matches(path):
            yield _plan(item, path, firsts, tree, digest)


def _plan(item: Item, path: str, firsts: dict[str, Any], tree: Tree, digest: Digest) -> Step:
    source = ""
    if "source" in item and stat.S_ISREG(item.mode):
        source = str(item.source)
        if not is_safe(source):
            raise RestoreError(_CRAFTED.format("a link to", source))
        if "chunks" not in item and source in firsts:
            item.chunks = firsts[source]
    try:
        found = tree.look(path)
        if found is None:
            return Step(path, item, NEW, source=source)
        newer = found.st_mtime_ns > item.mtime and not stat.S_ISDIR(found.st_mode)
        same, have = _compare(item, path, found, tree, digest)
        if not same:
            return Step(path, item, REPLACE, have, newer, source)
        whole = _has_its_attributes(item, path, found, tree)
    except OSError:
        return Step(path, item, REPLACE, source=source)  # Who writes it says what is wrong.
    if not whole and lends_rights(item) and found.st_uid != 0:
        return Step(path, item, REPLACE, have, False, source)  # Its owner could write into it until it has them.
    inode = (found.st_dev, found.st_ino)
    return Step(path, item, SAME if whole else ATTRIBUTES, have, False, source, inode)


def _compare(item: Item, path: str, found: os.stat_result, tree: Tree, digest: Digest) -> tuple[bool, tuple[bool, ...]]:
    """Tell whether it is the same thing with the same content, and which chunks are there."""
    if stat.S_IFMT(found.st_mode) != stat.S_IFMT(item.mode):
        return False, ()
    if stat.S_ISLNK(item.mode):
        return tree.read_link(path) == item.source, ()
    if stat.S_ISREG(item.mode):
        have = tuple(_chunks_there(tree, path, item.get("chunks") or (), digest))
        size = sum(chunk.size for chunk in item.get("chunks") or ())
        return all(have) and found.st_size == size, have
    if stat.S_ISCHR(item.mode) or stat.S_ISBLK(item.mode):
        return bool(found.st_rdev == item.get("rdev")), ()
    return True, ()


def _chunks_there(tree: Tree, path: str, chunks: Any, digest: Digest) -> Iterator[bool]:
    with tree.reading(path) as descriptor:
        offset = 0
        for chunk in chunks:
            content = os.pread(descriptor, chunk.size, offset)
            yield len(content) == chunk.size and digest(content) == chunk.id
            offset += chunk.size


def _has_its_attributes(item: Item, path: str, found: os.stat_result, tree: Tree) -> bool:
    with tree.parent(path) as (parent, name):
        place = handle(parent, name)
        return not find_difference(item, place, found) and has_its_flags(item, place, found)


def resolve_links(steps: Sequence[Step], tree: Tree) -> list[Step]:
    """Return the steps so that each hard link leads to an entry that is restored, too, and to no other.

    The first name of a file may not be wanted; then the first one that is gets its content.
    """
    firsts = {step.path: step for step in steps if not step.source}
    resolved = []
    for step in steps:
        if step.source:
            first = firsts.setdefault(step.source, step)
            source = "" if first is step else first.path
            linked = not source or (first.action in (SAME, ATTRIBUTES) and _are_one(tree, source, step.path))
            action = REPLACE if step.action in (SAME, ATTRIBUTES) and not linked else step.action
            resolved.append(replace(step, source=source, action=action))
        else:
            resolved.append(step)
    return resolved


def _are_one(tree: Tree, path: str, other: str) -> bool:
    """Tell whether both names lead to the same file now."""
    try:
        one, two = tree.look(path), tree.look(other)
    except OSError:
        return False
    return one is not None and two is not None and (one.st_dev, one.st_ino) == (two.st_dev, two.st_ino)


def require_space(steps: Iterable[Step], tree: Tree) -> None:
    """Raise RestoreError when a file system has no room for what is to be written: what was there is kept beside it."""
    needed: dict[int, int] = {}
    room: dict[int, int] = {}
    for step in steps:
        if step.action in (NEW, REPLACE) and step.size:
            device, free = tree.free_bytes(step.path)
            needed[device], room[device] = needed.get(device, 0) + step.size, free
    for device, size in needed.items():
        if size > room[device]:
            short = f"{size // 2**20} MiB are needed and {room[device] // 2**20} MiB are free"
            raise RestoreError(f"there is no room: {short}; nothing was written. Restore less, or --to another place")


def summarize(steps: Iterable[Step]) -> dict[str, int]:
    """Return how many entries there are of each action, the bytes to fetch, and how many are newer here."""
    told = {SAME: 0, ATTRIBUTES: 0, NEW: 0, REPLACE: 0, "fetch": 0, "newer": 0}
    for step in steps:
        told[step.action] += 1
        told["fetch"] += sum(chunk.size for chunk in step.missing)
        told["newer"] += step.newer
    return told


def format_step(step: Step) -> str:
    """Return one line of ``--check``."""
    fetched = sum(chunk.size for chunk in step.missing)
    note = ", newer here" if step.newer else ""
    return f"{step.action:10} {fetched:>12} {printable(step.path)}{note}"
