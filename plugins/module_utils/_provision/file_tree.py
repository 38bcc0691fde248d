# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make files and directories as desired: look, compare, change, and show the difference."""

from __future__ import annotations

import grp
import json
import os
import pwd
import shutil
import stat
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Optional

from ansible_collections.paranoid.backup.plugins.module_utils._common.files import atomic_write

SHOWN_LINES = 10
Validator = Callable[[str], Optional[str]]


class TreeError(Exception):
    """What cannot be made, and why, in one line."""


@dataclass(frozen=True)
class Desired:
    """How a path should be.

    ``only`` removes from a directory whatever is not in the list; ``secret`` keeps a file's content out of the diff.
    """

    path: str
    state: str  # file, directory or absent
    owner: str = ""
    group: str = ""
    mode: int = 0
    content: bytes = b""
    validate: str = ""
    only: bool = False
    secret: bool = False


@dataclass(frozen=True)
class Actual:
    """What is at a path."""

    state: str  # as above, or link or other
    owner: str = ""
    group: str = ""
    mode: int = 0
    content: bytes = b""


@dataclass(frozen=True)
class Change:
    """A path that is not, or was not, as desired; ``program`` is a file in a directory that holds nothing else."""

    path: str
    before: Actual
    after: Actual
    secret: bool = False
    program: bool = False

    @property
    def is_needed(self) -> bool:
        """Whether anything differs."""
        return self.before != self.after

    @property
    def is_brief(self) -> bool:
        """Whether a whole new file comes that nobody would read in a diff: one of a program, or a long one."""
        is_new = self.before.state != "file" and self.after.state == "file"
        return is_new and (self.program or self.after.content.count(b"\n") > SHOWN_LINES)


def list_diffs(changes: Sequence[Change]) -> list[dict[str, Any]]:
    """Return Ansible's form of a diff: one with a line for each path whose attributes change, then the contents.

    Of new files only short ones are shown; those of a program are one line for each directory.
    """
    before = [_attributes(one, one.before) for one in changes if _has_other_attributes(one)]
    after = [_attributes(one, one.after) for one in changes if _has_other_attributes(one)]
    found: list[dict[str, Any]] = []
    if before or after:
        texts = ["".join(f"{line}: {what}\n" for line, what in _count(side)) for side in (before, after)]
        found.append({"before_header": "paths", "after_header": "paths", "before": texts[0], "after": texts[1]})
    for one in changes:
        if one.before.content != one.after.content and not one.is_brief:
            text = _without_secrets(one) if one.secret else (_text(one.before), _text(one.after))
            found.append({"before_header": one.path, "after_header": one.path, "before": text[0], "after": text[1]})
    return found


def _has_other_attributes(change: Change) -> bool:
    return replace(change.before, content=b"") != replace(change.after, content=b"")


def _attributes(change: Change, actual: Actual) -> tuple[str, str]:
    """Return where something is, a program's file by its directory, and what it is."""
    if actual.state == "absent":
        return (change.path, "") if not change.program else (os.path.dirname(change.path) + "/", "")
    kind = f"{actual.state} {actual.owner}:{actual.group} {actual.mode:04o}"
    if change.program and actual.state == "file":
        return os.path.dirname(change.path) + "/", kind
    lines = actual.content.count(b"\n")
    return change.path, f"{kind}, {lines} lines" if change.is_brief else kind


