# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writing: each thing appears under a name of its own and takes its place in one step; what was there is kept."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Optional

from borg.helpers import IntegrityError

from paranoid_restore.attributes import find_difference, give_flags
from paranoid_restore.errors import explain
from paranoid_restore.journal import Journal
from paranoid_restore.planning import ATTRIBUTES, NEW, REPLACE, Step
from paranoid_restore.repository import Source
from paranoid_restore.tree import Tree, handle, require_no_mount

Stream = Iterator[tuple[bytes, Optional[bytes]]]
_FRESH = ".paranoid-restore-"
_DAMAGED = "it is damaged in this archive: restore it from an older one"


class Writer:
    """One process that writes. ``tell`` gets the bytes and entries that are done; ``errors`` are paths with reasons."""

    def __init__(self, tree: Tree, archive: Any, journal: Journal, tell: Callable[[int, int], None]) -> None:
        self._tree, self._archive, self._journal, self._tell = tree, archive, journal, tell
        self.errors: list[tuple[str, str]] = []

    def make_directories(self, steps: Iterable[Step]) -> None:
        """Make directories, each above before those in it."""
        for step in steps:
            self._attempt(step, self._make_directory)

    def write_files(self, steps: list[Step], source: Source) -> None:
        """Write regular files; their chunks are asked for many at once."""
        stream = source.fetch(chunk for step in steps for chunk in step.missing)
        for step in steps:
            self._write_file(step, stream, source)

    def make_others(self, steps: Iterable[Step]) -> None:
        """Make links, pipes and devices."""
        for step in steps:
            self._attempt(step, self._make_other)

    def set_attributes(self, steps: Iterable[Step]) -> None:
        """Give owners, modes and times to what has none of them yet; directories last, the deepest first."""
        for step in steps:
            self._attempt(step, self._set_attributes)

    def set_flags(self, steps: Iterable[Step]) -> None:
        """Make immutable what was, when nothing else is to be done to it."""
        for step in steps:
            self._attempt(step, self._set_flags, 0)

    def _attempt(self, step: Step, work: Callable[[Step], None], entries: int = 1) -> None:
        try:
            work(step)
        except OSError as error:
            self.errors.append((step.path, explain(error)))
        self._tell(0, entries)

    def _make_directory(self, step: Step) -> None:
        if step.action not in (NEW, REPLACE):
            return
        made: list[str] = []
        with self._tree.parent(step.path, made) as (parent, name):
            self._note_made(made)
            fresh = _fresh_name(parent, name)
            os.mkdir(fresh, 0o700, dir_fd=parent)
            self._put_or_remove(parent, fresh, name, step.path)

    def _write_file(self, step: Step, stream: Stream, source: Source) -> None:
        left = len(step.missing)
        done = 0
        try:
            if step.item.get("chunks") is None:
                raise OSError(0, "this archive does not have the file that it is another name of")
            made: list[str] = []
            with self._tree.parent(step.path, made) as (parent, name):
                self._note_made(made)
                fresh, descriptor = _open_fresh(parent, name)
                try:
                    for content, fetched in self._contents(step, stream, source):
                        left -= fetched
                        done += _write_all(descriptor, content)
                        self._tell(len(content), 0)
                    if os.fstat(descriptor).st_size < done:
                        os.ftruncate(descriptor, done)  # It ends with a hole.
                    self._archive.restore_attrs(handle(parent, fresh), step.item, fd=descriptor)
                    _require_attributes(step, handle(parent, fresh), os.fstat(descriptor), descriptor)
                    self._put(parent, fresh, name, step.path)
                except BaseException:
                    os.unlink(fresh, dir_fd=parent)
                    raise
                finally:
                    os.close(descriptor)
        except OSError as error:
            self.errors.append((step.path, explain(error)))
        except IntegrityError:
            left -= 1
            self.errors.append((step.path, _DAMAGED))
        for _turn in range(left):  # The next file's chunks stand behind these.
            next(stream)
        self._tell(0, 1)

    def _contents(self, step: Step, stream: Stream, source: Source) -> Iterator[tuple[bytes, int]]:
        """Yield the content of each chunk, and 1 when it was fetched, 0 when it was there."""
        offset = 0
        for place, chunk in enumerate(step.chunks):
            if step.have and step.have[place]:
                with self._tree.reading(step.path) as descriptor:
                    content = os.pread(descriptor, chunk.size, offset)
                if source.digest(content) != chunk.id:
                    raise OSError(0, "it changed while it was restored: run the command again")
                yield content, 0
            else:
                identifier, data = next(stream, (chunk.id, None))
                if data is None:
                    raise IntegrityError("it is not in the repository")
                yield source.decrypt(identifier, data), 1
            offset += chunk.size

    def _make_other(self, step: Step) -> None:
        item, mode = step.item, step.item.mode
        made: list[str] = []
        with self._tree.parent(step.path, made) as (parent, name):
            self._note_made(made)
            fresh = _fresh_name(parent, name)
            if stat.S_ISLNK(mode):
                os.symlink(item.source, fresh, dir_fd=parent)
            elif stat.S_ISREG(mode):
                with self._tree.parent(step.source) as (directory, first):
                    os.link(first, fresh, src_dir_fd=directory, dst_dir_fd=parent, follow_symlinks=False)
            elif stat.S_ISFIFO(mode):
                os.mkfifo(fresh, 0o600, dir_fd=parent)
            else:
                os.mknod(fresh, stat.S_IFMT(mode) | 0o600, item.rdev, dir_fd=parent)
            if not stat.S_ISREG(mode):
                self._archive.restore_attrs(handle(parent, fresh), item, symlink=stat.S_ISLNK(mode))
            self._put_or_remove(parent, fresh, name, step.path)
            self._look_again(step, parent, name)

    def _set_attributes(self, step: Step) -> None:
        with self._tree.parent(step.path) as (parent, name):
            with _same(step, parent, name) as (found, descriptor):
                if step.action == ATTRIBUTES:
                    self._note_attributes(step.path, found)
                is_link = stat.S_ISLNK(step.item.mode)
                self._archive.restore_attrs(handle(parent, name), step.item, symlink=is_link, fd=descriptor)
            self._look_again(step, parent, name)

    def _note_attributes(self, path: str, found: os.stat_result) -> None:
        before = {"mode": found.st_mode, "uid": found.st_uid, "gid": found.st_gid}
        times = {"atime": found.st_atime_ns, "mtime": found.st_mtime_ns}
        self._journal.note(path, "attributes", **before, **times, inode=(found.st_dev, found.st_ino))

    def _look_again(self, step: Step, parent: int, name: str) -> None:
        found = os.stat(name, dir_fd=parent, follow_symlinks=False)
        _require_attributes(step, handle(parent, name), found)

    def _set_flags(self, step: Step) -> None:
        with self._tree.parent(step.path) as (parent, name):
            give_flags(step.item, handle(parent, name))

    def _put_or_remove(self, parent: int, fresh: str, name: str, path: str) -> None:
        try:
            self._put(parent, fresh, name, path)
        except OSError:
            _fresh_name(parent, name)
            raise

    def _put(self, parent: int, fresh: str, name: str, path: str) -> None:
        """Let what was made take its place."""
        try:
            found = os.stat(name, dir_fd=parent, follow_symlinks=False)
        except FileNotFoundError:
            self._journal.note(path, "created")
        else:
            if stat.S_ISDIR(found.st_mode):
                require_no_mount(parent, name)
                self._tree.close()  # Nothing more goes into it.
            kept = self._journal.kept_name()
            self._journal.note(path, "replaced", kept=kept)
            os.rename(name, kept, src_dir_fd=parent, dst_dir_fd=parent)
        os.rename(fresh, name, src_dir_fd=parent, dst_dir_fd=parent)

    def _note_made(self, made: list[str]) -> None:
        for path in made:
            self._journal.note(path, "created")


