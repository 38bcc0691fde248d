# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a tool of the venv on the checkout; what it says is the test's failure message."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
# Kept from one checkout to the next, as tests/tools/common.sh has it.
CACHE = Path(
    os.environ.get("PARANOID_CACHE")
    or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "paranoid-backup"
)


def tracked(*patterns: str) -> list[str]:
    """The files of the checkout that git knows or would add and that still exist, relative to its root."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *patterns]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return sorted({name for name in listed.split("\0") if name and (ROOT / name).is_file()})


def run_tool(*command: str, cwd: Path = ROOT, **environment: str) -> str:
    """What a command said that must succeed; raises AssertionError with what it said."""
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    everything = {**os.environ, "PATH": path, "LC_ALL": "C.UTF-8", "NO_COLOR": "1", **environment}
    done = subprocess.run(command, cwd=cwd, env=everything, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(command)[:200]}: exit code {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done.stdout + done.stderr
