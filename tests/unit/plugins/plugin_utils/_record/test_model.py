# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of a run: made of anything, written, counted."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Any

import pytest
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.model import (
    Client,
    Mail,
    MailState,
    NoticeState,
    Run,
    SentNotice,
    State,
)
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


@pytest.mark.parametrize(
    ("state", "is_told", "is_away"),
    [
        (MailState.NONE, True, False),
        (MailState.PENDING, False, False),
        (MailState.QUEUED, True, True),
        (MailState.SENT, True, True),
        (MailState.FAILED, False, False),
        (MailState.LATER, False, False),
    ],
)
def test_what_is_left_to_be_sent(run: Run, state: MailState, is_told: bool, is_away: bool) -> None:
    """A mail that was never wanted has gone to nobody, and nothing of it is left."""
    mail = Mail(state)
    assert (mail.is_told, mail.is_away) == (is_told, is_away)
    for notice, is_left in ((NoticeState.SENT, False), (NoticeState.WAITING, False), (NoticeState.FAILED, True)):
        notices = (SentNotice("chat", NoticeState.SENT), SentNotice("hook", notice))
        assert replace(run, mail=mail, notices=notices).is_told is (is_told and not is_left)


LONG = "x" * 5000
MANY = [LONG] * 3000


def bounds(value: Any) -> Any:
    """Return how long each text is, and how many there are in a list."""
    if isinstance(value, dict):
        return {key: bounds(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        (first, *_others) = value
        return len(value), bounds(first)
    return len(value) if isinstance(value, str) else value


def test_whatever_a_client_sends_is_cut_where_it_is_read() -> None:
    """3,000 results lie in one record: each text has its bound, and each list."""
    pairs = [{"id": LONG, "name": LONG}] * 3000
    maintain = {"deleted": pairs, "missing": pairs, "unknown": pairs, "waiting": LONG, "by": LONG, "named": 3}
    names = {"drop": [{"id": "9" * 64, "name": LONG}]}
    told = {
        **dict.fromkeys(("session", "reason", "log"), LONG),
        **dict.fromkeys(("log_tail", "rebuilt"), MANY),
        "archive": {"name": LONG, "id": LONG},
        "gate": {"refused": MANY},
        "audit": {"verdict": "alarm", "findings": MANY},
        "maintain": {**maintain, "plan": names},
        "compaction": {"waiting": LONG},
        "ledger": {"host": LONG, "head": f"7:{'a' * 64}", "spare": LONG, "witnesses": [{"name": LONG}] * 3000},
        "clock": {"doubt": LONG},
        "alarm": {"kind": "history", "client": LONG, "findings": MANY},
        "remarks": {"changed": {"count": 1, "accepted": 9, "paths": MANY}},
        "sources": {"refused": MANY},
        "owner": {"off": LONG, "request": {"why": LONG}, "sources": MANY, "hooks": MANY, "skipped": MANY},
        "content": {"shrunk": LONG},
        "unusual": {"signals": [{"name": LONG}] * 3000, "expected": LONG},
        "versions": {"borg": LONG},
    }
    found = asdict(SessionResult.from_dict(told))
    archive = {"id": 64, "name": 200}
    assert {key: bounds(found[key]) for key in ("session", "reason", "log", "log_tail", "rebuilt", "clock")} == {
        "session": 32, "reason": 500, "log": 300, "log_tail": (20, 300), "rebuilt": (20, 500), "clock": 300,
    }  # fmt: skip
    assert {key: bounds(found["archive"][key]) for key in archive} == archive
    assert bounds(found["gate"]["refused"]) == bounds(found["audit"]["findings"]) == (20, 300)
    kept = {key: bounds(found["maintain"][key]) for key in ("deleted", "missing", "unknown", "waiting", "by")}
    assert kept == {
        "deleted": (1500, archive), "missing": (1000, archive), "unknown": (100, archive), "waiting": 300, "by": 64,
    }  # fmt: skip
    assert bounds(found["compaction"]["waiting"]) == 300 and found["remarks"]["changed"]["accepted"] == 1
    ledger = {key: bounds(found["ledger"][key]) for key in ("host", "spare")}
    assert ledger == {"host": 64, "spare": 500} and len(found["ledger"]["witnesses"]) == 20
    assert len(found["ledger"]["witnesses"][0]["name"]) == 32
    assert bounds(found["alarm"]["findings"]) == (20, 500) and len(found["alarm"]["client"]) == 200
    assert bounds(found["remarks"]["changed"]["paths"]) == (10, 200)
    assert bounds(found["sources"]["refused"]) == (20, 400)
    owner = found["owner"]
    assert (len(owner["off"]), len(owner["why"])) == (300, 300)
    assert {key: bounds(owner[key]) for key in ("sources", "hooks", "skipped")} == dict.fromkeys(
        ("sources", "hooks", "skipped"), (20, 150)
    )
    assert len(found["content"]["shrunk"]) == 200 and len(found["versions"]["borg"]) == 40
    assert len(found["unusual"]["signals"]) == 20 and len(found["unusual"]["expected"]) == 10
