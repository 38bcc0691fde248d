# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a rollback does with the files of a repository, as root among files of the repository's own user.

A repository stays whole whenever this is cut off: evidence is on disk before anything goes, the nonce is carried
before anybody could go on with an older one, segments go from the newest on, and a copy takes the place when it is
whole. The user may change everything meanwhile, so every file is opened beneath a directory that is open.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import stat
from contextlib import suppress
from itertools import groupby

from ansible_collections.paranoid.backup.plugins.module_utils._borg.errors import Broken
from ansible_collections.paranoid.backup.plugins.module_utils._borg.repository import end_swap
from ansible_collections.paranoid.backup.plugins.module_utils._borg.segments import (
    File,
    directories,
    ends_with_commit,
    files,
)
from ansible_collections.paranoid.backup.plugins.module_utils._common.errors import SessionError
from ansible_collections.paranoid.backup.plugins.module_utils._common.files import (
    Owner,
    atomic_write_beneath,
    create_beneath,
    directory_beneath,
    open_beneath,
    read_beneath,
    sync_directory,
)

_EXPENDABLE = re.compile(r"(hints|index|integrity)\.\d+\Z")
_TRANSACTION = re.compile(rb"transaction (\d+), ")
_TRANSACTIONS_LIMIT = 16 * 1024 * 1024  # bytes; a session adds a line of about 60
_NO_DIRECTORY = (errno.ENOTDIR, errno.ELOOP, errno.EMLINK)  # FreeBSD says the last of a link
_CHUNK = 1024 * 1024  # bytes that are copied at once


def segment_files(repository: str) -> list[File]:
    """Return all segments in order; SessionError for what is no repository of plain files."""
    try:
        return sorted(file for directory in directories(repository) for file in files(repository, directory))
    except OSError as error:
        if error.errno not in _NO_DIRECTORY:
            raise
        why = f"{error.filename} is not a directory: somebody replaced it"
        raise SessionError("wrong_repository", why) from None
    except Broken as error:
        raise SessionError("wrong_repository", str(error)) from None


def newest_transaction(repository: str) -> int | None:
    """Return the last transaction that was committed, None without any; SessionError as of `segment_files`."""
    return next((file.number for file in reversed(segment_files(repository)) if ends_with_commit(file)), None)


def keep_evidence(repository: str, evidence: str) -> None:
    """Link the segments, which Borg never changes, and copy the small files, which it does."""
    os.mkdir(evidence, 0o700)
    with directory_beneath(repository) as source, directory_beneath(evidence) as target:
        for name in os.listdir(source):
            if stat.S_ISREG(os.lstat(name, dir_fd=source).st_mode):
                _copy_file(source, target, name, None)
        os.mkdir("data", 0o700, dir_fd=target)
    for names, segments in groupby(segment_files(repository), lambda file: file.names[:-1]):
        with directory_beneath(evidence, "data") as parent, suppress(FileExistsError):
            os.mkdir(names[-1], 0o700, dir_fd=parent)
        with directory_beneath(repository, *names) as source, directory_beneath(evidence, *names) as target:
            for file in segments:
                name = file.names[-1]
                os.link(name, name, src_dir_fd=source, dst_dir_fd=target, follow_symlinks=False)
    os.sync()


def carry_nonce(nonce: int | None, repository: str, owner: Owner) -> None:
    """Write the highest nonce."""
    if nonce is not None:
        atomic_write_beneath(repository, "nonce", f"{nonce:016x}".encode(), owner)


def cut(repository: str, transaction: int, owner: Owner) -> None:
    """Remove what came after a transaction."""
    with directory_beneath(repository) as directory:
        for name in os.listdir(directory):
            if _EXPENDABLE.match(name):
                os.unlink(name, dir_fd=directory)
    newer = [file for file in segment_files(repository) if file.number > transaction]
    for names, segments in groupby(reversed(newer), lambda file: file.names[:-1]):
        with directory_beneath(repository, *names) as directory:
            for file in segments:
                os.unlink(file.names[-1], dir_fd=directory)
            os.fsync(directory)
    with suppress(FileNotFoundError):
        lines = read_beneath(repository, "transactions", limit=_TRANSACTIONS_LIMIT).splitlines(keepends=True)
        kept = [line for line in lines if (found := _TRANSACTION.match(line)) and int(found[1]) <= transaction]
        atomic_write_beneath(repository, "transactions", b"".join(kept), owner)


def copy_repository(copy: str, fresh: str, owner: Owner) -> None:
    """Make a copy of the whole repository ``copy`` at ``fresh``, but for locks; it is on disk when this returns."""
    shutil.rmtree(fresh, ignore_errors=True)  # Left by a rollback that was interrupted.
    os.mkdir(fresh, 0o700)
    with directory_beneath(copy) as source, directory_beneath(fresh) as target:
        _copy_tree(source, target, copy, owner)
    os.sync()


def swap_in(repository: str, evidence: str) -> None:
    """Put the whole copy in place of the repository; when this is cut off in the middle, `end_swap` does the rest."""
    try:
        os.rename(repository, evidence)
    except OSError as error:
        raise SessionError("server_error", f"{repository} cannot be moved aside: {error.strerror}") from None
    end_swap(repository)
    sync_directory(os.path.dirname(repository))


def _copy_tree(source: int, target: int, path: str, owner: Owner) -> None:
    with os.scandir(source) as found:
        for entry in found:
            mode, name = entry.stat(follow_symlinks=False).st_mode, entry.name
            if name.startswith("lock."):
                continue
            if stat.S_ISDIR(mode):
                os.mkdir(name, 0o700, dir_fd=target)
                with directory_beneath(source, name) as inner, directory_beneath(target, name) as copied:
                    _copy_tree(inner, copied, os.path.join(path, name), owner)
            elif stat.S_ISREG(mode):
                _copy_file(source, target, name, owner)
            else:
                why = f"{os.path.join(path, name)} is neither a file nor a directory"
                raise SessionError("wrong_repository", why)
    if owner is not None:
        os.fchown(target, *owner)  # Last: until then nobody else can put anything in root's way.


def _copy_file(source: int, target: int, name: str, owner: Owner) -> None:
    with os.fdopen(open_beneath(source, name), "rb") as old, os.fdopen(create_beneath(target, name), "wb") as new:
        shutil.copyfileobj(old, new, _CHUNK)
        new.flush()
        status = os.fstat(old.fileno())
        os.utime(new.fileno(), ns=(status.st_atime_ns, status.st_mtime_ns))
        if owner is not None:
            os.fchown(new.fileno(), *owner)
