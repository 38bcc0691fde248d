# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files and directories as they are wanted: looked at, compared, put right, and told as a diff."""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Optional

from ansible_collections.paranoid.backup.plugins.module_utils._common.files import atomic_write

Validator = Callable[[str], Optional[str]]


class TreeError(Exception):
    """A line for a person: what cannot be made, and why."""


@dataclass(frozen=True)
class Desired:
    """How a path is to be; ``only`` empties a directory of what nobody wants."""

    path: str
    state: str  # file, directory or absent
    owner: str = ""
    group: str = ""
    mode: int = 0
    content: bytes = b""
    validate: str = ""
    only: bool = False


@dataclass(frozen=True)
class Actual:
    """What there is at a path."""

    state: str  # as above, or link or other
    owner: str = ""
    group: str = ""
    mode: int = 0
    content: bytes = b""


@dataclass(frozen=True)
class Change:
    """One path that is not, or was not, as it is wanted."""

    path: str
    before: Actual
    after: Actual

    def diffs(self) -> list[dict[str, Any]]:
        """Return it in the form that Ansible prints: what it is, and what is in it."""
        told: list[dict[str, Any]] = []
        before, after = _attributes(self.path, self.before), _attributes(self.path, self.after)
        if before != after:
            told.append({"before": before, "after": after})
        if self.before.content != self.after.content:
            told.append(
                {
                    "before_header": self.path,
                    "after_header": self.path,
                    "before": self.before.content.decode(errors="replace"),
                    "after": self.after.content.decode(errors="replace"),
                }
            )
        return told


def _attributes(path: str, found: Actual) -> dict[str, str]:
    if found.state == "absent":
        return {"path": path, "state": "absent"}
    mode = f"{found.mode:04o}"
    return {"path": path, "state": found.state, "owner": found.owner, "group": found.group, "mode": mode}


def ensure(tree: Sequence[Desired], check: bool, refusal: Validator) -> list[Change]:
    """Make everything as it is wanted, in the given order, and return what was not; with ``check`` change nothing.

    ``refusal`` runs the command that checks a file, and returns its complaint. Who could write to the directories that
    the tree lies in could lead this elsewhere: they are to be root's.
    """
    changes = [_changed(wanted, check, refusal) for wanted in _with_surplus(tree)]
    return [change for change in changes if change.diffs()]


def _changed(wanted: Desired, check: bool, refusal: Validator) -> Change:
    try:
        change = Change(wanted.path, look(wanted), _goal(wanted))
        if change.diffs() and not check:
            _make(wanted, change.before, refusal)
    except OSError as error:
        raise TreeError(f"{wanted.path} cannot become what is wanted ({wanted.state}): {error.strerror}") from error
    return change


def _with_surplus(tree: Sequence[Desired]) -> Iterator[Desired]:
    """Last of all name what nobody wants: whoever still uses it can do so until the new is there."""
    yield from tree
    paths = {wanted.path for wanted in tree}
    for directory in [wanted.path for wanted in tree if wanted.only and os.path.isdir(wanted.path)]:
        # Python's caches stay: nothing reads them without their module.
        there = (os.path.join(directory, name) for name in sorted(os.listdir(directory)) if name != "__pycache__")
        yield from (Desired(path, "absent") for path in there if path not in paths)


def look(wanted: Desired) -> Actual:
    """Find out what there is; a link to a directory is as good as a directory."""
    follow = wanted.state == "directory"
    try:
        status = os.stat(wanted.path, follow_symlinks=follow)
        content = b""
        if stat.S_ISREG(status.st_mode) and wanted.state == "file":
            with open(wanted.path, "rb") as handle:
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


def _goal(wanted: Desired) -> Actual:
    if wanted.state == "absent":
        return Actual("absent")
    return Actual(wanted.state, wanted.owner, wanted.group, wanted.mode, wanted.content)


def _make(wanted: Desired, found: Actual, refusal: Validator) -> None:
    if wanted.state == "file":
        _write(wanted, refusal)
    elif wanted.state == "directory":
        if found.state != "directory":
            _make_parents(os.path.dirname(wanted.path))
            os.mkdir(wanted.path, 0o700)
        _give(wanted)
    elif found.state == "directory":
        shutil.rmtree(wanted.path)
    else:
        os.unlink(wanted.path)


def _make_parents(path: str) -> None:
    """Make what is missing on the way, for all to read whatever the umask is."""
    if not os.path.isdir(path):
        _make_parents(os.path.dirname(path))
        os.mkdir(path)
        os.chmod(path, 0o755)


def _write(wanted: Desired, refusal: Validator) -> None:
    """Have the whole file appear at once, with its owner and mode; nobody else reads it before."""

    def check(fresh: str) -> None:
        complaint = refusal(wanted.validate.replace("%s", fresh))
        if complaint is not None:
            raise TreeError(f"{wanted.path} would be wrong: {complaint.replace(fresh, wanted.path)}")

    atomic_write(wanted.path, wanted.content, wanted.mode, _ids(wanted), check if wanted.validate else None)


def _give(wanted: Desired) -> None:
    os.chown(wanted.path, *_ids(wanted))
    os.chmod(wanted.path, wanted.mode)


def _ids(wanted: Desired) -> tuple[int, int]:
    try:
        return pwd.getpwnam(wanted.owner).pw_uid, grp.getgrnam(wanted.group).gr_gid
    except KeyError as error:
        raise TreeError(f"{wanted.path} cannot be given to {wanted.owner}:{wanted.group}: {error.args[0]}") from error
