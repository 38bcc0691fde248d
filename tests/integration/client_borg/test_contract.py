# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the client's Borg replaces in Borg 1.4, and what it relies on there.

A failure here means: read Borg's changes in these functions before letting a new version in.
"""

from __future__ import annotations

import hashlib
import inspect

import borg
import pytest
from borg import xattr
from borg.archive import (
    BackupIO,
    ChunksProcessor,
    FilesystemObjectProcessors,
    OsOpen,
    backup_io_iter,
    cached_hash,
)
from borg.archiver import Archiver
from borg.cache import LocalCache
from borg.constants import MAX_DATA_SIZE
from borg.helpers.fs import dir_is_tagged, os_open, scandir_inorder
from paranoid_borg.reading import HOLE_PIECES

KNOWN = {
    Archiver._process_any: "40670a3e7867c08d",
    Archiver._rec_walk: "52449ac169e4a69b",
    Archiver.print_warning_instance: "451944b0c6b8596d",
    BackupIO: "18120c9976c32372",
    ChunksProcessor.process_file_chunks: "d0cedc12d20064f2",
    ChunksProcessor.write_part_file: "903668dd89644778",
    FilesystemObjectProcessors.__init__: "48e73a1258e6abcd",
    FilesystemObjectProcessors.create_helper: "bb947d5fa9ed3e58",
    FilesystemObjectProcessors.process_dir_with_fd: "52e927139137ee06",
    FilesystemObjectProcessors.process_file: "d75e1caeb307e35c",
    LocalCache.chunk_decref: "8f4a4c91a18a6834",
    OsOpen: "37019a17a9411b1c",
    backup_io_iter: "175b160f15820995",
    cached_hash: "03513a4cc1985ff7",
    dir_is_tagged: "5676d98b23fff382",
    os_open: "0ecf09fb5b9d5fa8",
    scandir_inorder: "63583e7b273f5f82",
    xattr.get_all: "084c285c5e99aa50",
}


def test_version() -> None:
    assert borg.__version__.startswith("1.4."), "the client's Borg knows the 1.4 line only"


@pytest.mark.parametrize(("thing", "known"), KNOWN.items(), ids=lambda thing: getattr(thing, "__qualname__", ""))
def test_borg_is_the_one_that_was_read(thing: object, known: str) -> None:
    source = inspect.getsource(thing)  # type: ignore[arg-type]
    assert hashlib.sha256(source.encode()).hexdigest()[:16] == known


def test_zeros_of_a_hole_fit_into_an_object() -> None:
    assert max(HOLE_PIECES) <= MAX_DATA_SIZE
