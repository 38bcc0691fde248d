# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit on repositories that stock Borg wrote through the gate: no false alarm, and what slips through is seen."""

from __future__ import annotations

import os

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._audit.baseline import Baseline
from ansible_collections.paranoid.backup.plugins.module_utils._audit.full import full_audit
from ansible_collections.paranoid.backup.plugins.module_utils._audit.incremental import audit, rebase
from ansible_collections.paranoid.backup.plugins.module_utils._audit.verdict import AuditVerdict, Budget
from real import Borg, Gate


def start(borg: Borg) -> Baseline:
    verdict, baseline = audit(str(borg.repository), None, "create")
    assert verdict.verdict == "clean"
    assert baseline is not None
    return baseline


def judge(borg: Borg, baseline: Baseline, policy: str, budget: Budget | None = None) -> tuple[AuditVerdict, Baseline]:
    verdict, after = audit(str(borg.repository), baseline, policy, budget)
    assert after is not None
    return verdict, after


def test_honest_commands_raise_no_alarm(borg: Borg) -> None:
    baseline = start(borg)
    commands = [
        ("append", ("create", "--checkpoint-interval", "1", "::a", "tree")),
        ("append", ("create", "::b", "tree")),
        ("append", ("create", "-C", "lz4", "::c", "/etc/hostname")),
        ("append", ("check",)),
        ("append", ("check", "--repository-only", "--max-duration", "5")),
        ("read", ("check",)),
        ("read", ("list",)),
        ("read", ("extract", "--dry-run", "::b")),
        ("append", ("compact",)),
        ("append", ("delete", "::a")),
    ]
    for policy, command in commands:
        borg.run(policy, *command)
        verdict, baseline = judge(borg, baseline, policy)
        assert (verdict.verdict, verdict.findings) == ("clean", ()), command
    assert full_audit(str(borg.repository)).findings == ()


def test_trim_then_compaction_then_backup(borg: Borg) -> None:
    baseline = start(borg)
    options = ("--max-objects", "100", "--max-bytes", "1000000", "--max-archives", "1")
    assert borg.run("trim", "delete", "::one", gate=options).returncode == 0
    verdict, baseline = judge(borg, baseline, "trim", Budget(100, 1_000_000, 1))
    assert verdict.verdict == "expected"
    assert baseline.freeable
    assert borg.local("compact", "--threshold", "0").returncode == 0
    verdict, baseline = rebase(str(borg.repository), baseline)
    assert verdict.findings == ()
    assert baseline.freeable is not None
    assert baseline.freeable < 1000
    assert borg.run("append", "create", "::three", "tree").returncode == 0
    verdict, _ = judge(borg, baseline, "append")
    assert (verdict.verdict, verdict.findings) == ("clean", ())


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("delete", "::one"), "stored objects were deleted"),
        (("delete", "-a", "*"), "stored objects were deleted"),
        (("prune", "--keep-last", "1"), "stored objects were deleted"),
        (("rename", "::one", "uno"), "1 stored objects were deleted"),
        (("key", "change-passphrase"), "config has changed"),
        (("compact", "--threshold", "0", "--cleanup-commits"), "older segments"),
    ],
)
def test_what_bypasses_the_gate_is_an_alarm(borg: Borg, command: tuple[str, ...], words: str) -> None:
    baseline = start(borg)
    done = borg.local(*command)
    assert done.returncode == 0, done.stderr
    verdict, _ = judge(borg, baseline, "append")
    assert verdict.verdict == "alarm"
    assert any(words in finding for finding in verdict.findings), verdict.findings


def test_only_what_stays_counts_as_stored(borg: Borg) -> None:
    """What a client sends in vain, or replaces at once, gives it no right to delete as much some day."""
    baseline = start(borg)
    for commits in (False, True):
        running = Gate("append", borg.repository)
        running.client.hello()
        for _ in range(20):
            running.client.call("put", id=b"n" * 32, data=os.urandom(100_000))
        if commits:
            running.client.call("commit", compact=False)
        running.finish()
    stored = judge(borg, baseline, "append")[0].changes.stored
    assert stored["objects"] == 1 and 100_000 < stored["bytes"] < 110_000


def test_a_manifest_that_omits_archives_passes_the_gate_and_not_the_audit(borg: Borg) -> None:
    baseline = start(borg)
    running = Gate("append", borg.repository)
    running.client.hello()
    running.client.call("put", id=bytes(32), data=os.urandom(baseline.manifest - 90))
    running.client.call("commit", compact=False)
    running.finish()
    verdict, _ = judge(borg, baseline, "append")
    assert "the list of archives shrank" in verdict.findings[0]
