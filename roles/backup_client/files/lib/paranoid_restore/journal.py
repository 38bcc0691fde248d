# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was there before a restore, kept until a person is content: each change is noted before it is made.

One restore is a directory ``<base_dir>/undo/<id>``: ``about.json``, and lines of JSON from each process that wrote.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Optional

from paranoid_restore.errors import RestoreError, explain, printable
from paranoid_restore.tree import Tree, handle, require_no_mount

KEPT_PREFIX = ".paranoid-before-"
# Beside the restores: the id of one that was taken back or forgotten, as long as nothing was restored since.
_LAST = "last"
_LENDS = stat.S_ISUID | stat.S_ISGID


class Journal:
    """Notes of one process of one restore."""

    def __init__(self, directory: Path, writer: str) -> None:
        self._identifier, self._writer, self._count = directory.name, writer, 0
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._descriptor = os.open(directory / f"{writer}.jsonl", flags, 0o600)
        self._torn = False

    def note(self, path: str, kind: str, **more: Any) -> None:
        """Write down what is about to be done to ``path``; OSError if the disk takes only a part of it, or nothing."""
        left = b"\n" * self._torn + json.dumps({"path": path, "kind": kind, **more}).encode() + b"\n"
        self._torn = True
        while left:
            left = left[os.write(self._descriptor, left) :]
        self._torn = False

    def kept_name(self) -> str:
        """Return the name that something gets in its directory while it is kept."""
        self._count += 1
        return f"{KEPT_PREFIX}{self._identifier}-{self._writer}-{self._count}"


def begin(base_dir: Path, identifier: str, root: str, archive: str) -> Path:
    """Make the directory of a restore and return it; RestoreError if that cannot be written."""
    directory = base_dir / "undo" / identifier
    # Which one is the newest must not depend on the clock.
    about = {"root": root, "archive": archive, "number": 1 + max(map(_number_of, _list_restores(base_dir)), default=0)}
    try:
        directory.mkdir(mode=0o700, parents=True)
        (directory / "about.new").write_text(json.dumps(about), encoding="ascii")
        os.replace(directory / "about.new", directory / "about.json")
        (base_dir / "undo" / _LAST).unlink(missing_ok=True)
    except OSError as error:
        why = f"{explain(error)} ({directory})"
        raise RestoreError(f"what is overwritten could not be taken back: {why}; nothing was written") from None
    return directory


def find(base_dir: Path, identifier: str = "") -> Path:
    """Return the directory of this restore, or of the newest; RestoreError when there is none.

    Who types the same twice means the same restore, and not the one before it; nor does the one before it step in for
    one whose disk is not mounted.
    """
    found = _list_restores(base_dir)
    chosen = [path for path in found if not identifier or path.name == identifier]
    if not chosen:
        known = ", ".join(path.name for path in found) or "none"
        raise RestoreError(f"there is no restore {identifier} to take back; kept are: {known}".replace("  ", " "))
    last = base_dir / "undo" / _LAST
    if not identifier and last.exists():
        done, known = last.read_text(encoding="ascii"), ", ".join(path.name for path in found)
        raise RestoreError(f"{done} was the newest and is done with; say which of those before it, by its id: {known}")
    return chosen[-1]


def _list_restores(base_dir: Path) -> list[Path]:
    """Return the directories of all restores, oldest first."""
    try:
        found = [path for path in (base_dir / "undo").iterdir() if _load_about(path)]
    except FileNotFoundError:
        return []
    return sorted(found, key=lambda path: (_number_of(path), path.name))


