# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files: our own, which appear whole or not at all, and those below a directory that somebody untrusted owns.

In such a directory every name may lead elsewhere, and may change between two looks. What is ``_beneath`` it is opened
name by name from the directory on, and no link is followed on the way. Clients run this too: Python 3.9.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Optional, Union

Owner = Optional[tuple[int, int]]  # uid and gid; None is whoever writes
Root = Union[str, int]  # a directory by its path or its descriptor
# The role backup_server writes its configuration there, on Debian and on FreeBSD.
_USUAL, _ON_FREEBSD = "/etc/paranoid-backup", "/usr/local/etc/paranoid-backup"
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


def find_config_dir(path: str) -> str:
    """Return FreeBSD's directory if the usual one is asked for and only FreeBSD's exists."""
    elsewhere = path == _USUAL and not os.path.isdir(_USUAL) and os.path.isdir(_ON_FREEBSD)
    return _ON_FREEBSD if elsewhere else path


def save_json(path: str, content: Mapping[str, Any]) -> None:
    """Replace the file at ``path``, mode 0600, and make its directory where it is missing."""
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    atomic_write(path, json.dumps(content).encode())


def atomic_write(
    path: str,
    content: bytes,
    mode: int = 0o600,
    owner: Owner = None,
    check: Optional[Callable[[str], None]] = None,
) -> None:
    """Replace the file at ``path`` in one step; it is on disk when this returns, and the old one stays if it raises.

    ``check`` gets the path of the new file before it takes its place, and raises if it must not.
    """
    parent, name = os.path.split(path)
    directory = os.open(parent or ".", _DIRECTORY)
    try:
        _replace(directory, name, content, mode, owner, check and (lambda fresh: check(os.path.join(parent, fresh))))
    finally:
        os.close(directory)


def atomic_write_beneath(root: Root, name: str, content: bytes, owner: Owner = None) -> None:
    """Replace a file, mode 0600, in a directory that somebody untrusted owns."""
    with directory_beneath(root) as directory:
        _replace(directory, name, content, 0o600, owner, None)


def _replace(
    directory: int, name: str, content: bytes, mode: int, owner: Owner, check: Optional[Callable[[str], None]]
) -> None:
    fresh = f".{name}.{secrets.token_hex(8)}.new"  # Two writers at once must not share it.
    with os.fdopen(create_beneath(directory, fresh), "wb") as handle:
        try:
            handle.write(content)
            handle.flush()
            if check is not None:
                check(fresh)
            if owner is not None:
                os.fchown(handle.fileno(), *owner)
            os.fchmod(handle.fileno(), mode)
            os.fsync(handle.fileno())
            os.replace(fresh, name, src_dir_fd=directory, dst_dir_fd=directory)
        except BaseException:
            os.unlink(fresh, dir_fd=directory)
            raise
    os.fsync(directory)  # A power cut may not bring the old one back: the ledger has gone on.


def sync_directory(path: str) -> None:
    """Return when the names in a directory are on disk."""
    directory = os.open(path, _DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


@contextmanager
def directory_beneath(root: Root, *names: str) -> Iterator[int]:
    """Open a directory for a while, as a descriptor to list it or to use as ``dir_fd``; raise OSError."""
    opened: list[int] = []
    try:
        for depth, name in enumerate((root, *names)):
            if isinstance(name, str):
                parent = opened[-1] if opened else root if isinstance(root, int) else None
                opened.append(_open(name, _DIRECTORY, parent, _path(root, names[:depth])))
        yield opened[-1] if opened else int(root)
    finally:
        for descriptor in opened:
            os.close(descriptor)


def open_beneath(root: Root, *names: str) -> int:
    """Open a regular file to read it, and nothing else: a pipe would block for ever; raise OSError."""
    path = _path(root, names)
    with directory_beneath(root, *names[:-1]) as parent:
        descriptor = _open(names[-1], os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK, parent, path)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is not a regular file", path)
    return descriptor


def read_beneath(root: Root, *names: str, limit: int) -> bytes:
    """Return the first ``limit`` bytes of a regular file; raise OSError."""
    with os.fdopen(open_beneath(root, *names), "rb") as handle:
        return handle.read(limit)


def create_beneath(root: Root, *names: str) -> int:
    """Create a file, mode 0600, to write it; raise FileExistsError for whatever is there."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    with directory_beneath(root, *names[:-1]) as parent:
        return _open(names[-1], flags, parent, _path(root, names))


def _open(name: str, flags: int, parent: Optional[int], path: str) -> int:
    try:
        return os.open(name, flags | os.O_NOFOLLOW, 0o600, dir_fd=parent)
    except OSError as error:
        error.filename = path
        raise


def _path(root: Root, names: tuple[str, ...]) -> str:
    """Return what to call a file in an error."""
    return os.path.join(root if isinstance(root, str) else "", *names)
