# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a maintenance may delete, and what is believed of what the client tells about it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._audit.baseline import Baseline, Directory
from ansible_collections.paranoid.backup.plugins.module_utils._audit.verdict import Budget
from ansible_collections.paranoid.backup.plugins.module_utils._config.server import ClientConfig
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import KnownArchive
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.bookkeeping import trim_entry
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.outcome import Conclusion, GateSummary, Outcome
from ansible_collections.paranoid.backup.plugins.module_utils._retention.trim_plan import TrimPlan, trim_budget
from ansible_collections.paranoid.backup.plugins.module_utils._session.evidence import Evidence
from ansible_collections.paranoid.backup.plugins.module_utils._session.protocol import Result
from ansible_collections.paranoid.backup.plugins.module_utils._session.trim_result import TrimResult
from ansible_collections.paranoid.backup.plugins.module_utils._session.verbs import VERBS
from ansible_collections.paranoid.backup.plugins.module_utils._session.verdict import Performer, decide

A, B, C, STRANGE = ("a" * 64, "b" * 64, "c" * 64, "f" * 64)
MB = 1024 * 1024
RECORD = ClientConfig("web1", "h", 22, "u", "socket", "/t", 0, "/r", "bk-web1", "/k")
ARCHIVES = tuple(KnownArchive(i, f"name-{i[0]}", datetime(2026, 11, 1, tzinfo=UTC), n) for n, i in enumerate((A, B, C)))
PLAN = TrimPlan(ARCHIVES, {C: ("daily 1",)}, ARCHIVES[:2], frozenset(), Budget(10, 20, 2), 60)
GATE = GateSummary(connections=3, delete=9, commits=1, manifests=1, transaction=44)


def baseline(objects: int | None, size: int) -> Baseline:
    return Baseline(7, (Directory(0, 1, 1, size, ""),), objects, 500, 500, "", 1, 0)


def judged(performer: str, trim: TrimPlan, evidence: Evidence) -> Conclusion:
    """Return what a maintenance of web1 came to."""
    host = Performer(performer, "web1", "192.0.2.7", 22)
    return decide(VERBS["maintain"], host, evidence, TrimResult.of(trim, evidence))


def trim_result(trim: TrimPlan, evidence: Evidence | None = None) -> dict[str, Any]:
    """Return what the session's result says of a maintenance."""
    return TrimResult.of(trim, evidence).to_dict()


def seen(gate: GateSummary = GATE, **changes: Any) -> Evidence:
    maintain = {"deleted": [A, B], "missing": [], "unknown": [], "check": "ok", **changes}
    return Evidence(hello=True, result=Result(True, "", None, None, maintain, {}), gate=gate)


@pytest.mark.parametrize(
    ("objects", "size", "dropped", "archives", "budget"),
    [
        (40_000, 1000 * MB, 0, 40, Budget()),
        (40_000, 1000 * MB, 10, 40, Budget(10_000, 250 * MB, 10)),
        (900, 10 * MB, 1, 3, Budget(1000, 64 * MB, 1)),
        (None, 0, 1, 1, Budget(1000, 64 * MB, 1)),
    ],
)
def test_the_budget_is_the_share_that_goes(
    objects: int | None, size: int, dropped: int, archives: int, budget: Budget
) -> None:
    assert trim_budget(RECORD, baseline(objects, size), (), dropped, archives) == budget
    assert trim_budget(RECORD, baseline(objects, size), ARCHIVES[:dropped], max(0, dropped - 3), archives) == budget


def test_what_came_with_an_archive_may_go_with_it() -> None:
    large, small = (replace(ARCHIVES[n], stored_objects=n * 5000, stored_bytes=n * 90 * MB) for n in (2, 1))
    there = baseline(40_000, 1000 * MB)
    assert trim_budget(RECORD, there, [large, small], 0, 40) == Budget(2000 + 15_000, (50 + 270) * MB, 2)
    assert trim_budget(RECORD, there, [small], 1, 40) == Budget(2000 + 5000, (50 + 90) * MB, 2)


def test_the_record_overrides_the_share_and_zero_is_a_number() -> None:
    record = replace(RECORD, trim_max_objects=0, trim_max_bytes=5)
    assert trim_budget(record, baseline(10**6, 10**9), ARCHIVES[:1], 0, 2) == Budget(0, 5, 1)


def test_the_gate_and_the_client_get_what_was_decided() -> None:
    assert PLAN.gate_options() == ("--max-objects", "10", "--max-bytes", "20", "--max-archives", "2")
    assert PLAN.request() == {"delete": (A, B), "known": (C,), "check_seconds": 60}


