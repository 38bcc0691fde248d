# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make untrusted values safe: the right type, bounded, printable. Nothing here raises."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.paranoid.backup.plugins.module_utils._common.text import one_line, printable

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)?", re.ASCII)
_LARGEST = 2**63 - 1
_TEN_YEARS = 10 * 366 * 86400.0


def take_mapping(value: Any) -> Mapping[str, Any]:
    """Return ``value`` when it is a mapping, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def take_mappings(value: Any) -> list[Mapping[str, Any]]:
    """Return those entries of a list that are mappings."""
    return [entry for entry in value if isinstance(entry, Mapping)] if isinstance(value, (list, tuple)) else []


def take_text(value: Any, limit: int) -> str:
    """Return one printable line of at most ``limit`` characters; what is not text becomes empty."""
    return one_line(value, limit) if isinstance(value, str) else ""


def take_lines(value: Any, count: int, limit: int) -> tuple[str, ...]:
    """Return the last ``count`` entries of a list as printable lines that keep their indentation."""
    if not isinstance(value, (list, tuple)):
        return ()
    return tuple(_make_printable(line, limit) for line in value[-count:] if isinstance(line, str))


def take_word(value: Any, allowed: frozenset[str], otherwise: str) -> str:
    """Return ``value`` when it is one of the allowed words."""
    return value if isinstance(value, str) and value in allowed else otherwise


def take_count(value: Any) -> int | None:
    """Return a whole number from 0 to 2^63-1, or None."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _LARGEST:
        return None
    return value


def take_number(value: Any) -> float | None:
    """Return a number from 0 to 2^63-1, or None."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if 0 <= value <= _LARGEST else None


def take_seconds(value: Any) -> float | None:
    """Return a duration in seconds from 0 to ten years, or None."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if 0 <= value <= _TEN_YEARS else None


def take_time(value: Any) -> str:
    """Return a time in ISO 8601 as it was given, or an empty string."""
    return value if isinstance(value, str) and len(value) <= 40 and _TIME.fullmatch(value) else ""


def _make_printable(line: str, limit: int) -> str:
    safe = printable(line[: 4 * limit].expandtabs(4).rstrip())
    return safe if len(safe) <= limit else safe[: limit - 1] + "…"
