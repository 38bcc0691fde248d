# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What would be saved as nothing, without a word: a source with a tag of root's, a subvolume that a snapshot lacks."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from btrfs_volume import btrfs_volume
from client_borg import temporary_host

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="NOT TESTED: only root can mount")


def test_a_source_that_is_nothing_is_told_as_unread(tmp_path: Path) -> None:
    with temporary_host() as host, btrfs_volume(tmp_path) as volume:
        for words in ("create srv", "create srv/shop", "snapshot -r srv snapshot"):
            subprocess.run(["btrfs", "subvolume", *words.split()], cwd=volume, check=True, capture_output=True)
        tagged = host.path / "tagged"
        (tagged / "below").mkdir(parents=True)
        (tagged / ".nobackup").touch()
        home = host.argv("--exclude-if-present", ".nobackup")
        done = subprocess.run(
            [*home, tagged, volume / "snapshot"], env=host._environment({}), capture_output=True, text=True, check=False
        )
        told = [line for line in done.stderr.splitlines() if "BackupOSError" in line]
        assert f"{tagged}: open: [Errno 1] .nobackup leaves out the whole source" in told[0], done.stderr
        assert (
            f"{volume}/snapshot/shop: dir_open: " in told[1] and "which the snapshot above it does not have" in told[1]
        )
        assert len(told) == 2 and "ExcludedByTag" not in done.stderr
