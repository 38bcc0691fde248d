# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which archive, and what of it: nothing here touches a disk or a repository."""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Optional

from paranoid_restore.errors import RestoreError

_GLOB = "*?["
_NEIGHBOURS = 1000  # names of a directory that are looked through for one that is near


@dataclass(frozen=True)
class Listed:
    """An archive as the repository lists it; ``time`` is when it began, by this host's clock then, in UTC."""

    name: str
    identifier: str
    time: datetime


def choose_archive(listed: Sequence[Listed], name: str = "", as_of: Optional[datetime] = None) -> Listed:
    """Return the archive of this name, the newest that began by ``as_of``, or the newest; RestoreError without one."""
    if name:
        for one in listed:
            if name in (one.name, one.identifier):
                return one
        raise RestoreError(f"there is no archive {name}: {_nearest(name, listed)}--list shows which there are")
    found = [one for one in listed if as_of is None or one.time <= as_of]
    if not found:
        first = min((one.time for one in listed), default=None)
        hint = f"the first is of {first.isoformat(' ', 'minutes')}" if first else "there is none yet"
        raise RestoreError(f"there is no archive as old as that: {hint}")
    return max(found, key=lambda one: one.time)


def parse_moment(text: str) -> datetime:
    """Return a moment that a person typed, in this host's time unless it names an offset."""
    try:
        return datetime.fromisoformat(text.strip().replace("Z", "+00:00")).astimezone(timezone.utc)
    except (ValueError, OverflowError):  # the latter for the year 1, which begins a day earlier elsewhere
        raise RestoreError(f"{text!r} is no time: write it as 2026-11-20 or 2026-11-20 03:00") from None


def _nearest(name: str, listed: Sequence[Listed]) -> str:
    """Return a question that may help who has typed this name, or nothing."""
    try:
        parse_moment(name)
    except RestoreError:
        names = {one.name.lower(): one.name for one in listed}
        return "".join(f"is it {names[near]}? " for near in difflib.get_close_matches(name.lower(), names, 1, 0.8))
    return f"for the state of a time write --as-of '{name}'; "


class Wanted:
    """The paths and patterns that a person named; without any, everything. What is EXCEPTED is never wanted.

    Each of both must be in the archive (`require_all`). What a program has LEFT_OUT is excepted, there or not.
    """

    def __init__(self, words: Iterable[str], excepted: Iterable[str] = (), left_out: Iterable[str] = ()) -> None:
        self._words = [normalize(word) for word in words]
        self._but = [normalize(word) for word in excepted]
        out = [normalize(word) for word in left_out]
        self._out = frozenset(word for word in out if not _is_pattern(word))
        self._out_patterns = [word for word in out if _is_pattern(word)]
        self._met: set[str] = set()
        self._left: set[str] = set()  # words of which something is not excepted
        self._near = _Near([*self._words, *self._but])

    def matches(self, path: str) -> bool:
        """Tell whether a path of the archive is wanted."""
        found = [word for word in self._words if _fits(path, word)]
        but = [word for word in self._but if _fits(path, word)]
        self._met.update(found, but)
        self._near.note(path)
        if but or self._is_left_out(path):
            return False
        self._left.update(found)
        return bool(found) or not self._words

    def _is_left_out(self, path: str) -> bool:
        if self._out and any(above in self._out for above in _itself_and_above(path)):
            return True
        return any(_fits(path, word) for word in self._out_patterns)

    def require_all(self, archive: str) -> None:
        """Raise RestoreError unless every path was met, those that are excepted as well."""
        missing = [word for word in (*self._words, *self._but) if word not in self._met]
        if missing:
            near = self._near.find(missing[0])
            hint = f"is it /{near}? " if near else ""
            shown = f"paranoid-backup-borg list ::{archive} shows all of it"
            raise RestoreError(f"{archive} has no {missing[0]}: {hint}{shown}")
        nothing = next((word for word in self._words if word not in self._left), "")
        if nothing:
            raise RestoreError(f"all of {nothing} is excepted: nothing of it would come back")


class _Near:
    """What may be meant by words that are not met: paths with the same last name, or one that is nearly the same."""

    def __init__(self, words: Sequence[str]) -> None:
        self._ends = {word.rpartition("/")[2].lower(): word for word in words}
        self._beside: dict[str, list[str]] = {word.rpartition("/")[0]: [] for word in words}
        self._found: dict[str, str] = {}

    def note(self, path: str) -> None:
        """Remember a path of the archive if it may be meant."""
        above, _slash, name = path.rpartition("/")
        word = self._ends.get(name.lower())
        if word and not self._found.get(word, "").endswith(f"/{word}"):
            self._found[word] = path
        beside = self._beside.get(above)
        if beside is not None and len(beside) < _NEIGHBOURS:
            beside.append(name)

    def find(self, word: str) -> str:
        """Return what is nearest to a word; empty if nothing is near."""
        above, slash, name = word.rpartition("/")
        beside = difflib.get_close_matches(name, self._beside.get(above, ()), 1, 0.7)
        return self._found.get(word) or (f"{above}{slash}{beside[0]}" if beside else "")


def normalize(word: str) -> str:
    """Return a path as an archive has it: without a slash before or behind; RestoreError for one that leads away."""
    path = word.strip("/")
    if not path or any(part in ("", ".", "..") for part in path.split("/")):
        raise RestoreError(f"{word!r} is no path: write it whole, as /etc/nginx/nginx.conf; --all brings everything")
    return path


def is_safe(path: str) -> bool:
    """Tell whether a path from an archive stays below where it is restored to; an archive may be crafted."""
    return bool(path) and "\0" not in path and not any(part in ("", ".", "..") for part in path.split("/"))


def _is_pattern(word: str) -> bool:
    return any(letter in word for letter in _GLOB)


def _itself_and_above(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:depth]) for depth in range(1, len(parts) + 1)]


def _fits(path: str, word: str) -> bool:
    if path == word or path.startswith(word + "/"):
        return True  # Names may have an asterisk or a bracket in them.
    return _is_pattern(word) and any(fnmatch.fnmatchcase(above, word) for above in _itself_and_above(path))
