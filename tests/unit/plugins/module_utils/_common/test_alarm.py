# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An alarm is data until somebody reads it, and what is read is one line that says what, who and what to do."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._common.alarm import (
    Alarm,
    alarm_from_words,
    alarm_line,
    frozen_line,
    frozen_sentence,
)
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import FreezeEntry, decode, encode
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.results import SessionResult

FOUND = ("3 stored objects were overwritten", "the nonce went back from 9 to 0")
SINCE = "2026-11-20T03:00:12+00:00"


@pytest.mark.parametrize(
    ("alarm", "line", "frozen"),
    [
        (
            Alarm("history", "web1", FOUND),
            f"ALARM: the history of web1 was touched, it is frozen now: {FOUND[0]}; {FOUND[1]}",
            f"web1 is frozen: the history of web1 was touched, it is frozen now: {FOUND[0]}; {FOUND[1]}",
        ),
        (
            Alarm("repository", "web1", FOUND),
            f"ALARM: web1's repository is not as it was left, it is frozen: {FOUND[0]}; {FOUND[1]}",
            f"web1's repository is not as it was left, it is frozen: {FOUND[0]}; {FOUND[1]}",
        ),
        (
            Alarm("content", "web1", FOUND),
            f"ALARM: web1's repository is not whole, it is frozen: {'; '.join(FOUND)}",
            f"web1's repository is not whole, it is frozen: {'; '.join(FOUND)}",
        ),
        (
            Alarm("ledger", "web1", ("the ledger was tampered with",)),
            "ALARM: the ledger was tampered with",
            "web1 is frozen: the ledger was tampered with",
        ),
        (alarm_from_words("web1", "ALARM: as 0.1.0 said"), "ALARM: as 0.1.0 said", "web1 is frozen: as 0.1.0 said"),
        (alarm_from_words("web1", "by hand"), "by hand", "web1 is frozen: by hand"),
    ],
)
def test_the_words_that_people_read(alarm: Alarm, line: str, frozen: str) -> None:
    assert alarm_line(alarm) == line
    assert frozen_sentence(alarm) == frozen
    refused = f"web1 is frozen since today: look, roll back or not, then unfreeze it ({line})"
    assert frozen_line(alarm, "today") == refused


def test_a_line_is_one_line_and_short() -> None:
    alarm = Alarm("history", "web1", tuple(f"object {number} is\ngone" for number in range(999)))
    for line in (alarm_line(alarm), frozen_line(alarm, SINCE)):
        assert len(line) <= 500 and line.isprintable()
        assert "object 0 is" in line


def test_ledger_and_result_carry_it_as_it_is() -> None:
    alarm = Alarm("history", "web1", FOUND, SINCE)
    entry = FreezeEntry("web1", session="1" * 32, alarm=alarm)
    assert decode(*encode(entry)) == entry
    told = json.loads(json.dumps({"alarm": alarm.to_dict(), "frozen": alarm.to_dict()}))
    session = SessionResult.from_dict(told)
    assert (session.alarm, session.frozen) == (alarm, alarm)


@pytest.mark.parametrize("raw", [None, "", 5, [], {}, {"findings": "x"}, {"kind": "history"}])
def test_what_is_no_alarm_is_none(raw: Any) -> None:
    assert SessionResult.from_dict({"frozen": raw}).frozen is None


def test_a_hostile_alarm_is_bounded_and_one_of_0_1_0_keeps_its_words() -> None:
    raw = {"kind": "x" * 999, "client": "\x1b[2J" * 999, "findings": ["a\nb" * 999, 5] * 99, "since": "<b>"}
    alarm = SessionResult.from_dict({"alarm": raw}).alarm
    assert alarm is not None
    assert (alarm.kind, alarm.since, len(alarm.findings)) == ("words", "", 10)
    assert all(text.isprintable() and len(text) <= 500 for text in (alarm.client, *alarm.findings))
    assert SessionResult.from_dict({"frozen": "ALARM: gone"}).frozen == Alarm("words", "", ("ALARM: gone",))
