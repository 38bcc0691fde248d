# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client whose own disk is full, really: it says so in its first words, and goes on when there is room again."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from keeper import Keeper
from session_world import OK, came_to

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="NOT TESTED: only root can mount")


@contextlib.contextmanager
def full(path: Path) -> Iterator[None]:
    """Have no room left at PATH, which keeps what it holds."""
    kept = path.with_name(f"{path.name}.kept")
    shutil.copytree(path, kept, symlinks=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "full", path], check=True)
    try:
        shutil.copytree(kept, path, symlinks=True, dirs_exist_ok=True)
        with contextlib.suppress(OSError), (path / "fill").open("wb", buffering=0) as fill:
            while fill.write(b"x" * 4096):
                pass
        yield
    finally:
        subprocess.run(["umount", path], check=True)
        shutil.rmtree(kept)


@pytest.mark.parametrize("place", ["borg", "state"])
def test_what_is_full_is_named_and_the_next_backup_is_good(keeper: Keeper, place: str) -> None:
    own = keeper.world.own
    (own / "source/new").write_bytes(os.urandom(300_000))
    with full(own / place):
        outcome = keeper.world.session("backup")
    wanted = f"web1: No space left on device ({own / place}: make room there)"
    assert (outcome.conclusion.code, outcome.conclusion.reason) == ("client_failed", wanted), outcome.log_tail
    again = keeper.world.session("backup")
    assert came_to(again) == OK, again.log_tail
