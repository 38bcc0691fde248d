# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab, for every test that needs real hosts; which tests may run beside each other."""

from __future__ import annotations

import os

import pytest
from lab import Lab


@pytest.hookimpl(tryfirst=True)  # pytest-xdist reads the groups in a hook of the same name.
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that share the lab stay in one process, in their order; any other file stays whole."""
    for item in items:
        shares_lab = "lab" in getattr(item, "fixturenames", ())
        item.add_marker(pytest.mark.xdist_group("lab" if shares_lab else item.path.stem))


@pytest.fixture(scope="session")
def lab() -> Lab:
    """The lab, up and provisioned; one that runs already is used as it is."""
    if os.geteuid() != 0:
        pytest.fail("the lab needs root, for podman's containers and their network")
    running = Lab.up()
    done = running.run("site")
    assert done.returncode == 0, done.stdout + done.stderr
    return running