def _load_about(directory: Path) -> dict[str, Any]:
    """Return what is written of a restore; nothing for what is none, or was cut off before it wrote anything else."""
    try:
        about = json.loads((directory / "about.json").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return {}
    return about if isinstance(about, dict) and {"root", "archive"} <= about.keys() else {}


def _number_of(directory: Path) -> int:
    number = _load_about(directory).get("number")
    return number if isinstance(number, int) else 0


def root_of(directory: Path) -> str:
    """Return below which directory a restore wrote."""
    return str(_load_about(directory)["root"])


def describe(directory: Path) -> str:
    """Return what a restore was, for a person."""
    about = _load_about(directory)
    return f"restore {directory.name} of {printable(about['archive'])} to {printable(about['root'])}"


def undo(directory: Path) -> list[tuple[str, str]]:
    """Take a restore back, deepest paths first; return what could not be, with the reason."""
    notes = sorted(_notes(directory), key=lambda note: -note["path"].count("/"))
    return _do_all(directory, notes, _take_back)


def forget(directory: Path) -> list[tuple[str, str]]:
    """Remove what a restore has kept; return what could not be removed."""
    notes = [note for note in _notes(directory) if note["kind"] == "replaced"]
    if not notes and not os.path.isdir(root_of(directory)):  # As after a drill, which a person does not mean by --undo.
        shutil.rmtree(directory)
        return []
    return _do_all(directory, notes, _drop)


def _do_all(
    directory: Path, notes: Iterable[dict[str, Any]], work: Callable[[Tree, dict[str, Any]], None]
) -> list[tuple[str, str]]:
    root = root_of(directory)
    if not os.path.isdir(root):
        cure = "mount it; if it is gone for good, make an empty directory in its place. Then type this again"
        raise RestoreError(f"{describe(directory)}: nothing is there any more: {cure}")
    tree = Tree(root)
    errors = [error for note in notes if (error := _attempt(tree, note, work))]
    if not errors:
        _remove_notes(directory)
    return errors


def _remove_notes(directory: Path) -> None:
    """Remove what is written of a restore; RestoreError if that fails. Typed once more, there is nothing left to do."""
    what = describe(directory)
    try:
        for path in directory.glob("*.jsonl"):
            path.unlink()  # On a full disk this makes room for what is written next.
        (directory.parent / _LAST).write_text(directory.name, encoding="ascii")
        shutil.rmtree(directory)
    except OSError as error:
        raise RestoreError(f"{what}: it is done, and cannot be noted: {explain(error)} ({directory.parent})") from None


def _attempt(
    tree: Tree, note: dict[str, Any], work: Callable[[Tree, dict[str, Any]], None]
) -> Optional[tuple[str, str]]:
    """Work on one note; what is not there was noted and not done, or somebody has removed it since."""
    try:
        work(tree, note)
    except FileNotFoundError:
        return None
    except OSError as error:
        return note["path"], explain(error)
    return None


def _drop(tree: Tree, note: dict[str, Any]) -> None:
    with tree.parent(_sibling(note["path"], note["kept"])) as (parent, name):
        _remove(parent, name)


def _take_back(tree: Tree, note: dict[str, Any]) -> None:
    with tree.parent(note["path"]) as (parent, name):
        if note["kind"] == "attributes":
            _set_attributes(parent, name, note)
        elif note["kind"] == "created":
            _remove_own(parent, name)
        elif _exists(parent, note["kept"]):
            _remove_own(parent, name)
            os.rename(note["kept"], name, src_dir_fd=parent, dst_dir_fd=parent)


def _set_attributes(parent: int, name: str, note: dict[str, Any]) -> None:
    """Give back owner, mode and times, to the same thing alone: who owns the directory can put another one there.

    Whoever owned it meanwhile may have written into it: that must not become a program with the rights of another.
    """
    descriptor = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    try:
        found, path = os.fstat(descriptor), f"/proc/self/fd/{descriptor}"
        if note.get("inode", [found.st_dev, found.st_ino]) != [found.st_dev, found.st_ino]:
            raise OSError(0, "something else is there now")
        lends = 0 if "inode" in note and found.st_uid in (0, note["uid"]) else note["mode"] & _LENDS
        os.chown(path, note["uid"], note["gid"])
        if not stat.S_ISLNK(note["mode"]):
            os.chmod(path, stat.S_IMODE(note["mode"]) & ~lends)
        os.utime(path, ns=(note["atime"], note["mtime"]))
    finally:
        os.close(descriptor)
    if lends:
        raise OSError(0, "it belonged to somebody else meanwhile, so it is not setuid or setgid again")


def _remove_own(parent: int, name: str) -> None:
    """Remove what the restore made: of a directory only the empty one, for others may have put something in."""
    try:
        os.unlink(name, dir_fd=parent)
    except IsADirectoryError:
        os.rmdir(name, dir_fd=parent)
    except FileNotFoundError:
        return


def _remove(parent: int, name: str) -> None:
    if stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
        require_no_mount(parent, name)
        shutil.rmtree(handle(parent, name))
    else:
        os.unlink(name, dir_fd=parent)


def _exists(parent: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _notes(directory: Path) -> list[dict[str, Any]]:
    """Return all notes; a line that a kill or a full disk has cut off was not acted upon."""
    lines = (line for path in sorted(directory.glob("*.jsonl")) for line in path.read_text("ascii").splitlines())
    return [note for line in lines if (note := _read_note(line))]


def _read_note(line: str) -> dict[str, Any]:
    try:
        note = json.loads(line)
    except ValueError:
        return {}
    return note if isinstance(note, dict) else {}


def _sibling(path: str, name: str) -> str:
    return f"{path.rpartition('/')[0]}/{name}".lstrip("/")
