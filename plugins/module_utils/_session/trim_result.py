# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What came of a maintenance: what its performer told, held against what was asked for and what the gate saw."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ansible_collections.paranoid.backup.plugins.module_utils._outcome.outcome import Conclusion
from ansible_collections.paranoid.backup.plugins.module_utils._retention.trim_plan import TrimPlan
from ansible_collections.paranoid.backup.plugins.module_utils._session.verdict import Evidence


def judge_maintenance(client: str, performer: str, errand: TrimPlan, seen: Evidence) -> Conclusion:
    """Return the verdict over a maintenance of ``client`` that went well so far, from what ``performer`` (the client,
    or its keyholder) told and the gate saw.
    """
    told = seen.result.maintain if seen.result else None
    if told is None:
        return Conclusion("failed", "bad_result", f"{performer} said ok, but not what it did")
    deleted, missing, named = set(told["deleted"]), set(told["missing"]), set(errand.named)
    if not deleted <= named:
        strange = len(deleted - named)
        return Conclusion("failed", "bad_result", f"{performer} says it deleted {strange} archives that nobody named")
    if deleted and not (seen.gate.delete and seen.gate.commits):
        reason = f"{performer} says it deleted {len(deleted)} archives, but the server saw nothing being deleted"
        return Conclusion("failed", "bad_result", reason)
    lost = (missing & {archive.id for archive in errand.archives}) - errand.asked_before
    if lost:
        reason = f"{client} misses {len(lost)} archives that nobody deleted: run a full audit, then look for a snapshot"
        return Conclusion("failed", "archives_missing", reason)
    left = named - deleted - missing
    if left:
        return Conclusion("failed", "client_failed", f"{performer} did not delete {len(left)} of {len(named)} archives")
    if told["check"] == "failed":
        return Conclusion(
            "failed", "check_failed", f"borg check found errors in {client}'s repository: run a full audit"
        )
    return Conclusion("ok")


def told(errand: TrimPlan, seen: Evidence | None = None) -> dict[str, Any]:
    """Return the field ``maintain`` of the session's result; without ``seen`` it is a plan."""
    answer = (seen.result.maintain if seen and seen.result else None) or {}
    named, known = set(errand.named), {archive.id for archive in errand.archives}
    proven = named.intersection(answer.get("deleted", ())) if seen and seen.gate.delete and seen.gate.commits else set()
    absent = known.intersection(answer.get("missing", ()))
    deleted = proven | (absent & errand.asked_before)
    return {
        "named": list(errand.named),
        "deleted": sorted(deleted),
        "missing": sorted(absent - errand.asked_before),
        "kept": len(known - deleted),
        "unknown": [archive for archive in answer.get("unknown", ()) if archive["id"] not in known],
        "check": answer.get("check", "skipped"),
        "waiting": errand.waiting,
        "plan": _plan(errand),
    }


def advised(verdict: Conclusion) -> Conclusion:
    """Return the verdict over a maintenance that failed, with the place where a person finds what to do now."""
    if verdict.code != "refused":
        return verdict
    return replace(verdict, reason=f"{verdict.reason}; see 'refused' in docs/retention.md")


def _plan(errand: TrimPlan) -> dict[str, Any]:
    names = {archive.id: archive.name for archive in errand.archives}
    keep = [{"id": one, "name": names[one], "reasons": list(reasons)} for one, reasons in errand.keep.items()]
    drop = [
        {"id": archive.id, "name": archive.name, "arrival": archive.arrival.isoformat(timespec="seconds")}
        for archive in errand.drop
    ]
    return {"drop": drop, "keep": keep}
