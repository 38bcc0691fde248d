# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of a run: made of anything, written, counted."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from ansible_collections.paranoid.backup.plugins.plugin_utils._record.model import Client, Mail, MailState, Run, State
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.results import SessionResult
from hypothesis import given
from hypothesis import strategies as st
from report_samples import ANYTHING

KEYS = st.sampled_from(
    ["status", "code", "reason", "archive", "gate", "audit", "log_tail", "duration", "nfiles", "verdict"]
)

EMPTY = Run("r1", "backup", "ctl", "root", "backup.yml", False, "", "", Mail(MailState.NONE))


@given(st.dictionaries(KEYS, ANYTHING | st.dictionaries(KEYS, ANYTHING)))
def test_any_result_becomes_a_record_that_can_be_written(raw: dict[str, Any]) -> None:
    session = SessionResult.from_dict(raw)
    run = replace(EMPTY, clients=(Client("web01", State.FAILED, session),))
    written = json.dumps(run.to_dict(), ensure_ascii=False).encode()
    (client,) = json.loads(written)["clients"]
    assert SessionResult.from_dict(client["session"]) == session


def test_a_result_of_ten_megabytes_stays_small() -> None:
    huge = {"reason": "x" * 10_000_000, "log_tail": ["y" * 1_000_000] * 10, "archive": {"name": "z" * 1_000_000}}
    run = replace(EMPTY, clients=(Client("web01", State.FAILED, SessionResult.from_dict(huge)),))
    assert len(json.dumps(run.to_dict())) < 10_000


def test_an_unreadable_verdict_is_an_alarm() -> None:
    for audit in ({}, {"verdict": "fine"}, {"verdict": None, "findings": 3}, "clean", 5):
        assert Client("web01", State.OK, SessionResult.from_dict({"audit": audit})).has_alarm


def test_the_tally_adds_up(bad_run: Run) -> None:
    tally = bad_run.tally
    assert (tally.total, tally.succeeded, tally.failed, tally.skipped, tally.not_run) == (8, 2, 4, 2, 1)
    assert tally.succeeded + tally.failed + tally.skipped == tally.total


def test_status(run: Run) -> None:
    assert run.status == "SUCCESS"
    assert replace(run, clients=(*run.clients, Client("off", State.SKIPPED))).status == "SUCCESS"
    for state in (State.FAILED, State.UNREACHABLE, State.RUNNING, State.PLANNED):
        assert replace(run, clients=(*run.clients, Client("x", state))).status == "FAILURE"
    assert replace(run, clients=()).status == "FAILURE"
    assert replace(run, problems=("x",)).status == "FAILURE"
    assert replace(run, finished="").status == "FAILURE"
    assert replace(run, finished="").to_dict()["status"] == "RUNNING"
