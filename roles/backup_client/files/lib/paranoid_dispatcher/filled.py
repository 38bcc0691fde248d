# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether there is anything in a source. The server compares that with the last good backup: a source that was emptied
beside a far larger one does not make the archive small."""

from __future__ import annotations

import itertools
import os
from collections.abc import Container, Iterable, Iterator, Sequence
from typing import Any

from paranoid_dispatcher.patterns import Match
from paranoid_dispatcher.sources import parse_excludes

SOURCES_MAX = 200
NAMES_MAX = 10_000  # looked at in one source; in a longer search there may be something, so it counts as filled


def find_filled(sources: Iterable[str], excludes: Iterable[Any], may_be_empty: Container[str]) -> dict[str, bool]:
    """Tell of each of SOURCES, but those that MAY_BE_EMPTY, whether it has a file with a byte that is not left out."""
    matches = list(parse_excludes(excludes, []).values())  # Lines about what is refused are made elsewhere.
    asked = [path for path in sources if path not in may_be_empty]
    return {path: is_filled(path, matches) for path in itertools.islice(asked, SOURCES_MAX)}


def is_filled(path: str, matches: Sequence[Match]) -> bool:
    """Whether PATH is a file, or has one anywhere below it, that is not empty; what cannot be looked at is none."""
    found = _walk(path, matches)
    looked = itertools.islice(found, NAMES_MAX)
    return any(looked) or next(found, None) is not None


def _walk(path: str, matches: Sequence[Match]) -> Iterator[bool]:
    """Yield of each thing below PATH, and of itself, whether it is a file with a byte."""
    pending = [path]
    while pending:
        path = pending.pop()
        if os.path.isdir(path) and not os.path.islink(path):
            pending += [below for below in _names(path) if not any(match(below) for match in matches)]
            yield False
        else:
            yield _has_bytes(path)


def _names(path: str) -> list[str]:
    try:
        return [os.path.join(path, name) for name in os.listdir(path)]
    except OSError:
        return []  # Borg says itself what it cannot read.


def _has_bytes(path: str) -> bool:
    try:
        return os.lstat(path).st_size > 0
    except OSError:
        return False
