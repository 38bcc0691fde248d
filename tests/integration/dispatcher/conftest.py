# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client in a folder, for every test of the dispatcher as a process."""

from __future__ import annotations

from dispatched import client  # noqa: F401
