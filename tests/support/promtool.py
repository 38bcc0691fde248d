# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prometheus' own checker of rules and metrics, from this machine or as the bootstrap fetched it."""

from __future__ import annotations

import shutil

from tool import ROOT

_FETCHED = ROOT / ".cache/promtool"
PROMTOOL = shutil.which("promtool") or (str(_FETCHED) if _FETCHED.exists() else None)
NO_PROMTOOL = "promtool is not there: tests/tools/bootstrap fetches it from Debian's package prometheus"
