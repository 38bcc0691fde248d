# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""sources.d: what the owner of this host adds to what is saved, without Ansible. It can add, and take nothing away.

Each ``<name>.yaml`` has ``sources``, as backup_client_sources has them, and ``excludes`` that hold below these alone:

    sources:
      - /srv/photos
    excludes:
      - "*.tmp"

An exclude that could leave out something of what the server's configuration saves is refused, and so is one of which
nobody can say what it leaves out. What is refused does not stop the others.
"""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from paranoid_dispatcher.output import printable
from paranoid_dispatcher.patterns import BadPattern, line_problem, parse_pattern, split_style
from paranoid_dispatcher.trust import find_distrust

READER = Path(__file__).with_name("read_yaml.py")
READ_SECONDS = 60
FILE_MAX = 64 * 1024  # bytes
FILES_MAX, SOURCES_MAX, EXCLUDES_MAX = 100, 100, 1000
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*\.yaml", re.ASCII)
_SPECIAL = re.compile(r"[*?[]")


@dataclass
class Added:
    """What is added; ``origins`` has the file of each source.

    ``problems`` are lines about what is refused, ``skipped`` about files that are none of these.
    """

    sources: list[str] = field(default_factory=list)
    wishes: dict[str, bool] = field(default_factory=dict)
    may_be_empty: list[str] = field(default_factory=list)
    excludes: list[str] = field(default_factory=list)
    origins: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)


def read_drop_ins(directory: Path, python: str, demanded: Sequence[str]) -> Added:
    """Read what lies in DIRECTORY, with a PYTHON that knows YAML; DEMANDED is what the configuration saves."""
    added = Added()
    try:
        names = sorted(os.listdir(directory), key=os.fsencode)
    except FileNotFoundError:
        return added
    except OSError as exc:
        added.problems.append(f"{directory.name} cannot be listed: {exc.strerror}")
        return added
    why = find_distrust(directory)
    if why:
        added.problems.append(f"{directory.name} is not read: {why}")
        return added
    texts = _read_all(added, directory, names)
    for name, found in _parse(texts, python).items():
        _take(added, name, found, demanded)
    return added


def _read_all(added: Added, directory: Path, names: Sequence[str]) -> dict[str, str]:
    texts: dict[str, str] = {}

    def take(path: Path) -> None:
        name = f"{directory.name}/{printable(path.name, 50)}"
        if not _NAME.fullmatch(path.name):
            added.skipped += [f"{name} is not read: its name must end in .yaml"] if path.name[0] != "." else []
            return
        try:
            texts[name] = _read(path)
        except _Unread as exc:
            added.problems.append(f"{name} is not read: {exc}")

    for name in names[:FILES_MAX]:
        take(directory / name)
    if len(names) > FILES_MAX:
        added.problems.append(f"{directory.name} has more than {FILES_MAX} files: the rest is not read")
    return texts


class _Unread(Exception):
    """Why a file is not read."""


def _read(path: Path) -> str:
    why = find_distrust(path)
    if why:
        raise _Unread(why)
    if not stat.S_ISREG(path.lstat().st_mode):
        raise _Unread("it is no file")
    with path.open("rb") as handle:
        data = handle.read(FILE_MAX + 1)
    if len(data) > FILE_MAX:
        raise _Unread(f"it is larger than {FILE_MAX // 1024} KiB")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise _Unread("it is not UTF-8") from None


def _parse(texts: Mapping[str, str], python: str) -> dict[str, Any]:
    """Return for each text its content or a problem, as `read_yaml` says."""
    if not texts:
        return {}
    argv = [python, "-I", str(READER)]
    clean = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
    try:
        done = subprocess.run(
            argv, input=json.dumps(texts).encode(), env=clean, capture_output=True, timeout=READ_SECONDS, check=False
        )
        found: dict[str, Any] = json.loads(done.stdout)
    except (OSError, ValueError, subprocess.TimeoutExpired) as exc:
        return {name: {"problem": f"cannot be read with {python}: {exc}"} for name in texts}
    return found


def _take(added: Added, name: str, found: Mapping[str, Any], demanded: Sequence[str]) -> None:
    content = found.get("content") or {}
    form = found.get("problem") or _form_problem(content)
    if form:
        added.problems.append(f"{name} {printable(str(form), 300)}")
        return
    own: list[str] = []
    for entry in content.get("sources") or ():
        _take_source(added, name, entry, demanded)
        own.append(_path(entry))
    for text in content.get("excludes") or ():
        _take_exclude(added, name, text, own, demanded)


def _take_source(added: Added, name: str, entry: Any, demanded: Sequence[str]) -> None:
    path = _path(entry)
    if path in demanded or path in added.origins:
        return
    if len(added.sources) >= SOURCES_MAX:
        added.problems.append(f"source {printable(path, 200)} of {name} is one more than {SOURCES_MAX}: name one above")
        return
    added.sources.append(path)
    added.origins[path] = name
    if isinstance(entry, dict) and "mount" in entry:
        added.wishes[path] = entry["mount"]
    if isinstance(entry, dict) and entry.get("empty"):
        added.may_be_empty.append(path)


def _take_exclude(added: Added, name: str, text: Any, own: Sequence[str], demanded: Sequence[str]) -> None:
    try:
        scoped = scope_exclude(text, own, demanded)
        if len(added.excludes) + len(scoped) > EXCLUDES_MAX:
            raise BadPattern(f"is one more than {EXCLUDES_MAX}: use one that says more")
    except BadPattern as exc:
        added.problems.append(f"exclude {printable(repr(text), 200)} of {name} {exc}")
    else:
        added.excludes += scoped


def _path(entry: Any) -> str:
    path = str(entry["path"] if isinstance(entry, dict) else entry)
    return path.rstrip("/") or "/"


def _form_problem(content: Any) -> str:
    if not isinstance(content, dict):
        return "has no 'sources:' and no 'excludes:'"
    unknown = sorted(str(key) for key in content if key not in ("sources", "excludes"))
    if unknown:
        return f"has {', '.join(unknown)}, but only sources and excludes can be added"
    for key, value in content.items():
        if value is not None and not isinstance(value, list):
            return f"has {key} that are no list: begin each with '- '"
    for entry in content.get("sources") or ():
        if not isinstance(entry, str) and not _is_wish(entry):
            return "has a source that is neither a path nor {path: /srv/data, mount: true}"
    return ""


def _is_wish(entry: Any) -> bool:
    if not isinstance(entry, dict) or not {"path"} <= set(entry) <= {"path", "mount", "empty"}:
        return False
    said = (entry.get("mount", True), entry.get("empty", True))
    return isinstance(entry["path"], str) and all(isinstance(word, bool) for word in said)


def scope_exclude(text: Any, own: Sequence[str], demanded: Sequence[str]) -> list[str]:
    """Return an exclude so that it holds below the sources OWN alone; BadPattern if that cannot be had.

    What begins with a slash must lie below one of them, all else is put below each. Whatever a pattern matches begins
    with its part before the first ``*``, ``?`` or ``[``, up to a slash (in styles that have none of these, even more).
    """
    problem = line_problem(text)
    if problem:
        raise BadPattern(problem)
    style, value = split_style(text)
    if style == "re":
        raise BadPattern("is a regular expression, of which nobody can say where it ends: write it with * and ?")
    if not value.startswith("/") and not own:
        raise BadPattern("has no source beside it, below which it would hold")
    values = [value] if value.startswith("/") else [f"{source.rstrip('/')}/{value}" for source in own]
    scoped = [f"{style}:{one}" for one in values]
    for one, pattern in zip(values, scoped):
        parse_pattern(pattern)
        fixed = _fixed_part(one)
        if not any(_is_within(fixed, source) for source in own):
            raise BadPattern("reaches out of the sources beside it")
        hit = next((path for path in demanded if _is_within(fixed, path) or _is_within(path, fixed)), "")
        if hit:
            raise BadPattern(f"could leave out something of {hit}, which the server's configuration saves")
    return scoped


def _fixed_part(value: str) -> str:
    """Return the path with which everything begins that a pattern matches, as Borg makes it plain."""
    plain = "/" + os.path.normpath(value).lstrip("/")
    special = _SPECIAL.search(plain)
    return (plain[: special.start()].rpartition("/")[0] or "/") if special else plain


def _is_within(path: str, directory: str) -> bool:
    return path == directory or path.startswith(directory.rstrip("/") + "/")
