# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gate's own modules, and what the attack suite has for tests with real Borg."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "attack"))

from gate_fixtures import borg, origin  # noqa: F401
from real import LIBRARY

sys.path.insert(0, str(LIBRARY))
