# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""This machine's clock, in UTC, and the form of its times in results."""

from __future__ import annotations

from datetime import UTC, datetime


def utc_now() -> datetime:
    """Return the present time as an aware datetime."""
    return datetime.now(UTC)


def stamp() -> str:
    """Return the present time in ISO 8601, such as ``2026-11-21T06:30:00Z``."""
    return utc_now().strftime("%Y-%m-%dT%H:%M:%SZ")
