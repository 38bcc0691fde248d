# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A world of sessions with the real dispatcher and rules for retention."""

from __future__ import annotations

import pytest
from keeper import Keeper
from session_world import World


@pytest.fixture
def keeper(world: World) -> Keeper:
    """A client with three archives of which two may go, served by the real dispatcher."""
    made = Keeper(world)
    made.provision()
    for number in range(3):
        made.backup(number)
    return made
