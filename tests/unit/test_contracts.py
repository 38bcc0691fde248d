# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What engine and gate, or engine and runner, both know is copied, never shared: the copies say the same.

Engine and dispatcher: integration/dispatcher/test_contract.py.
"""

from __future__ import annotations

import sys

from ansible_collections.paranoid.backup.plugins.module_utils._audit import rules as audit_rules
from ansible_collections.paranoid.backup.plugins.module_utils._common import text
from ansible_collections.paranoid.backup.plugins.module_utils._session.verbs import Policy
from paranoid_gate import trim as gate_trim
from paranoid_gate.policy import POLICIES
from paranoid_runner.errors import printable


def test_engine_and_gate_know_the_same_policies() -> None:
    assert set(Policy) == set(POLICIES)
    for policy in Policy:
        assert POLICIES[policy].may_create == (policy is Policy.CREATE)
        assert POLICIES[policy].may_trim == (policy is Policy.TRIM)


def test_gate_and_audit_allow_an_archive_the_same_share_of_the_manifest() -> None:
    assert gate_trim._ARCHIVE_SIZE == audit_rules.ARCHIVE_SIZE


def test_the_runner_shows_what_the_engine_shows() -> None:
    """The output of a run and the words of a server that is watched come to it as they are."""
    for char in map(chr, range(sys.maxunicode + 1)):
        is_shown = text.printable(f"a{char}b") == f"a{char}b"
        assert (printable(f"a{char}b") == f"a{char}b") is is_shown, ascii(char)
    for marks in range(6):
        name = f"a{chr(0x301) * marks}b"
        assert (printable(name) == name) is (text.printable(name) == name) is (marks <= 3)
