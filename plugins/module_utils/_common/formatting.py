# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers as people read them."""

from __future__ import annotations

import re
from datetime import datetime

NOTHING = "\u2013"
_TIME = re.compile(r"\b(\d{4}-\d\d-\d\d)T(\d\d:\d\d)(?::\d\d)?(?:Z|\+00:00)(?!\w|:\d)", re.ASCII)
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")


def format_size(count: int | None) -> str:
    """Return bytes as ``512 B``, ``1.5 KiB``, ``20 GiB``: three digits at most before the unit, which ends at EiB."""
    if count is None:
        return NOTHING
    if count < 1000:
        return f"{count} B"
    power = 1
    while count / 1024**power >= 999.5 and power < len(_UNITS) - 1:
        power += 1
    value = count / 1024**power
    return f"{value:.0f} {_UNITS[power]}" if value >= 99.95 else f"{value:.1f} {_UNITS[power]}"


def format_number(count: int | None) -> str:
    """Return a count with thin groups: ``1 234 567`` with no-break spaces."""
    return NOTHING if count is None else f"{count:,}".replace(",", "\u00a0")


def format_duration(seconds: float | None) -> str:
    """Return seconds as ``0.4 s``, ``12 s``, ``2 min 10 s``, ``1 h 03 min``, ``2 d 04 h``."""
    if seconds is None:
        return NOTHING
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for unit, below, length, rest in (("d", "h", 86400, 3600), ("h", "min", 3600, 60), ("min", "s", 60, 1)):
        if whole >= length:
            return f"{whole // length} {unit} {whole % length // rest:02d} {below}"
    return f"{whole} s"


def count_seconds(began: str, ended: str) -> float | None:
    """Return the seconds between two ISO 8601 times, or None when one is missing or they run backwards."""
    try:
        passed = (datetime.fromisoformat(ended) - datetime.fromisoformat(began)).total_seconds()
    except (ValueError, TypeError):
        return None
    return passed if passed >= 0 else None


def format_time(text: str) -> str:
    """Return an ISO 8601 time as ``2026-11-21 06:30:00 UTC``."""
    return text.replace("T", " ").replace("Z", " UTC") or NOTHING


def format_times(sentence: str) -> str:
    """Return a sentence of the server with its ISO 8601 times as ``2026-12-05 06:30 UTC``."""
    return _TIME.sub(r"\1 \2 UTC", sentence)


def join_names(listed: list[str], most: int = 5) -> str:
    """Return ``a, b and c``, and ``a, b and 7 more`` when there are too many."""
    if len(listed) > most:
        return f"{', '.join(listed[: most - 1])} and {len(listed) - most + 1} more"
    return " and ".join(filter(None, [", ".join(listed[:-1]), listed[-1]])) if listed else ""
