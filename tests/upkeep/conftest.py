# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The world of the session tests, with the real dispatcher and rules for retention."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from keeper import Keeper
from session_world import World

_spec = importlib.util.spec_from_file_location("session_conftest", Path(__file__).parents[1] / "session/conftest.py")
assert _spec and _spec.loader
_session = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_session)
ground, home, bare, template, world = (
    _session.ground,
    _session.home,
    _session.bare,
    _session.template,
    _session.world,
)


@pytest.fixture
def keeper(world: World) -> Keeper:
    """A client with three archives of which two may go, served by the real dispatcher."""
    made = Keeper(world)
    made.provision()
    for number in range(3):
        made.backup(number)
    return made
