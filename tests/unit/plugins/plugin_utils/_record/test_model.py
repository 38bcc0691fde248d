# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of a run: made of anything, written, read, counted."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.model import Client, Run, State, valid_run_id
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.results import Session
from hypothesis import given
from hypothesis import strategies as st
from report_samples import ANYTHING

KEYS = st.sampled_from(
    ["status", "code", "reason", "archive", "gate", "audit", "log_tail", "duration", "nfiles", "verdict"]
)


@given(st.dictionaries(KEYS, ANYTHING | st.dictionaries(KEYS, ANYTHING)))
def test_any_result_becomes_a_record_that_can_be_written(raw: dict[str, Any]) -> None:
    client = Client("web01", State.FAILED, Session.from_dict(raw))
    run = replace(Run.from_dict({}), clients=(client,))
    written = json.dumps(run.to_dict(), ensure_ascii=False).encode()
    assert Run.from_dict(json.loads(written)) == run


@given(st.dictionaries(st.sampled_from(["run_id", "clients", "mail", "problems", "check", "started"]), ANYTHING))
def test_any_record_can_be_read(raw: dict[str, Any]) -> None:
    Run.from_dict(raw)


def test_a_record_survives_the_disk(bad_run: Run) -> None:
    assert Run.from_dict(json.loads(json.dumps(bad_run.to_dict()))) == bad_run


def test_a_result_of_ten_megabytes_stays_small() -> None:
    huge = {"reason": "x" * 10_000_000, "log_tail": ["y" * 1_000_000] * 10, "archive": {"name": "z" * 1_000_000}}
    run = replace(Run.from_dict({}), clients=(Client("web01", State.FAILED, Session.from_dict(huge)),))
    assert len(json.dumps(run.to_dict())) < 10_000


def test_an_unreadable_verdict_is_an_alarm() -> None:
    for audit in ({}, {"verdict": "fine"}, {"verdict": None, "findings": 3}, "clean", 5):
        assert Client("web01", State.OK, Session.from_dict({"audit": audit})).alarm


def test_an_unknown_state_is_a_failure() -> None:
    assert Client.from_dict({"name": "web01", "state": "splendid"}).failed


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


@pytest.mark.parametrize("text", ["", ".", "..", "a/b", "-a", "a b", "a\n", "é", "x" * 65])
def test_no_run_id(text: str) -> None:
    assert not valid_run_id(text)
    assert valid_run_id("20261121T063000Z-1a2b3c4d")
