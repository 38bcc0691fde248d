# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One provisioned lab and one run over all of it, which many tests look at."""

from __future__ import annotations

from pathlib import Path

import pytest
from lab import Lab
from lab_runs import Run, backup

TREE = "/var/www/tree"


@pytest.fixture(scope="session")
def tree(lab: Lab) -> str:
    """A tree on ``web1``, below a directory that is backed up, with everything that restores get wrong."""
    script = (Path(__file__).parent / "tree.py").read_bytes()
    lab.read("web1", "sh", "-c", f"rm -rf {TREE} && cat >/root/tree.py", input=script)
    lab.read("web1", "python3", "/root/tree.py", "make", TREE)
    return TREE


@pytest.fixture(scope="session")
def parallel(lab: Lab, tree: str) -> Run:
    """All clients at once, ``broken1`` among them."""
    return backup(lab, "--forks", "5")
