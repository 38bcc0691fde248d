# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab, for every test that needs real hosts."""

from __future__ import annotations

import os

import pytest
from lab import Lab


@pytest.fixture(scope="session")
def lab() -> Lab:
    """The lab, up and provisioned; one that runs already is used as it is."""
    if os.geteuid() != 0:
        pytest.fail("the lab needs root, for podman's containers and their network")
    running = Lab.up()
    done = running.run("site")
    assert done.returncode == 0, done.stdout + done.stderr
    return running
