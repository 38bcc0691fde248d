# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How bad something is, as monitoring plugins have it, and what was found."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

from paranoid_runner.errors import printable


class Level(IntEnum):
    """The exit codes of the monitoring plugins' guidelines."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


_ORDER = (Level.OK, Level.WARNING, Level.UNKNOWN, Level.CRITICAL)


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it should be: ``check`` is a word, ``text`` one line."""

    level: Level
    check: str
    text: str


def find_worst(levels: Iterable[Level]) -> Level:
    """Return the worst level; what is not known is worse than a warning, and better than what is known to be broken."""
    return max(levels, key=_ORDER.index, default=Level.OK)


def show(text: str, limit: int = 200) -> str:
    """Return a stranger's text for a line of output; a bar there would begin the numbers of a monitoring system."""
    line = printable(" ".join(text[: 4 * limit].split())).replace("|", "/")
    return line if len(line) <= limit else line[: limit - 1] + "…"


def join_names(names: Iterable[str], most: int = 10) -> str:
    """Return ``a, b and 7 more``."""
    listed = [show(name, 64) for name in sorted(names)]
    rest = len(listed) - most
    return ", ".join(listed[:most]) + (f" and {rest} more" if rest > 0 else "")
