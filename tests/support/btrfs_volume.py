# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file system of btrfs, in a file."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def btrfs_volume(folder: Path) -> Iterator[Path]:
    """Mount one below FOLDER; a test that wants it is skipped where that cannot be."""
    if not shutil.which("mkfs.btrfs"):
        pytest.skip("NOT TESTED: no mkfs.btrfs (btrfs-progs)")
    place = folder / "volume"
    place.mkdir()
    with (folder / "image").open("wb") as handle:
        handle.truncate(128 * 2**20)
    subprocess.run(["mkfs.btrfs", "-q", folder / "image"], check=True, capture_output=True)
    if subprocess.run(["mount", "-o", "loop", folder / "image", place], capture_output=True, check=False).returncode:
        pytest.skip("NOT TESTED: btrfs cannot be mounted here")
    yield place
    subprocess.run(["umount", place], check=True)
