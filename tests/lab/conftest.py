# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One provisioned lab and one run over all of it, which many tests look at."""

from __future__ import annotations

import os

import pytest
from lab import Lab
from lab_runs import Run, backup
from tool import ROOT

TREE = "/var/www/tree"


@pytest.fixture(scope="session")
def lab() -> Lab:
    """The lab, up and provisioned; one that runs already is used as it is."""
    if os.geteuid() != 0:
        pytest.fail("the lab needs root, for podman's containers and their network")
    running = Lab.up()
    done = running.run("site")
    assert done.returncode == 0, done.stdout + done.stderr
    return running


@pytest.fixture(scope="session")
def tree(lab: Lab) -> str:
    """A tree on ``web1``, below a directory that is backed up, with everything that restores get wrong."""
    script = (ROOT / "tests/support/tree.py").read_bytes()
    lab.read("web1", "sh", "-c", f"rm -rf {TREE} && cat >/root/tree.py", input=script)
    lab.read("web1", "python3", "/root/tree.py", "make", TREE)
    return TREE


@pytest.fixture(scope="session")
def parallel(lab: Lab, tree: str) -> Run:
    """All clients at once, ``broken1`` among them."""
    return backup(lab, "--forks", "5")
