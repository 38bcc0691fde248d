# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The words for what a session came to, and the documented result."""

from __future__ import annotations

import json
import re

from ansible_collections.paranoid.backup.plugins.module_utils._common.errors import CODES, SessionError
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.outcome import Conclusion, GateSummary, Outcome
from tool import ROOT

ARCHITECTURE = (ROOT / "docs/architecture.md").read_text()
GATE = GateSummary(3, 1000, 20, 5, 1, 2, 1, 44, ("append: delete was refused",), "quota", "at 5 bytes")


def outcome(verdict: Conclusion) -> Outcome:
    return Outcome("web1", "backup", "1" * 32, "r1", verdict, "s", "f", 1.5, True, gate=GATE, log_tail=("one", "two"))


def test_the_result_is_plain_json() -> None:
    told = outcome(Conclusion("failed", "quota", "full")).to_dict()
    assert json.loads(json.dumps(told)) == told
    assert (told["status"], told["code"], told["reason"]) == ("failed", "quota", "full")
    assert (told["bytes_received"], told["bytes_sent"], told["log_tail"]) == (1000, 20, ["one", "two"])


def test_the_gate_tells_its_counts_and_keeps_its_inner_words() -> None:
    assert outcome(Conclusion("ok")).to_dict()["gate"] == {
        "put": 5, "delete": 1, "commits": 2, "manifests": 1, "transaction": 44,
        "refused": ["append: delete was refused"],
    }  # fmt: skip


def test_changed_is_ansibles_word_and_not_the_records() -> None:
    assert "changed" not in outcome(Conclusion("ok")).to_dict()


def test_the_architecture_lists_the_same_fields_and_codes() -> None:
    section = ARCHITECTURE[ARCHITECTURE.index("## Result of a session") :].split("\n## ")[0]
    fields, codes = section.split("\n`code`: ")
    assert set(re.findall(r"`([a-z_]+)`", codes)) == set(CODES)
    assert len(set(CODES)) == len(CODES)
    assert set(outcome(Conclusion("ok")).to_dict()) <= set(re.findall(r"`([a-z_]+)`", fields))


def test_an_error_is_its_reason() -> None:
    error = SessionError("locked", "web1 is locked")
    assert (error.code, error.reason, str(error)) == ("locked", "web1 is locked", "web1 is locked")
    assert error.code in CODES
