# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether there is anything in a source. The server compares that with the last good backup: a source that was emptied
beside a far larger one does not make the archive small.

Whoever owns something below a source may have mounted there what answers nobody, and root must not hang in it. So what
is mounted below is not entered, and all has a limit of time. What is not known counts as filled.
"""

from __future__ import annotations

import itertools
import os
import stat
import threading
from collections.abc import Container, Iterable, Iterator, Sequence
from typing import Any

from paranoid_dispatcher.mounts import Mounts
from paranoid_dispatcher.patterns import Match
from paranoid_dispatcher.sources import parse_excludes

SOURCES_MAX = 200
NAMES_MAX = 10_000  # looked at in one source; in a longer search there may be something, so it counts as filled
SECONDS = 10.0  # for all sources


def find_filled(
    sources: Iterable[str], excludes: Iterable[Any], may_be_empty: Container[str], mounts: Mounts
) -> dict[str, bool]:
    """Tell of each of SOURCES, but those that MAY_BE_EMPTY, whether it has a file with a byte that is not left out."""
    matches = list(parse_excludes(excludes, []).values())  # Lines about what is refused are made elsewhere.
    asked = [path for path in sources if path not in may_be_empty][:SOURCES_MAX]
    found = dict.fromkeys(asked, True)

    def look() -> None:
        for path in asked:
            found[path] = is_filled(path, matches, mounts)

    looking = threading.Thread(target=look, daemon=True)  # It may hang for as long as this process lives.
    looking.start()
    looking.join(SECONDS)
    return dict(found)


def is_filled(path: str, matches: Sequence[Match], mounts: Mounts) -> bool:
    """Whether PATH is a file, or has one anywhere below it, that is not empty; what cannot be looked at is none."""
    found = _walk(path, matches, mounts)
    looked = itertools.islice(found, NAMES_MAX)
    return any(looked) or next(found, None) is not None


def _walk(path: str, matches: Sequence[Match], mounts: Mounts) -> Iterator[bool]:
    """Yield of each thing below PATH, and of itself, whether it is a file with a byte, or may have one."""
    pending, closed = [path], (mounts.now | mounts.waiting) - {path}
    while pending:
        here = pending.pop()
        if here != path and any(match(here) for match in matches):
            yield False
        elif here in closed:
            yield True
        else:
            is_directory, has_bytes = _look(here)
            pending += _names(here) if is_directory else []
            yield has_bytes


def _look(path: str) -> tuple[bool, bool]:
    """Return whether PATH is a directory, and whether it is anything else with a byte; no link is followed."""
    try:
        status = os.lstat(path)
    except OSError:
        return False, False
    is_directory = stat.S_ISDIR(status.st_mode)
    return is_directory, not is_directory and status.st_size > 0


def _names(path: str) -> list[str]:
    try:
        return [os.path.join(path, name) for name in os.listdir(path)]
    except OSError:
        return []  # Borg says itself what it cannot read.