def _count(entries: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Leave out what is absent, and count what is told by the same words."""
    counted = Counter(entry for entry in entries if entry[1])
    return [(where, f"{number} × {what}" if number > 1 else what) for (where, what), number in counted.items()]


def _text(actual: Actual) -> str:
    return actual.content.decode(errors="replace")


def _without_secrets(change: Change) -> tuple[str, str]:
    """Return what a diff may show of a content with secrets: which keys of a JSON object change, and no value."""
    before, after = _json_object(change.before.content), _json_object(change.after.content)
    differ = sorted(
        key for key in {*before, *after} if [key in before, before.get(key)] != [key in after, after.get(key)]
    )
    old = "".join(f"{key}: (not shown)\n" for key in differ if key in before)
    new = "".join(f"{key}: (not shown, changed)\n" for key in differ if key in after)
    return old or ("(not shown)\n" if change.before.content else ""), new or "(not shown, changed)\n"


def _json_object(content: bytes) -> dict[str, Any]:
    try:
        loaded = json.loads(content)
    except ValueError:
        return {}
    return loaded if isinstance(loaded, dict) else {}


def ensure(tree: Sequence[Desired], check: bool, refusal: Validator) -> list[Change]:
    """Make everything as desired, in the given order, and return what was not; with ``check`` change nothing.

    ``refusal`` runs the command that checks a file and returns its complaint. The directories around the tree must be
    root's: whoever can write to them could redirect this elsewhere.
    """
    programs = {desired.path for desired in tree if desired.only}
    changes = [_changed(desired, check, refusal) for desired in _with_surplus(tree)]
    changes = [replace(one, program=os.path.dirname(one.path) in programs) for one in changes]
    return [change for change in changes if change.is_needed]


def _changed(desired: Desired, check: bool, refusal: Validator) -> Change:
    try:
        change = Change(desired.path, look(desired), _goal(desired), desired.secret)
        if change.is_needed and not check:
            _make(desired, change.before, refusal)
    except OSError as error:
        raise TreeError(f"{desired.path} cannot become what is wanted ({desired.state}): {error.strerror}") from error
    return change


def _with_surplus(tree: Sequence[Desired]) -> Iterator[Desired]:
    """Yield what to remove after everything else: the old can still be used until the new is there."""
    yield from tree
    paths = {desired.path for desired in tree}
    for directory in [desired.path for desired in tree if desired.only and os.path.isdir(desired.path)]:
        # Python's caches stay: nothing reads them without their module.
        there = (os.path.join(directory, name) for name in sorted(os.listdir(directory)) if name != "__pycache__")
        yield from (Desired(path, "absent") for path in there if path not in paths)


def look(desired: Desired) -> Actual:
    """Return what is at the path; a link to a directory counts as a directory."""
    follow = desired.state == "directory"
    try:
        status = os.stat(desired.path, follow_symlinks=follow)
        content = b""
        if stat.S_ISREG(status.st_mode) and desired.state == "file":
            with open(desired.path, "rb") as handle:
                content = handle.read()
    except (FileNotFoundError, NotADirectoryError):
        return Actual("absent")
    return Actual(
        _kind(status.st_mode), _user(status.st_uid), _group(status.st_gid), stat.S_IMODE(status.st_mode), content
    )


def _kind(mode: int) -> str:
    for kind, test in (("file", stat.S_ISREG), ("directory", stat.S_ISDIR), ("link", stat.S_ISLNK)):
        if test(mode):
            return kind
    return "other"


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _group(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def _goal(desired: Desired) -> Actual:
    if desired.state == "absent":
        return Actual("absent")
    return Actual(desired.state, desired.owner, desired.group, desired.mode, desired.content)


def _make(desired: Desired, actual: Actual, refusal: Validator) -> None:
    if desired.state == "file":
        _write(desired, refusal)
    elif desired.state == "directory":
        if actual.state != "directory":
            _make_parents(os.path.dirname(desired.path))
            os.mkdir(desired.path, 0o700)
        _give(desired)
    elif actual.state == "directory":
        shutil.rmtree(desired.path)
    else:
        os.unlink(desired.path)


def _make_parents(path: str) -> None:
    """Make missing parents, readable by all whatever the umask is."""
    if not os.path.isdir(path):
        _make_parents(os.path.dirname(path))
        os.mkdir(path)
        os.chmod(path, 0o755)


def _write(desired: Desired, refusal: Validator) -> None:
    """Make the whole file appear at once with its owner and mode; nobody else can read it earlier."""

    def check(fresh: str) -> None:
        complaint = refusal(desired.validate.replace("%s", fresh))
        if complaint is not None:
            raise TreeError(f"{desired.path} would be wrong: {complaint.replace(fresh, desired.path)}")

    atomic_write(desired.path, desired.content, desired.mode, _ids(desired), check if desired.validate else None)


def _give(desired: Desired) -> None:
    os.chown(desired.path, *_ids(desired))
    os.chmod(desired.path, desired.mode)


def _ids(desired: Desired) -> tuple[int, int]:
    try:
        return pwd.getpwnam(desired.owner).pw_uid, grp.getgrnam(desired.group).gr_gid
    except KeyError as error:
        raise TreeError(
            f"{desired.path} cannot be given to {desired.owner}:{desired.group}: {error.args[0]}"
        ) from error
