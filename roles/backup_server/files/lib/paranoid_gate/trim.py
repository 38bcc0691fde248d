# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much of what earlier sessions stored a connection may delete."""

from __future__ import annotations

from paranoid_gate.errors import Refused
from paranoid_gate.policy import Budget

_ARCHIVE_SIZE = 128  # bytes that one archive takes in a stored manifest, at most


class TrimBudget:
    """Counts what is deleted; raises Refused at the first object, or the first manifest, that is too much."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._deleted: set[bytes] = set()
        self._bytes = 0
        self._manifest_floor = 0

    @property
    def is_empty(self) -> bool:
        """Whether nothing at all may be deleted."""
        return not self._budget.objects

    def begin(self, manifest: int) -> None:
        """Derive from the size (bytes) of the stored manifest the least that the next one may have.

        The manifest is encrypted; each archive adds about 45 to 110 bytes to it. Half is left for a client that
        compresses it differently in `delete` than in `create`: a bound on disaster, the audit looks closer.
        """
        if not self.is_empty:
            self._manifest_floor = (manifest - self._budget.archives * _ARCHIVE_SIZE) // 2

    def spend(self, key: bytes, size: int) -> None:
        """Count one object of so many stored bytes."""
        if len(self._deleted) >= self._budget.objects or self._bytes + size > self._budget.bytes:
            raise Refused(f"deleting more than {self._budget.objects} objects or {self._budget.bytes} bytes")
        self._deleted.add(key)
        self._bytes += size

    def check_new(self, key: bytes) -> None:
        """Refuse an object that would replace a deleted one."""
        if key in self._deleted:
            raise Refused("storing again what this connection has deleted")

    def check_manifest(self, size: int) -> None:
        """Refuse a manifest that has certainly lost more archives than the budget names."""
        if size < self._manifest_floor:
            raise Refused(f"a manifest that loses more than {self._budget.archives} archives")
