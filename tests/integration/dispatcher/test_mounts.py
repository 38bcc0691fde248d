# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mounts that are really there, and then are not: the server learns which of a source's disks is gone.

A process with mounts of its own makes them in a directory and looks at the source between two steps.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tool import ROOT

DISPATCHER = ROOT / "roles/backup_client/files/lib"
LOOK = """
import json, pathlib, subprocess, sys
from paranoid_dispatcher.mounts import Mounts
from paranoid_dispatcher.sources import plan_sources
base, steps, source, wishes = sys.argv[1], *map(json.loads, sys.argv[2:])
read = lambda: Mounts.read(fstab=pathlib.Path(base, "fstab"), units=pathlib.Path(base, "units"))
for step in steps:
    subprocess.run(["sh", "-ec", step], cwd=base, check=True)
    found = plan_sources([f"{base}/{source}"], {f"{base}/{path}": wish for path, wish in wishes.items()}, [], read())
    print(json.dumps([found.mounts, found.problems]))
"""
DISK = "mount -t tmpfs disk"
PART = f"mkdir -p part && {DISK} part && mkdir part/data && touch part/data/old"  # what / has below a server's /srv

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="NOT TESTED: only root can mount")


def looks(base: Path, steps: list[str], source: str, wishes: dict[str, bool] | None = None) -> list[Any]:
    """Return after each step what is told of mounts, and the problems; paths are below the directory."""
    argv = ["unshare", "--mount", "--propagation", "private", sys.executable, "-c", LOOK, str(base)]
    argv += map(json.dumps, (steps, source, wishes or {}))
    environment = {**os.environ, "PYTHONPATH": str(DISPATCHER)}
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line.replace(f"{base}/", "")) for line in done.stdout.splitlines()]


# What makes the disk, what takes it away, the source, and what is not mounted any more.
GONE = {
    "the source itself": (f"mkdir data; {DISK} data", "umount data", "data", {"data"}),
    "of two on one another": (f"{PART}; {DISK} part/data", "umount part/data", "part/data", {"part/data/"}),
    "a directory of one, which is there without it": (
        f"{PART}; {DISK} part/data; mkdir part/data/app",
        "umount part/data; mkdir part/data/app",
        "part/data/app",
        {"part/data/"},
    ),
    "the lower of two": (f"{PART}; {DISK} part/data", "umount -R part; mkdir part/data", "part/data", {"part/data"}),
    "bound from the same file system": (
        "mkdir data real; touch real/file; mount --bind real data",
        "umount data",
        "data",
        {"data"},
    ),
    "bound in a part": (
        f"{PART}; mkdir part/real; mount --bind part/real part/data",
        "umount part/data",
        "part/data",
        {"part/data/"},
    ),
    "a file": ("touch file disk; mount --bind disk file", "umount file", "file", {"file"}),
    "layers": (
        "mkdir data; mkdir -p l; mount -t tmpfs none l; mkdir l/1 l/2 l/3;"
        " mount -t overlay o -o lowerdir=l/1,upperdir=l/2,workdir=l/3 data",
        "umount data",
        "data",
        {"data"},
    ),
    "hidden behind another": (
        f"{PART}; {DISK} part/data",
        f"{DISK} part; mkdir part/data",
        "part/data",
        {"part/data/"},
    ),
    "below the source, in fstab": (
        f"{PART}; {DISK} part/data; echo disk $PWD/part/data ext4 defaults 0 2 >fstab",
        "umount part/data",
        "part",
        {"part/data"},
    ),
    "below the source, by a unit": (
        f"{PART}; {DISK} part/data; mkdir -p units/a.wants; echo Where=$PWD/part/data >units/a.wants/part-data.mount",
        "umount part/data",
        "part",
        {"part/data"},
    ),
}


@pytest.mark.parametrize("case", GONE)
def test_what_is_not_mounted_any_more_is_told(tmp_path: Path, case: str) -> None:
    come, go, source, gone = GONE[case]
    (before, fine), (after, _problems), (again, _fine) = looks(tmp_path, [come, go, ":"], source)
    assert fine == [] and {path for path, apart in after.items() if before.get(path) and not apart} == gone
    assert again == after


@pytest.mark.parametrize("case", [name for name in GONE if not name.startswith(("below", "a directory"))])
def test_a_source_that_must_be_mounted_is_asked_for(tmp_path: Path, case: str) -> None:
    come, go, source, _gone = GONE[case]
    full = f"{come}; [ ! -d {source} ] || touch {source}/file"
    (_mounts, fine), (_gone_too, problems) = looks(tmp_path, [full, go], source, {source: True})
    assert fine == [] and problems and "is not mounted" in problems[0]


def test_one_that_comes_late_or_stays_is_no_news(tmp_path: Path) -> None:
    """Another disk below the source comes and goes, which nothing wants there."""
    steps = [PART, f"{DISK} part/data", f"mkdir part/data/x; {DISK} part/data/x", "umount part/data/x"]
    first, *others = (mounts for mounts, _problems in looks(tmp_path, steps, "part/data"))
    assert first["part/data/"] is False and all(mounts["part/data/"] for mounts in others)
    assert others[0] == others[1] == others[2]
