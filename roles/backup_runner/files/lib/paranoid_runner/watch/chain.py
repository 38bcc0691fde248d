# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The chain of a server's ledger, proven entry by entry from the head that was seen last (docs/ledger.md).

The engine has the same in `_ledger/chain.py`; a contract test compares the two. This one trusts nothing.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

GENESIS = "0" * 64
_HEAD = re.compile(r"(0|[1-9]\d{0,17}):([0-9a-f]{64})", re.ASCII)


class ChainError(Exception):
    """The ledger is not the one that was seen; the message is one line."""


@dataclass(frozen=True)
class Head:
    """The newest entry of a chain; an empty one has seq 0."""

    seq: int
    hash: str

    def __str__(self) -> str:
        return f"{self.seq}:{self.hash}"


@dataclass(frozen=True)
class Entry:
    """One entry as it is stored."""

    seq: int
    time: str
    kind: str
    client: str
    body: str
    previous: str
    hash: str


EMPTY = Head(0, GENESIS)


def parse_head(text: str) -> Head:
    """Return the head that ``<seq>:<hash>`` names; ValueError when it is not of that form."""
    match = _HEAD.fullmatch(text)
    if match is None:
        raise ValueError("a head is <seq>:<64 hex digits>")
    return Head(int(match[1]), match[2])


def hash_entry(entry: Entry) -> str:
    """Return SHA-256 over six fields, one a line."""
    fields = (entry.previous, str(entry.seq), entry.time, entry.kind, entry.client, entry.body)
    return hashlib.sha256("\n".join(fields).encode("utf-8", "surrogatepass")).hexdigest()


def prove(seen: Head, entries: Sequence[Entry], head: Head, more: bool, noted: Head = EMPTY) -> Head:
    """Return the head up to which ``entries`` prove that the ledger goes on from ``seen``; ChainError if it does not.

    ``head`` is what the server calls its newest entry, ``more`` that it did not send all. ``noted`` is a head that a
    person took from a mail: the entry with its number must be that one.
    """
    if head.seq < seen.seq:
        raise ChainError(f"the ledger was cut off: it ends with entry {head.seq}, and entry {seen.seq} was seen")
    reached = seen
    for entry in entries:
        _check_entry(entry, reached)
        reached = Head(entry.seq, entry.hash)
        if reached.seq == noted.seq and reached != noted:
            raise ChainError(f"entry {noted.seq} is not the one that was noted: the ledger was written anew")
    if reached.seq == head.seq and reached != head:
        raise ChainError(f"entry {head.seq} is not the one that was seen: the ledger was written anew")
    if reached.seq > head.seq or (reached.seq < head.seq and not (more and entries)):
        raise ChainError(f"it tells entries up to {reached.seq} of a ledger that ends with {head.seq}")
    return reached


def _check_entry(entry: Entry, before: Head) -> None:
    if entry.seq != before.seq + 1:
        raise ChainError(f"entry {before.seq + 1} is missing")
    if entry.previous != before.hash:
        raise ChainError(f"entry {entry.seq} does not continue the entry {before.seq} that was seen: written anew")
    if "\n" in entry.time + entry.kind + entry.client + entry.body or hash_entry(entry) != entry.hash:
        raise ChainError(f"entry {entry.seq} was altered")
