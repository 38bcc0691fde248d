# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hash chain of the ledger: each entry seals everything before it, so that a changed past shows."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

GENESIS = "0" * 64
_HEAD = re.compile(r"(\d{1,18}):([0-9a-f]{64})\Z")


@dataclass(frozen=True)
class ChainHead:
    """The newest entry of a chain. Written ``<seq>:<hash>``, to be noted elsewhere; an empty chain has seq 0."""

    seq: int
    hash: str

    def __str__(self) -> str:
        return f"{self.seq}:{self.hash}"


@dataclass(frozen=True)
class Link:
    """One entry as it is stored: ``time`` is ISO 8601 UTC, ``body`` is canonical JSON."""

    seq: int
    time: str
    kind: str
    client: str
    body: str
    previous: str
    hash: str


@dataclass(frozen=True)
class ChainReport:
    """What a check of the chain found, up to ``head``; ``first_bad`` (a seq) and ``problem`` (a line) say why not."""

    ok: bool
    head: ChainHead
    checked: int
    first_bad: int | None = None
    problem: str = ""


EMPTY = ChainHead(0, GENESIS)


def parse_head(text: str) -> ChainHead:
    """Return the Head that ``<seq>:<hash>`` names; ValueError when it is not of that form."""
    match = _HEAD.match(text.strip())
    if match is None:
        raise ValueError("a head is <seq>:<64 hex digits>, as ledger_info printed it")
    return ChainHead(int(match[1]), match[2])


def link_hash(seq: int, time: str, kind: str, client: str, body: str, previous: str) -> str:
    """Return SHA-256 over the six fields, one a line; none of them can hold a line end."""
    text = "\n".join((previous, str(seq), time, kind, client, body))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def follow(links: Iterable[Link], start: ChainHead = EMPTY) -> ChainReport:
    """Check that ``links`` continue ``start`` without a gap and that each carries its own true hash."""
    head = start
    for link in links:
        problem = _problem(link, head)
        if problem:
            return ChainReport(False, head, head.seq - start.seq, head.seq + 1, problem)
        head = ChainHead(link.seq, link.hash)
    return ChainReport(True, head, head.seq - start.seq)


def _problem(link: Link, head: ChainHead) -> str:
    if link.seq != head.seq + 1:
        return f"entry {head.seq + 1} is missing"
    if link.previous != head.hash:
        return f"entry {link.seq} does not continue entry {head.seq}"
    if link.hash != link_hash(link.seq, link.time, link.kind, link.client, link.body, link.previous):
        return f"entry {link.seq} was altered"
    return ""
