# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Start Borg with what no local user can hinder, in the place of what one can."""

from __future__ import annotations

import errno
import itertools
import json
import os
import re
import resource
import sys
from collections.abc import Iterator
from typing import Any, Optional, Union

import borg
import borg.archive
import borg.archiver
import borg.helpers
import borg.xattr
from borg.archive import (
    BackupOSError,
    BackupPermissionError,
    ChunksProcessor,
    FilesystemObjectProcessors,
    backup_io,
)
from borg.archiver import Archiver
from borg.helpers import BackupWarning, flags_dir

from paranoid_borg.attributes import Attributes
from paranoid_borg.half_read import HalfRead
from paranoid_borg.mounts import Mounts, is_stub
from paranoid_borg.reading import Reader
from paranoid_borg.tags import Tags

TAGGED_PATHS = "PARANOID_BACKUP_TAGGED_PATHS"
PATH_MAX = 4095  # bytes that open(2) takes: what is longer could not be restored
NAMES_AT_ONCE = 20_000  # of one directory, in the order of their inodes
FILES_MAX = 8192
SPARE_DESCRIPTORS = 200  # beside one for each directory above what is read
RECURSION_MAX = 20_000
STACK_BYTES = 64 * 2**20
NOT_IN_SNAPSHOT = "it is a subvolume, which the snapshot above it does not have: make one of it, too"
FOREIGN = "a file system of user {} is not entered"

_os_open, _init = borg.archive.os_open, FilesystemObjectProcessors.__init__
_rec_walk, _process_any = Archiver._rec_walk, Archiver._process_any


def main() -> None:
    """Run Borg's own main behind the guard, which knows the 1.4 line only."""
    if not borg.__version__.startswith("1.4."):
        sys.exit(f"borg: this is Borg {borg.__version__}, but a client needs 1.4: set backup_client_borg_version")
    Guard(tuple(json.loads(os.environ.get(TAGGED_PATHS, "[]"))), os.environ.get("XDG_RUNTIME_DIR", "")).install()
    borg.archiver.main()