@pytest.mark.parametrize(
    ("evidence", "code", "said"),
    [
        (seen(), "", ""),
        (seen(deleted=[A], missing=[B], check="skipped"), "archives_missing", "misses 1 archives"),
        (seen(deleted=[A, B, STRANGE]), "bad_result", "1 archives that nobody named"),
        (seen(deleted=[C]), "bad_result", "1 archives that nobody named"),
        (seen(GateSummary(delete=0, commits=1)), "bad_result", "saw nothing being deleted"),
        (seen(GateSummary(delete=9, commits=0)), "bad_result", "saw nothing being deleted"),
        (seen(deleted=[A]), "client_failed", "did not delete 1 of 2"),
        (seen(missing=[C]), "archives_missing", "misses 1 archives"),
        (seen(missing=[STRANGE]), "", ""),
        (seen(check="failed"), "check_failed", "run a full audit"),
        (replace(seen(), result=Result(True, "", None, None, None, {})), "bad_result", "not what it did"),
    ],
)
def test_the_client_is_believed_only_so_far(evidence: Evidence, code: str, said: str) -> None:
    verdict = judged("web1", PLAN, evidence)
    assert verdict.code == code and said in verdict.reason
    assert verdict.status == ("failed" if code else "ok")


def test_the_keyholder_is_named_for_what_it_says_and_the_client_for_what_it_misses() -> None:
    said = judged("keeper1", PLAN, seen(deleted=[A]))
    assert said.reason.startswith("keeper1 did not delete")
    missed = judged("keeper1", PLAN, seen(missing=[C]))
    assert missed.reason.startswith("web1 misses")


def test_what_went_with_an_interrupted_trim_counts_as_deleted_later() -> None:
    trim = replace(PLAN, drop=(), asked_before=frozenset([A]))
    evidence = seen(GateSummary(), deleted=[], missing=[A])
    assert judged("web1", trim, evidence) == Conclusion("ok")
    result = trim_result(trim, evidence)
    assert (result["deleted"], result["missing"], result["kept"]) == ([A], [], 2)


def test_what_an_interrupted_trim_took_is_not_left_to_be_deleted() -> None:
    trim = replace(PLAN, asked_before=frozenset([A, STRANGE]))
    evidence = seen(deleted=[B], missing=[A, STRANGE])
    assert judged("web1", trim, evidence) == Conclusion("ok")
    result = trim_result(trim, evidence)
    assert (result["deleted"], result["missing"], result["kept"]) == ([A, B], [], 1), "STRANGE was never known"


def test_only_what_the_gate_saw_counts_as_deleted() -> None:
    assert trim_result(PLAN, seen())["deleted"] == [A, B]
    assert trim_result(PLAN, seen(GateSummary(commits=1)))["deleted"] == []
    assert trim_result(PLAN, seen(deleted=[A, STRANGE]))["deleted"] == [A]
    assert trim_result(PLAN)["deleted"] == [] and trim_result(PLAN)["check"] == "skipped"


def test_what_is_gone_and_was_never_asked_for_is_missing_and_not_deleted() -> None:
    """The ledger would let it go as deleted, and from then on nobody would miss it."""
    result = trim_result(PLAN, seen(deleted=[A], missing=[B, C]))
    assert (result["deleted"], result["missing"], result["kept"]) == ([A], [B, C], 2)


def test_what_is_known_is_not_unknown() -> None:
    unknown = [{"id": C, "name": "x"}, {"id": STRANGE, "name": "y"}]
    assert trim_result(PLAN, seen(unknown=unknown))["unknown"] == [{"id": STRANGE, "name": "y"}]


def outcome(gate: GateSummary, **changes: Any) -> Outcome:
    maintain = {**trim_result(PLAN, seen(gate)), **changes}
    return Outcome("web1", "maintain", "s", "", Conclusion("ok"), "", "", 0.0, maintain=maintain, gate=gate)


def test_every_deletion_leaves_a_trim_in_the_ledger() -> None:
    trim = trim_entry(outcome(GATE))
    assert trim and (trim.requested, trim.deleted, trim.transaction) == ((A, B), (A, B), 44)
    cut_off = trim_entry(outcome(GATE, deleted=[]))
    assert cut_off and (cut_off.requested, cut_off.deleted) == ((A, B), ())
    killed = trim_entry(outcome(GateSummary(transaction=44), deleted=[]))
    assert killed and killed.transaction == 44, "a gate that was killed counts nothing"
    assert trim_entry(outcome(GateSummary(delete=3))) is None, "what is not committed is not deleted"
    assert trim_entry(outcome(GateSummary(transaction=44), named=[], deleted=[])) is None, "it had no budget"
    assert trim_entry(outcome(GateSummary())) is None
    assert trim_entry(replace(outcome(GATE), maintain=None)) is None
