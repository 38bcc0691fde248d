# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a session fails."""

from __future__ import annotations

from typing import Any, Optional


class Refused(Exception):
    """The request gets no answer: the reason goes to the log, nothing is started."""


class Failed(Exception):
    """The verb could not do its work; the text becomes the result's reason, ``told`` further fields of the result."""

    def __init__(self, reason: str, told: Optional[dict[str, Any]] = None) -> None:
        super().__init__(reason)
        self.told = told or {}
