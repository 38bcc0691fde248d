# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of verbs, read as what it promises."""

from __future__ import annotations

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.outcome import GateSummary
from ansible_collections.paranoid.backup.plugins.module_utils._session.evidence import Evidence
from ansible_collections.paranoid.backup.plugins.module_utils._session.protocol import Result
from ansible_collections.paranoid.backup.plugins.module_utils._session.verbs import LOOK, VERBS
from ansible_collections.paranoid.backup.plugins.module_utils._session.verdict import Performer, decide

HOST = Performer("web1", "web1", "192.0.2.7", 22)
REFUSED = GateSummary(connections=1, commits=1, manifests=1, refused=("delete of an old object",))
SAID_OK = Evidence(hello=True, result=Result(True, "", {"name": "a"}, None, None, {}), gate=REFUSED, ssh_code=0)


@pytest.mark.parametrize("verb", ["create", "backup", "maintain"])
def test_a_client_that_says_ok_after_a_refusal_did_not_succeed(verb: str) -> None:
    conclusion = decide(VERBS[verb], HOST, SAID_OK)
    assert (conclusion.status, conclusion.code) == ("failed", "refused")


@pytest.mark.parametrize("verb", ["info", "open"])
def test_who_may_only_read_may_be_refused(verb: str) -> None:
    assert decide(VERBS[verb], HOST, SAID_OK).status == "ok"


def test_what_only_one_verb_may() -> None:
    rows = VERBS.values()
    assert [row.name for row in rows if row.keyholder_may] == ["maintain"]
    assert [row.name for row in rows if row.trims] == ["maintain"]
    assert [row.name for row in rows if row.brings_archive] == ["backup"]
    assert [row.name for row in rows if row.makes_repository] == ["create"]
    assert [row.name for row in rows if row.stays_open] == ["open"]


def test_who_writes_has_one_connection_at_a_time_and_who_looks_writes_nothing() -> None:
    assert {row.at_once for row in VERBS.values() if row.changes} == {1}
    assert not LOOK.changes
