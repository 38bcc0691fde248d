# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases of Borg with a weakness that has a name: the top of Borg's own change log (docs/changes.rst) lists them."""

from __future__ import annotations

import re
from dataclasses import dataclass

_VERSION = re.compile(r"(\d{1,4})\.(\d{1,4})\.(\d{1,4})(?!\d)", re.ASCII)
Version = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Weakness:
    """An advisory: Borg from ``first`` to before ``fixed`` has it."""

    name: str
    first: Version
    fixed: Version
    what: str


WEAKNESSES = (
    Weakness(
        "CVE-2016-10099", (0, 0, 0), (1, 0, 9), "whoever has the repository can show a list of archives of his own"
    ),
    Weakness("CVE-2017-15914", (1, 1, 0), (1, 1, 3), "what a server restricts a client to can be overridden"),
    Weakness("CVE-2023-36811", (0, 0, 0), (1, 2, 5), "whoever has the repository can show archives of his own"),
    Weakness("CVE-2026-62268", (0, 0, 0), (1, 4, 5), "a crafted archive can write outside of where it is restored"),
)


def find_weaknesses(version: str) -> tuple[Weakness, ...]:
    """Return the weaknesses of this Borg; one whose version cannot be read has none that is known."""
    found = _VERSION.match(version)
    if not found:
        return ()
    number = int(found[1]), int(found[2]), int(found[3])
    return tuple(one for one in WEAKNESSES if one.first <= number < one.fixed)


def describe_weaknesses(version: str) -> str:
    """Return one sentence about a Borg with weaknesses, empty for one without."""
    found = find_weaknesses(version)
    if not found:
        return ""
    fixed = ".".join(map(str, max(one.fixed for one in found)))
    named = "; ".join(f"{one.name}, {one.what}" for one in found)
    return f"Borg {version} ({named}): all mended in {fixed}"
