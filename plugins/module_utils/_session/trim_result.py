# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What came of a maintenance: what its performer said, held against what was asked for and what the gates saw."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from ansible_collections.paranoid.backup.plugins.module_utils._retention.trim_plan import TrimPlan
from ansible_collections.paranoid.backup.plugins.module_utils._session.evidence import Evidence


@dataclass(frozen=True)
class TrimResult:
    """``claimed`` and ``absent`` are the performer's word; the rest of the ids are what the server makes of it.

    ``answered``: whether it said what it did at all. ``witnessed``: whether a gate saw a deletion, and its commit.
    ``unknown`` are archives that the repository holds and the ledger does not know.
    """

    plan: TrimPlan
    answered: bool
    witnessed: bool
    claimed: AbstractSet[str]
    absent: AbstractSet[str]
    unknown: tuple[dict[str, Any], ...]
    check: str

    @classmethod
    def of(cls, plan: TrimPlan, seen: Evidence | None = None) -> TrimResult:
        """Return the result of ``plan`` by what was seen; without ``seen`` nothing was asked for yet."""
        answer = (seen.result.maintain if seen and seen.result else None) or {}
        known = {archive.id for archive in plan.archives}
        return cls(
            plan,
            answered=bool(answer),
            witnessed=bool(seen and seen.gate.delete and seen.gate.commits),
            claimed=frozenset(answer.get("deleted", ())),
            absent=frozenset(answer.get("missing", ())),
            unknown=tuple(archive for archive in answer.get("unknown", ()) if archive["id"] not in known),
            check=answer.get("check", "skipped"),
        )

    @property
    def known(self) -> AbstractSet[str]:
        """The archives that the ledger knows."""
        return {archive.id for archive in self.plan.archives}

    @property
    def never_named(self) -> AbstractSet[str]:
        """What it says it deleted, and nobody asked for."""
        return self.claimed - set(self.plan.named)

    @property
    def deleted(self) -> AbstractSet[str]:
        """What went because the server asked: seen now, or found gone after an earlier trim."""
        now = self.claimed & set(self.plan.named) if self.witnessed else set()
        return now | (self.absent & self.known & self.plan.asked_before)

    @property
    def missing(self) -> AbstractSet[str]:
        """What the repository should hold and does not."""
        return (self.absent & self.known) - self.plan.asked_before

    @property
    def left(self) -> AbstractSet[str]:
        """What was named and is still there."""
        return set(self.plan.named) - self.claimed - self.absent

    def to_dict(self) -> dict[str, Any]:
        """Return the field ``maintain`` of a session's result."""
        return {
            "named": list(self.plan.named),
            "deleted": sorted(self.deleted),
            "missing": sorted(self.missing),
            "kept": len(self.known - self.deleted),
            "unknown": list(self.unknown),
            "found": [],
            "check": self.check,
            "waiting": self.plan.waiting,
            "plan": _plan(self.plan),
        }


def _plan(plan: TrimPlan) -> dict[str, Any]:
    names = {archive.id: archive.name for archive in plan.archives}
    keep = [{"id": one, "name": names[one], "reasons": list(reasons)} for one, reasons in plan.keep.items()]
    drop = [
        {"id": archive.id, "name": archive.name, "arrival": archive.arrival.isoformat(timespec="seconds")}
        for archive in plan.drop
    ]
    return {"drop": drop, "keep": keep}