class Guard:
    """What stands before Borg's own functions."""

    def __init__(self, tagged_paths: tuple[str, ...], runtime_dir: str) -> None:
        self._tags, self._mounts = Tags(tagged_paths, self.tell_tagged), Mounts()
        self._root = ""
        self._dump = dump_pattern(runtime_dir)
        self._depth = raise_limits() - SPARE_DESCRIPTORS
        self._opened = ""

    def install(self) -> None:
        """Put the guard before Borg's functions."""
        guard, half_read = self, HalfRead()

        # Called for each name: whatever is slow here is slow for everybody.
        def rec_walk(self: Archiver, **arguments: Any) -> None:
            path = arguments["path"]
            if arguments["parent_fd"] is None:
                guard._root = path
            refusal = guard.refusal(path)
            if refusal is None or not arguments["matcher"].match(path):
                _rec_walk(self, **arguments)
            else:
                self.print_warning_instance(BackupWarning(path, refusal))

        def process_any(self: Archiver, **arguments: Any) -> Any:
            if arguments["read_special"]:
                arguments["read_special"] = guard._dump.fullmatch(arguments["path"]) is not None
            return _process_any(self, **arguments)

        def init(self: FilesystemObjectProcessors, **others: Any) -> None:
            _init(self, **others)
            self.chunker = Reader(self.chunker)

        def create_helper(self: FilesystemObjectProcessors, *arguments: Any, **options: Any) -> Any:
            return half_read.create_helper(self, *arguments, **options)

        def write_part_file(self: ChunksProcessor, item: Any, *arguments: Any) -> Any:
            return half_read.write_part_file(self, item, *arguments)

        Archiver._rec_walk, Archiver._process_any = rec_walk, process_any
        borg.archive.os_open = self.open
        FilesystemObjectProcessors.__init__ = init
        FilesystemObjectProcessors.create_helper, ChunksProcessor.write_part_file = create_helper, write_part_file
        borg.archiver.dir_is_tagged = self._tags.of
        borg.helpers.scandir_inorder = list_directory
        attributes = Attributes(self.tell_attributes)
        borg.xattr.get_all, borg.xattr.getxattr = attributes.get_all, attributes.getxattr

    def refusal(self, path: str) -> Any:
        """Return why PATH is not even looked at, or None."""
        user = self._mounts.refresh().points.get(path)
        if user is not None:
            return BackupPermissionError("stat", OSError(errno.EACCES, FOREIGN.format(user)))
        return None if len(path) < PATH_MAX // 8 else self._too_long(path)

    def _too_long(self, path: str) -> Any:
        if len(os.fsencode(path)) > PATH_MAX:
            return BackupOSError("stat", OSError(errno.ENAMETOOLONG, "its path is too long to be restored"))
        if path.count("/") > self._depth:
            return BackupOSError("stat", OSError(errno.EMFILE, "too deep for the open files that this host allows"))
        return None

    def open(self, *, flags: int, path: str, **others: Any) -> int:
        """Open as Borg does, but nothing of a file system that was mounted since `refusal` looked."""
        descriptor = int(_os_open(flags=flags, path=path, **others))
        self._opened = path
        if flags == flags_dir:
            self._mounts.refresh()
            self._tags.remember(path, descriptor)
            if is_stub(descriptor):
                os.close(descriptor)
                raise OSError(errno.ENODATA, NOT_IN_SNAPSHOT)
        devices = self._mounts.served.devices
        if devices and (user := devices.get(os.fstat(descriptor).st_dev)) is not None:
            os.close(descriptor)
            raise PermissionError(errno.EACCES, FOREIGN.format(user))
        return descriptor

    def tell_attributes(self, file: Union[str, int]) -> None:
        """Log a file that is saved without its attributes, in the form that Borg has for what cannot be read."""
        path = self._opened if isinstance(file, int) else file
        error = OSError(errno.E2BIG, "it is saved without its extended attributes, which are too many")
        borg.archiver.logger.warning(f"{path}: xattrs: {error}", msgid="BackupOSError")

    def tell_tagged(self, path: str, tag: str) -> None:
        """Log a directory that is left out; Borg's exit code stays as it is. A whole source is no less than unread."""
        if path == self._root:
            error = OSError(errno.EPERM, f"{tag} leaves out the whole source: remove it, or the source")
            borg.archiver.logger.warning(f"{path}: open: {error}", msgid="BackupOSError")
        else:
            borg.archiver.logger.warning(f"{path}: left out, because of {tag}", msgid="ExcludedByTag")


def dump_pattern(runtime_dir: str) -> re.Pattern[str]:
    """Return what borgmatic calls its dumps (hooks/data_source/dump.py); without a RUNTIME_DIR there are none."""
    parts = (r"borgmatic-[^/]+", "borgmatic", r"[a-z]+_databases", r"[^/]+", r"[^/]+")
    return re.compile("/".join((re.escape(os.path.normpath(runtime_dir)), *parts)) if runtime_dir else r"(?!)")


def raise_limits() -> int:
    """Raise what bounds the depth of a tree: open files, Python's calls and their stack; return how many files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = max(soft, FILES_MAX if hard == resource.RLIM_INFINITY else min(hard, FILES_MAX))
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))
    soft, hard = resource.getrlimit(resource.RLIMIT_STACK)
    if soft != resource.RLIM_INFINITY and (hard == resource.RLIM_INFINITY or hard >= STACK_BYTES):
        resource.setrlimit(resource.RLIMIT_STACK, (max(soft, STACK_BYTES), hard))
    sys.setrecursionlimit(RECURSION_MAX)
    return files


def list_directory(*, path: str, fd: Optional[int] = None) -> Iterator[os.DirEntry[str]]:
    """Return what lies in a directory, in parts: ten million names at once need gigabytes."""
    return _parts(os.scandir(fd if fd is not None else path))


def _parts(entries: Any) -> Iterator[os.DirEntry[str]]:
    with entries:
        while True:
            with backup_io("scandir"):
                part = sorted(itertools.islice(entries, NAMES_AT_ONCE), key=lambda entry: entry.inode())
            yield from part
            if len(part) < NAMES_AT_ONCE:
                return
