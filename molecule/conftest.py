# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's hosts as pytest-testinfra hosts, reached through podman."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
import testinfra
from testinfra.host import Host

LAB = os.environ["PARANOID_LAB"]


@pytest.fixture(scope="session")
def lab() -> Callable[[str], Host]:
    """Return the host of a name."""
    return lambda name: testinfra.get_host(f"podman://{LAB}-{name}")


@pytest.fixture(scope="session")
def vault(lab: Callable[[str], Host]) -> Host:
    """Return the backup server."""
    return lab("vault")
