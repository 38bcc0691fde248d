# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each rule of the audit at its limit: the last value that passes, and the first that does not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._audit import rules
from ansible_collections.paranoid.backup.plugins.module_utils._audit.baseline import Baseline
from ansible_collections.paranoid.backup.plugins.module_utils._audit.changes import Changes
from ansible_collections.paranoid.backup.plugins.module_utils._audit.presence import Presence
from ansible_collections.paranoid.backup.plugins.module_utils._audit.rules import Comparison
from ansible_collections.paranoid.backup.plugins.module_utils._audit.verdict import Budget

OLD = Baseline(
    transaction=8,
    directories=(),
    objects=100,
    manifest=1000,
    manifest_floor=900,
    config="a",
    nonce=2**20,
    freeable=0,
)
BUDGET = Budget(objects=10, bytes=5000, archives=2)
HONEST = Comparison(OLD, OLD, Changes(), "append", Budget(), (), 100, False)


def seen(policy: str = "append", recompressed: bool = False, now: dict[str, Any] | None = None, **changes: Any) -> Any:
    """Return what the rules find in a session with these changes."""
    return rules.judge(
        replace(
            HONEST,
            policy=policy,
            budget=BUDGET if policy == "trim" else Budget(),
            recompressed=recompressed,
            now=replace(OLD, **(now or {})),
            changes=Changes(**changes),
        )
    )


# What a deletion of two objects frees: bytes of the budget, the old list and the new, 64 for each entry and two more.
FREED = 5000 + 1000 + 900 + 64 * (2 + 1 + 2 + 2)


@pytest.mark.parametrize(
    ("passes", "alarms", "words"),
    [
        ({"policy": "trim", "gone": 10}, {"policy": "trim", "gone": 11}, "11 stored objects were deleted, 10 were"),
        ({"gone": 0}, {"gone": 1}, "1 stored objects were deleted, 0 were"),
        ({}, {"overwritten": 1}, "1 stored objects were overwritten"),
        ({"policy": "append", "commits": 1}, {"policy": "read", "commits": 1}, "only read committed 1 times"),
        ({}, {"manifest_deleted": True}, "the list of archives was deleted"),
        (
            {"policy": "trim", "gone": 2, "deleted": 2, "commits": 1, "manifests": (900,), "freed": FREED},
            {"policy": "trim", "gone": 2, "deleted": 2, "commits": 1, "manifests": (900,), "freed": FREED + 1},
            f"would free {FREED + 1} bytes more, 5000 were",
        ),
        ({"manifests": (876,)}, {"manifests": (875,)}, "shrank from 900 to 875 bytes"),
        ({"manifests": (100, 876)}, {"manifests": (1100, 875)}, "shrank from 900 to 875 bytes"),
        (
            {"manifests": (300,), "recompressed": True},
            {"manifests": (299,), "recompressed": True},
            "shrank from 900 to 299 bytes",
        ),
        (
            {"policy": "trim", "manifests": (372,)},
            {"policy": "trim", "manifests": (371,)},
            "shrank from 1000 to 371 bytes, by more than 2",
        ),
        ({"now": {"config": "a"}}, {"now": {"config": "b"}}, "config has changed"),
        ({"now": {"nonce": 2**20}}, {"now": {"nonce": 2**20 - 1}}, "the nonce went back"),
        ({"now": {"nonce": 2**20 + 1}}, {"now": {"nonce": None}}, f"went back from {2**20} to 0"),
        (
            {"now": {"nonce": 2**20 + 2**44 + 2}, "size": 47},
            {"now": {"nonce": 2**20 + 2**44 + 3}, "size": 47},
            "the nonce leapt",
        ),
        ({"now": {"nonce": 2**61 + 1}}, {"now": {"nonce": 2**61}}, "the nonce leapt"),
        (
            {"now": {"nonce": 2**63 + 2**62 + 2**44}},
            {"now": {"nonce": 2**63 + 2**62 + 2**44 + 1}},
            "the nonce leapt",
        ),
        ({"now": {"objects": 100}}, {"now": {"objects": 99}}, "holds 99 objects, the segments say 100"),
    ],
)
def test_a_limit(passes: dict[str, Any], alarms: dict[str, Any], words: str) -> None:
    assert seen(**passes) == []
    (finding,) = seen(**alarms)
    assert words in finding


def test_what_frees_bytes_and_deletes_nothing_is_no_deletion() -> None:
    """A client replaces its own checkpoints, and Borg's freeable bytes grow by all of them."""
    assert seen(freed=10**9) == []
    assert seen("trim", gone=1, freed=None) == [], "hints that are not there say nothing"


def test_what_is_not_known_is_not_compared() -> None:
    unknown = replace(OLD, nonce=None, objects=None)
    session = replace(HONEST, old=unknown, now=replace(OLD, nonce=2**44), expected=None)
    assert rules.judge(session) == []


def test_what_is_missing_or_was_another_ones_is_found_in_any_session() -> None:
    for policy in ("create", "append", "read", "trim"):
        session = replace(HONEST, policy=policy, presence=Presence(("a" * 64,)), foreign=1)
        assert rules.judge(session) == [
            "1 archives that nobody let go are not in the repository: aaaaaaaaaaaa",
            "1 deleted objects came with archives that stay",
        ]


def test_every_rule_is_asked() -> None:
    assert [rule.__name__ for rule in rules.RULES] == [name for name in vars(rules) if name.startswith("find_")]


@pytest.mark.parametrize(("count", "others"), [(1, False), (3, False), (4, True)])
def test_archives_that_are_missing_are_counted_and_a_few_are_named(count: int, others: bool) -> None:
    missing = tuple(str(number) * 64 for number in range(count))
    (told,) = rules.describe_absent_archives(Presence(missing))
    assert told.startswith(f"{count} archives that nobody let go are not in the repository: {'0' * 12}")
    assert told.count("000") <= 4 and told.endswith(" and others") is others
    assert sum(one[:12] in told for one in missing) == min(count, 3) and not any(one[:13] in told for one in missing)
    assert list(rules.describe_absent_archives(Presence())) == []
