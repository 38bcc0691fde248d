# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The place to which files come back: reached name by name, and through no link.

Directories on the way may belong to people who change them meanwhile; root must write nowhere else for that. So every
directory is opened from the one above it, and what is done inside is done by its descriptor.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Optional

from paranoid_dispatcher.mounts import Mounts

from paranoid_restore.errors import RestoreError

_KEPT = 8  # directories; more than are used at a time
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Tree:
    """A directory under which everything happens."""

    def __init__(self, root: str) -> None:
        self.root = root
        self._opened: dict[str, int] = {}
        self._absent: set[str] = set()
        self._room: dict[str, tuple[int, int]] = {}
        try:
            self._root = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            there = "name a directory that is there"
            raise RestoreError(f"{root or '(no name)'} cannot be used: {error.strerror}; {there}") from None

    @contextmanager
    def parent(self, path: str, missing: Optional[list[str]] = None) -> Iterator[tuple[int, str]]:
        """Open the directory that holds ``path``; yield its descriptor and the last name.

        With ``missing``, make directories that are not there, and append their paths to it.
        """
        way, _slash, name = path.rpartition("/")
        yield self._open(way, missing), name

    def close(self) -> None:
        """Forget directories that were opened: one of them may be another now."""
        for descriptor in self._opened.values():
            os.close(descriptor)
        self._opened.clear()

    def _open(self, way: str, missing: Optional[list[str]]) -> int:
        """Return a descriptor of a directory. Neighbours come one after the other, so the last ones are kept."""
        if not way:
            return self._root
        kept = self._opened.pop(way, -1)
        if kept < 0:
            kept = self._walk(way.split("/"), missing)
            if len(self._opened) >= _KEPT:
                os.close(self._opened.pop(next(iter(self._opened))))  # the one that was used the longest time ago
        self._opened[way] = kept
        return kept

    def _walk(self, names: list[str], missing: Optional[list[str]]) -> int:
        directory = os.dup(self._root)
        for depth, name in enumerate(names, 1):
            try:
                below = self._enter(directory, name, "/".join(names[:depth]), missing)
            finally:
                os.close(directory)
            directory = below
        return directory

    def _enter(self, directory: int, name: str, way: str, missing: Optional[list[str]]) -> int:
        try:
            return os.open(name, _DIRECTORY, dir_fd=directory)
        except FileNotFoundError:
            if missing is None:
                raise
            os.mkdir(name, 0o700, dir_fd=directory)
            missing.append(way)
            return os.open(name, _DIRECTORY, dir_fd=directory)
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENOTDIR):
                raise OSError(errno.ELOOP, f"{way} is no directory, but a link or a file") from None
            raise

    def look(self, path: str) -> Optional[os.stat_result]:
        """Return what is there, None for nothing. A directory that was not there once is not looked for again."""
        way, _slash, name = path.rpartition("/")
        if way in self._absent:
            return None
        try:
            directory = self._open(way, None)
        except FileNotFoundError:
            self._absent.add(way)
            return None
        try:
            return os.stat(name, dir_fd=directory, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def read_link(self, path: str) -> str:
        """Return where a link leads."""
        with self.parent(path) as (directory, name):
            return os.readlink(name, dir_fd=directory)

    @contextmanager
    def reading(self, path: str) -> Iterator[int]:
        """Open a regular file to read it."""
        with self.parent(path) as (directory, name):
            descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=directory)
            try:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    raise OSError(errno.EINVAL, "it is not a regular file any more")
                yield descriptor
            finally:
                os.close(descriptor)

    def free_bytes(self, path: str) -> tuple[int, int]:
        """Return which file system would hold ``path``, and how many bytes are free on it for root."""
        way = path.rpartition("/")[0]
        if way not in self._room:
            self._room[way] = self._find_room(way)
        return self._room[way]

    def _find_room(self, way: str) -> tuple[int, int]:
        while way:
            try:
                directory = self._open(way, None)
            except OSError:
                way = way.rpartition("/")[0]  # It is not there yet, or something else is there that will be replaced.
                continue
            return _room_of(directory)
        return _room_of(self._root)


def _room_of(directory: int) -> tuple[int, int]:
    room = os.fstatvfs(directory)
    return os.fstat(directory).st_dev, room.f_bfree * room.f_frsize


def handle(directory: int, name: str) -> str:
    """Return a path that leads to exactly this name in this open directory, for functions that want a path."""
    return f"/proc/self/fd/{directory}/{name}"


def require_no_mount(directory: int, name: str) -> None:
    """Raise OSError if something is mounted below this name: whoever renames or removes it would take that along."""
    place = os.path.join(os.readlink(f"/proc/self/fd/{directory}"), name)
    mounts = Mounts.read()
    if any(f"{point}/".startswith(f"{place}/") for point in mounts.now | mounts.waiting):
        raise OSError(errno.EXDEV, "something is mounted below it")
