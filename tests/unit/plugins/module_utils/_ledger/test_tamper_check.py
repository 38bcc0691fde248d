# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whoever changes the ledger past its triggers is noticed: at once at its end, within a day in its middle."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import FreezeEntry
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.ledger import NAME, Ledger
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.schema import STATEMENTS
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.tamper_check import chain_problem

NOW = datetime(2026, 11, 21, 6, tzinfo=UTC)
LATER = NOW + timedelta(days=1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A ledger of five entries that was looked at."""
    path = tmp_path / NAME
    with Ledger.open(str(path)) as ledger:
        for number in range(5):
            ledger.append(FreezeEntry("web1", f"reason {number}"))
        assert chain_problem(ledger, NOW) == ""
    return path


@pytest.fixture
def ledger(path: Path) -> Iterator[Ledger]:
    with Ledger.open(str(path)) as opened:
        yield opened


def tamper(path: Path, *statements: str) -> None:
    """Do what root can do, and leave the triggers as they were."""
    triggers = [statement for statement in STATEMENTS if "TRIGGER" in statement]
    with closing(sqlite3.connect(path)) as connection:
        for trigger in triggers:
            connection.execute(f"DROP TRIGGER {trigger.split()[2]}")
        for statement in (*statements, *triggers):
            connection.execute(statement)
        connection.commit()


def test_what_grows_is_whole(ledger: Ledger) -> None:
    for hours in (1, 2, 30, 31):
        ledger.append(FreezeEntry("web2", "more"))
        assert chain_problem(ledger, NOW + timedelta(hours=hours)) == ""


@pytest.mark.parametrize("now", [LATER, NOW - timedelta(hours=1)], ids=["a day later", "a clock that went back"])
def test_the_whole_chain_is_read_once_a_day(path: Path, ledger: Ledger, now: datetime) -> None:
    tamper(path, "UPDATE entries SET body = replace(body, 'reason 1', 'nothing') WHERE seq = 2")
    assert chain_problem(ledger, NOW + timedelta(hours=1)) == "", "that nobody reads now"
    assert "entry 2 was altered" in chain_problem(ledger, now)
    assert "entry 2 was altered" in chain_problem(ledger, now), "and it stays so"


def test_a_day_begins_when_all_of_it_was_read(path: Path, ledger: Ledger) -> None:
    assert chain_problem(ledger, LATER) == ""
    tamper(path, "UPDATE entries SET body = replace(body, 'reason 1', 'nothing') WHERE seq = 2")
    assert chain_problem(ledger, LATER + timedelta(hours=23)) == "", "that nobody reads once more"
    assert "entry 2 was altered" in chain_problem(ledger, LATER + timedelta(days=1))


def test_a_ledger_that_was_cut_off_is_noticed_at_once(path: Path, ledger: Ledger) -> None:
    tamper(path, "DELETE FROM entries WHERE seq = 5")
    assert "entry 5 is missing: the ledger was cut off at 4" in chain_problem(ledger, NOW)
    ledger.append(FreezeEntry("web1", "another one"))
    assert "entry 5 is not the one that was noted" in chain_problem(ledger, NOW)


def test_a_new_ledger_in_its_place_is_noticed_at_once(path: Path) -> None:
    path.unlink()
    with Ledger.open(str(path)) as fresh:
        assert "was cut off at 0" in chain_problem(fresh, NOW)
        Path(f"{path}.head").unlink()  # A person says that it is right.
        assert chain_problem(fresh, NOW) == ""


def test_triggers_that_are_gone_are_noticed_at_once(path: Path, ledger: Ledger) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TRIGGER entries_stay")
    assert "its tables or triggers were altered" in chain_problem(ledger, NOW)


@pytest.mark.parametrize("content", ["", "{}", '{"head": "5", "whole": "2026-11-21"}', "[]"])
def test_a_note_that_cannot_be_read_is_no_excuse(path: Path, ledger: Ledger, content: str) -> None:
    Path(f"{path}.head").write_text(content)
    assert "sqlite.head cannot be read" in chain_problem(ledger, NOW)
