# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Repositories made by real Borg through the gate, and worlds of real sessions, for every test that asks for one."""

from __future__ import annotations

from gate_fixtures import borg, origin  # noqa: F401
from session_fixtures import bare, ground, home, short_grace, template, world  # noqa: F401