def _require_attributes(step: Step, path: str, found: os.stat_result, descriptor: Optional[int] = None) -> None:
    """Raise OSError unless it has all that belongs to it."""
    different = find_difference(step.item, path, found, descriptor)
    if different:
        raise OSError(0, f"its {different} cannot be set here as it was saved")


@contextmanager
def _same(step: Step, parent: int, name: str) -> Iterator[tuple[os.stat_result, Optional[int]]]:
    """Open what gets its attributes if it can be opened; OSError if it is not what was compared.

    Whoever owns the directory can put something else there meanwhile, which must not become root's.
    """
    found = os.stat(name, dir_fd=parent, follow_symlinks=False)
    descriptor: Optional[int] = None
    try:
        if stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode):
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            descriptor = os.open(name, flags, dir_fd=parent)
            found = os.fstat(descriptor)
        if step.action == ATTRIBUTES and (found.st_dev, found.st_ino) != step.inode:
            raise OSError(0, "it changed while it was restored: run the command again")
        yield found, descriptor
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _write_all(descriptor: int, content: bytes) -> int:
    """Write a chunk at the end; one of zeros alone becomes a hole. Return its size."""
    if not content.strip(b"\0"):
        os.lseek(descriptor, len(content), os.SEEK_CUR)
        return len(content)
    written = os.write(descriptor, content)
    while written < len(content):
        written += os.write(descriptor, memoryview(content)[written:])
    return written


def _open_fresh(parent: int, name: str) -> tuple[str, int]:
    """Open a new file, and return the name under which it appears first."""
    fresh = _first_name(name)
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        return fresh, os.open(fresh, flags, 0o600, dir_fd=parent)
    except FileExistsError:
        return fresh, os.open(_fresh_name(parent, name), flags, 0o600, dir_fd=parent)


def _first_name(name: str) -> str:
    return _FRESH + hashlib.sha256(os.fsencode(name)).hexdigest()[:16]


def _fresh_name(parent: int, name: str) -> str:
    """Return the name under which something appears first; what a restore that was killed left there is removed."""
    fresh = _first_name(name)
    try:
        os.unlink(fresh, dir_fd=parent)
    except IsADirectoryError:
        os.rmdir(fresh, dir_fd=parent)
    except FileNotFoundError:
        return fresh
    return fresh
