# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sources of a backup: each is saved as it is meant, or refused with one line that names it and the cure.

borgmatic expands `~` and globs in a source, strips nothing else, and hands it to Borg in a line of a file; Borg strips
blanks, takes ``/./`` for a prefix to drop, and saves a link as a link (borgmatic/actions/pattern.py, borg/archiver.py).
So what is not a plain, absolute path without links is refused. What is refused does not stop the others.

The role runs this module on the client as well, before it changes anything (`check_sources.py` of the role).
"""

from __future__ import annotations

import itertools
import os
import re
import stat
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Optional

from paranoid_dispatcher.mounts import Mounts, is_apart
from paranoid_dispatcher.patterns import BadPattern, Match, compile_accepted, line_problem, parse_pattern

_GLOB = re.compile(r"[*?[]")
_ANY_NAME = "7c1e any name"  # what leaves out this one leaves out whatever there is
MOUNTS_MAX = 200
_NOT_MOUNTED = (
    "is not mounted, though /etc/fstab or systemd mounts it: mount it, take it out of there, or name it as "
    "{path: …, mount: false}"
)
_MISSING = f"{{}}, below a source, {_NOT_MOUNTED.replace('{', '{{').replace('}', '}}')}"


@dataclass(frozen=True)
class Plan:
    """What a backup can do with its sources.

    ``roots`` are for Borg, in its order; ``refused`` and ``absent`` are lines for a person, ``absent`` about what may
    come later: a directory that is not there yet, a disk that is not mounted; ``expected`` are their paths. ``mounts``
    is what `_lie` tells.
    """

    roots: tuple[str, ...]
    refused: tuple[str, ...]
    absent: tuple[str, ...]
    mounts: Mapping[str, bool]
    expected: tuple[str, ...] = ()

    @property
    def problems(self) -> tuple[str, ...]:
        """All lines: why this is not the backup that was meant."""
        return self.refused + self.absent


class Absent(Exception):
    """It is not there, and may come later."""


class Wrong(Exception):
    """It would not be saved as it is meant."""


def plan_sources(
    sources: Sequence[Any],
    wishes: Mapping[str, bool],
    excludes: Sequence[Any],
    mounts: Optional[Mounts] = None,
    origins: Optional[Mapping[str, str]] = None,
    accepted: Sequence[str] = (),
) -> Plan:
    """Look at SOURCES on this host. WISHES says of some whether they must lie on a file system of their own.

    ACCEPTED are patterns of what need not be readable. ORIGINS has the file in which its owner added one; these come
    last, so that they displace nothing.
    """
    mounts = mounts or Mounts.read()
    added = {_plain(path): file for path, file in (origins or {}).items()}
    wishes = {_plain(path): wish for path, wish in wishes.items()}
    refused: list[str] = []
    absent: dict[str, str] = {}
    matches = parse_excludes(excludes, refused)
    found: dict[str, os.stat_result] = {}

    def examine(source: Any) -> None:
        try:
            status = _look(source, mounts, wishes, added.get(str(source), "backup_client_sources"))
            _require_only_name(source, status, found)
            _require_something_left(source, status, matches)
            _require_something_read(source, status, accepted)
            found[source] = status
        except Wrong as exc:
            refused.append(f"source {_quoted(source)} {exc}")
        except Absent as exc:
            absent[source] = f"source {_quoted(source)} {exc}"

    for source in map(_plain, sources):
        if not isinstance(source, str) or source not in found:
            examine(source)
    missing = [_MISSING.format(_quoted(path)) for path in _missing_below(found, wishes, matches, mounts)]
    seen = _lie(found, wishes, matches, mounts)
    return Plan(_in_order(found, added), _once(refused), _once([*absent.values(), *missing]), seen, tuple(absent))


def _lie(
    sources: Iterable[str], wishes: Container[str], matches: Mapping[str, Match], mounts: Mounts
) -> dict[str, bool]:
    """Tell of sources, and of what the system mounts below them, whether they lie on a file system of their own.

    Those in WISHES are left out: somebody has said how they must lie. One may still do so when its disk is gone, for
    there may be another one below. So of a source that does, also each directory on the way is told, with a slash
    behind it: whether something is mounted there.
    """
    free = [path for path in sources if path not in wishes]
    nested = [path for path in mounts.wanted_below(sources) if path not in wishes and not _matching(path, matches)]
    told = {path: mounts.has(path) or (is_apart(path) and path not in mounts.wanted) for path in free}
    way = {step: mounts.has(step) for path, apart in told.items() if apart for step in _steps(path)}
    told.update({path: mounts.has(path) or path in mounts.waiting for path in nested})
    told.update({f"{step}/": is_mount for step, is_mount in way.items()})
    return dict(itertools.islice(told.items(), MOUNTS_MAX))


def _missing_below(
    sources: Iterable[str], wishes: Container[str], matches: Mapping[str, Match], mounts: Mounts
) -> list[str]:
    """Return what the system mounts by itself below SOURCES and has not mounted: Borg would save an empty directory."""
    nested = [path for path in mounts.wanted_below(sources) if path not in wishes and not _matching(path, matches)]
    return [path for path in nested if mounts.misses(path)]


def _steps(path: str) -> list[str]:
    """Return the directories on the way from the root to PATH, and PATH itself."""
    parts = path.split("/")
    return ["/".join(parts[:end]) for end in range(2, len(parts) + 1) if parts[1]]


def form_problem(source: object) -> str:
    """Say why SOURCE could not be saved as it is written, wherever it is; empty if it can."""
    problem = line_problem(source)
    if problem:
        return problem
    path = str(source)
    if not path.startswith("/"):
        return "is not an absolute path: write it from the root on, such as /srv/data"
    if _GLOB.search(path):
        return (
            "holds a '*', '?' or '[', a pattern: name the directory above it, and leave out by backup_client_excludes"
        )
    normal = os.path.normpath(path).replace("//", "/")
    if path != normal:
        return f"is not written plainly: write {normal}"
    return ""


def _plain(source: object) -> Any:
    """Return SOURCE without the one slash at its end that people like to write."""
    return source[:-1] if isinstance(source, str) and len(source) > 1 and source[-1] == "/" != source[-2] else source


def _look(path: str, mounts: Mounts, wishes: Mapping[str, bool], where: str) -> os.stat_result:
    problem = form_problem(path)
    if problem:
        raise Wrong(problem)
    must_be_mount = wishes.get(path)
    try:
        _require_no_link(path)
        status = os.lstat(path)
        is_empty = stat.S_ISDIR(status.st_mode) and set(_some_names(path)) <= {"lost+found"}
    except FileNotFoundError as exc:
        raise Absent(f"is not there: make or mount it, or take it out of {where}") from exc
    except OSError as exc:
        raise Wrong(f"cannot be read: {exc.strerror}") from exc
    if not stat.S_ISDIR(status.st_mode) and not stat.S_ISREG(status.st_mode):
        raise Wrong("is neither a directory nor a file: name the directory above it")
    if must_be_mount is None and path in mounts.wanted and mounts.misses(path):
        raise Absent(_NOT_MOUNTED)
    if must_be_mount and not mounts.has(path):
        raise Absent("is not mounted: mount it, or take 'mount: true' away from it")
    if must_be_mount and is_empty:
        raise Absent("is mounted, and empty: mount what belongs there, or take 'mount: true' away from it")
    return status


def _require_no_link(path: str) -> None:
    """Raise Wrong if PATH, or a directory on the way to it, is a symbolic link: who owns that chooses what is saved."""
    for step in _steps(path):
        if stat.S_ISLNK(os.lstat(step).st_mode):
            which = "is a link" if step == path else f"leads through {_quoted(step)}, a link"
            raise Wrong(f"{which} to {_quoted(os.readlink(step))}: name {_quoted(os.path.realpath(path))}")


def _require_only_name(path: str, status: os.stat_result, found: Mapping[str, os.stat_result]) -> None:
    """Raise Wrong for a second name of the same thing: Borg passes over what it has saved as a source already."""
    for other, its in found.items():
        if os.path.samestat(status, its):
            raise Wrong(f"is the same as {_quoted(other)}, under which it is saved: take one of them out")


def _require_something_left(path: str, status: os.stat_result, matches: Mapping[str, Match]) -> None:
    """Raise Wrong if an exclude leaves out all of a source: itself, or whatever its directory holds."""
    inside = f"{path.rstrip('/')}/{_ANY_NAME}" if stat.S_ISDIR(status.st_mode) else path
    by = _matching(path, matches) or _matching(inside, matches)
    if by:
        raise Wrong(f"is left out as a whole by the exclude {_quoted(by)}: take one of the two away")


def _require_something_read(path: str, status: os.stat_result, accepted: Iterable[str]) -> None:
    """Raise Wrong if whatever cannot be read in a directory is accepted: it would be green without any of it."""
    inside = f"{path.rstrip('/')}/{_ANY_NAME}"
    for pattern in accepted if stat.S_ISDIR(status.st_mode) else ():
        if (accepts := compile_accepted([pattern])) and accepts.match(inside):
            wide = f"accepts whatever cannot be read in it: say in {_quoted(pattern)} what that is"
            raise Wrong(f"need not be read at all: backup_client_accept_unreadable {wide}")


def _matching(path: str, matches: Mapping[str, Match]) -> str:
    return next((text for text, match in matches.items() if match(path)), "")


def parse_excludes(excludes: Iterable[Any], refused: list[str]) -> dict[str, Match]:
    """Return what excludes match; put lines about those that are none into REFUSED."""
    matches: dict[str, Match] = {}

    def take(text: Any) -> None:
        try:
            matches[text] = parse_pattern(text)
        except BadPattern as exc:
            refused.append(f"exclude {_quoted(text)} {exc}")

    for one in excludes:
        take(one)
    return matches


def _in_order(found: Mapping[str, os.stat_result], added: Mapping[str, str]) -> tuple[str, ...]:
    """Sort sources for Borg, which passes over every name of what it has saved as a source already.

    A directory before those above it, so that nothing comes twice; files last, so that their hard links come. What
    the owner ADDED elsewhere comes after all that: under another name it may be the same (a bind mount).
    """
    demanded = [path.rstrip("/") + "/" for path in found if path not in added]

    def rank(path: str) -> tuple[bool, bool, int]:
        elsewhere = path in added and not path.startswith(tuple(demanded))
        return elsewhere, not stat.S_ISDIR(found[path].st_mode), -path.rstrip("/").count("/")

    return tuple(sorted(found, key=rank))


def _some_names(path: str) -> list[str]:
    """Return the first two names in a directory."""
    with os.scandir(path) as entries:
        return [entry.name for entry, _turn in zip(entries, range(2))]


def _once(lines: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(lines))


def _quoted(text: object) -> str:
    plain = isinstance(text, str) and text and text.isprintable() and text == text.strip()
    return str(text) if plain else repr(text)
