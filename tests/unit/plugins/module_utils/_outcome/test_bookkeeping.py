# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the ledger keeps of a session, and what the outcome learns from it."""

from __future__ import annotations

import platform
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._common.alarm import Alarm
from ansible_collections.paranoid.backup.plugins.module_utils._config.site import Site
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import FreezeEntry, UnfreezeEntry
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.ledger import NAME, Ledger
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.bookkeeping import record_session
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.outcome import Conclusion, Outcome
from made_site import make_site

BACKUP = Outcome("web1", "backup", "1" * 32, "r1", Conclusion("ok"), "s", "f", 1.5, True)
FOUND = {"verdict": "alarm", "findings": ["12 objects gone"]}
ALARM = replace(BACKUP, conclusion=Conclusion("failed", "alarm", "ALARM: 12 objects gone"), audit=FOUND)


@pytest.fixture
def server(tmp_path: Path) -> Any:
    made = make_site(tmp_path)
    with Ledger.open(f"{made.server.state_dir}/{NAME}"):
        return SimpleNamespace(state_dir=made.server.state_dir, place=tmp_path)


def site(server: Any) -> Site:
    return make_site(server.place)


def kinds(server: Any) -> list[str]:
    with Ledger.read(f"{server.state_dir}/{NAME}") as ledger:
        return [record.kind for record in ledger.entries()]


def test_a_session_is_one_entry_and_its_outcome_tells_where_the_ledger_stands(server: Any) -> None:
    outcome = record_session(site(server), BACKUP)
    assert kinds(server) == ["session"]
    with Ledger.read(f"{server.state_dir}/{NAME}") as ledger:
        head = str(ledger.head())
    assert head.startswith("1:")
    assert outcome == replace(BACKUP, ledger={"host": platform.node(), "head": head, "spare": ""})


def test_an_alarm_freezes_once_and_backups_say_so_until_it_is_lifted(server: Any) -> None:
    frozen = record_session(site(server), ALARM).frozen
    assert frozen and frozen.since.startswith("20")
    assert replace(frozen, since="") == Alarm("history", "web1", ("12 objects gone",))
    later = record_session(site(server), BACKUP)
    assert (later.conclusion.status, later.frozen) == ("ok", frozen)
    record_session(site(server), ALARM)
    assert kinds(server).count("freeze") == 1
    with Ledger.open(f"{server.state_dir}/{NAME}") as ledger:
        ledger.append(UnfreezeEntry("web1", "looked", "alice"))
    assert record_session(site(server), BACKUP).frozen is None


def test_another_clients_freeze_is_not_ours(server: Any) -> None:
    with Ledger.open(f"{server.state_dir}/{NAME}") as ledger:
        ledger.append(FreezeEntry("web2", "gone", ""))
    assert record_session(site(server), BACKUP).frozen is None


def test_a_repository_begins_before_the_session_that_made_it(server: Any) -> None:
    made = replace(BACKUP, verb="create", repository="ab" * 32)
    record_session(site(server), made)
    assert kinds(server) == ["repository", "session"]
    record_session(site(server), replace(made, conclusion=Conclusion("failed", "alarm", "why")))
    assert kinds(server) == ["repository", "session", "session"]


@pytest.mark.parametrize(
    ("verdict", "code", "reason"),
    [
        (Conclusion("ok"), "server_error", "not recorded: "),
        (Conclusion("failed", "quota", "full"), "quota", "full; not rec"),
    ],
)
def test_what_the_ledger_does_not_take_is_a_failure(server: Any, verdict: Conclusion, code: str, reason: str) -> None:
    Path(server.state_dir, NAME).write_bytes(b"not a database" * 100)
    outcome = record_session(site(server), replace(BACKUP, conclusion=verdict))
    assert (outcome.conclusion.status, outcome.conclusion.code) == ("failed", code)
    assert outcome.conclusion.reason.startswith(reason)


def test_what_cannot_be_saved_beside_the_repositories_is_told_and_fails_no_backup(server: Any) -> None:
    (server.place / "srv/.server").write_text("in the way")
    outcome = record_session(site(server), BACKUP)
    assert outcome.conclusion.status == "ok" and outcome.ledger is not None
    assert "srv/.server is not there yet and cannot be written" in outcome.ledger["spare"]


def test_a_ledger_that_was_tampered_with_does_not_reach_its_copy(server: Any) -> None:
    record_session(site(server), BACKUP)
    copy = server.place / "srv/.server" / NAME
    before = copy.read_bytes()
    Path(server.state_dir, NAME).unlink()
    assert record_session(site(server), BACKUP).conclusion.code == "alarm"
    assert copy.read_bytes() == before
