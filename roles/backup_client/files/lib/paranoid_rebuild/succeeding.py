# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packages with a version in their name: on another release their successor has another name, and is as good."""

from __future__ import annotations

import re
from collections.abc import Iterable

from paranoid_rebuild.errors import printable

_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)*", re.ASCII)
_WORDS = frozenset({"32", "64"})  # bits of a processor, as in lib32gcc-s1


def find_successors(names: Iterable[str], installed: Iterable[str]) -> dict[str, str]:
    """Return the newest successor of each of NAMES that has one: a package of the same stem and a higher version.

    ``postgresql-15`` and ``postgresql-17`` have the stem ``postgresql-#``, ``php8.2-fpm`` has ``php#-fpm``.
    """
    by_stem: dict[str, list[str]] = {}
    for name in installed:
        by_stem.setdefault(_stem(name), []).append(name)
    found = {}
    for name in names:
        newer = [other for other in by_stem.get(_stem(name), ()) if _is_newer(other, name)]
        if newer:
            found[name] = max(newer, key=_versions)
    return found


def format_successors(successors: dict[str, str]) -> list[str]:
    """Return a line for each package that another one stands in for."""
    return [f"package {printable(old)}: {printable(new)} is here in its place" for old, new in successors.items()]


def _stem(name: str) -> str:
    return _NUMBER.sub("#", name)


def _is_newer(name: str, old: str) -> bool:
    """Tell whether all versions in a name are those of the OLD one or higher, and one is higher."""
    pairs = list(zip(_NUMBER.findall(name), _NUMBER.findall(old)))
    if any(one != other and {one, other} == _WORDS for one, other in pairs):
        return False
    versions = list(zip(_versions(name), _versions(old)))
    return all(one >= other for one, other in versions) and any(one > other for one, other in versions)


def _versions(name: str) -> tuple[tuple[int, ...], ...]:
    """Return the versions in a name, each as its numbers."""
    return tuple(tuple(map(int, found.split("."))) for found in _NUMBER.findall(name))
