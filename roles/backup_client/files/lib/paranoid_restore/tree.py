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
from contextlib import ExitStack, contextmanager
from typing import Optional

from paranoid_restore.errors import RestoreError

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Tree:
    """A directory under which everything happens."""

    def __init__(self, root: str) -> None:
        self.root = root
        try:
            self._root = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise RestoreError(f"{root} cannot be used: {error.strerror}") from None

    @contextmanager
    def parent(self, path: str, missing: Optional[list[str]] = None) -> Iterator[tuple[int, str]]:
        """Open the directory that holds ``path``; yield its descriptor and the last name.

        With ``missing``, make directories that are not there, and append their paths to it.
        """
        names = path.split("/")
        with ExitStack() as held:
            directory = self._root
            for depth, name in enumerate(names[:-1], 1):
                try:
                    opened = os.open(name, _DIRECTORY, dir_fd=directory)
                except FileNotFoundError:
                    if missing is None:
                        raise
                    os.mkdir(name, 0o700, dir_fd=directory)
                    missing.append("/".join(names[:depth]))
                    opened = os.open(name, _DIRECTORY, dir_fd=directory)
                except OSError as error:
                    if error.errno in (errno.ELOOP, errno.ENOTDIR):
                        way = "/".join(names[:depth])
                        raise OSError(errno.ELOOP, f"{way} is no directory, but a link or a file") from None
                    raise
                held.callback(os.close, opened)
                directory = opened
            yield directory, names[-1]

    def look(self, path: str) -> Optional[os.stat_result]:
        """Return what is there, None for nothing."""
        try:
            with self.parent(path) as (directory, name):
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
        names = path.split("/")
        for depth in range(len(names) - 1, 0, -1):
            try:
                with self.parent("/".join([*names[:depth], "x"])) as (directory, _name):
                    room, device = os.fstatvfs(directory), os.fstat(directory).st_dev
            except OSError:
                continue  # It is not there yet, or something else is there that will be replaced.
            return device, room.f_bfree * room.f_frsize
        room = os.fstatvfs(self._root)
        return os.fstat(self._root).st_dev, room.f_bfree * room.f_frsize


def handle(directory: int, name: str) -> str:
    """Return a path that leads to exactly this name in this open directory, for functions that want a path."""
    return f"/proc/self/fd/{directory}/{name}"
