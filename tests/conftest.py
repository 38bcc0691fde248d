# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which tests may run beside each other."""

from __future__ import annotations

import pytest
from xdist.remote import Producer
from xdist.scheduler.loadscope import LoadScopeScheduling

SHARE_LAB = tuple(f"tests/lab/{group}/" for group in ("attack", "backup", "faults", "provisioning", "restore"))


class Scheduling(LoadScopeScheduling):
    """Tests that share the lab stay in one process, in their order; any other file stays whole."""

    def _split_scope(self, nodeid: str) -> str:
        """Return the name of the group that a test belongs to."""
        return "lab" if nodeid.startswith(SHARE_LAB) else nodeid.split("::")[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduling:
    """Have tests in several processes go by these groups."""
    return Scheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse tests that would change the lab below the others."""
    for item in items:
        if "lab" in getattr(item, "fixturenames", ()) and not item.nodeid.startswith(SHARE_LAB):
            raise pytest.UsageError(f"{item.nodeid} uses the lab: add it to SHARE_LAB")
