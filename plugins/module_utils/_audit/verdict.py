# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an audit says, and what a session may delete."""

from __future__ import annotations

from dataclasses import dataclass, field

from ansible_collections.paranoid.backup.plugins.module_utils._audit.changes import Changes
from ansible_collections.paranoid.backup.plugins.module_utils._audit.presence import Presence

CLEAN, EXPECTED, ALARM = "clean", "expected", "alarm"


@dataclass(frozen=True)
class Budget:
    """What a session may delete: objects, stored bytes, archives."""

    objects: int = 0
    bytes: int = 0
    archives: int = 0


@dataclass(frozen=True)
class AuditVerdict:
    """The verdict (clean, expected, alarm), its findings as sentences, and what is behind them."""

    verdict: str
    findings: tuple[str, ...]
    changes: Changes = field(default_factory=Changes)
    presence: Presence = field(default_factory=Presence)
