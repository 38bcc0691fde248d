# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ledger_info tells, as Ansible sees it, and that its documentation says the same."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import (
    KINDS,
    AuditEntry,
    FreezeEntry,
    ReportedArchive,
    SessionEntry,
)
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.ledger import Ledger
from ansible_collections.paranoid.backup.plugins.modules import ledger_info
from module_call import call

START = datetime(2026, 11, 1, 3, 0, tzinfo=UTC)
DEFAULTS = {name: spec["default"] for name, spec in ledger_info.ARGUMENTS.items()}


@pytest.fixture
def path(tmp_path: Path) -> str:
    times = iter(START + timedelta(days=day) for day in range(10))
    file = str(tmp_path / "ledger.sqlite")
    archive = ReportedArchive("a" * 64, "web1-1")
    with Ledger.open(file, lambda: next(times)) as ledger:
        ledger.append(SessionEntry("web1", "backup", "1" * 32, "r1", "ok", commits=1, manifests=1, archive=archive))
        ledger.append(SessionEntry("web1", "backup", "2" * 32, "r2", "failed", code="no_archive"))
        ledger.append(SessionEntry("web2", "backup", "3" * 32, "r2", "failed", code="unreachable"))
        ledger.append(AuditEntry("web2", "3" * 32, "alarm", ("9 objects gone",)))
        ledger.append(FreezeEntry("web2", "9 objects gone", "3" * 32))
    return file


def look(path: str, **options: Any) -> dict[str, Any]:
    return ledger_info.read_ledger({**DEFAULTS, "path": path, **options}, START + timedelta(days=10))


def test_head_chain_and_freshness(path: str) -> None:
    told = look(path)
    assert told["chain"] == {"ok": True, "first_bad": None, "problem": "", "checked": 5}
    assert told["head"].startswith("5:")
    assert told["clients"] == [
        {
            "client": "web1",
            "last_session": "2026-11-02T03:00:00+00:00",
            "last_status": "failed",
            "last_success": "2026-11-01T03:00:00+00:00",
            "age": 10 * 86400,
            "frozen": "",
        },
        {
            "client": "web2",
            "last_session": "2026-11-03T03:00:00+00:00",
            "last_status": "failed",
            "last_success": None,
            "age": None,
            "frozen": "9 objects gone",
        },
    ]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [1, 2, 3, 4, 5]),
        ({"client": "web1"}, [1, 2]),
        ({"kind": "session"}, [1, 2, 3]),
        ({"since": "2026-11-03"}, [3, 4, 5]),
        ({"since": "2026-11-03T04:00:00+01:00"}, [3, 4, 5]),
        ({"since": "2026-11-03T03:00:01Z"}, [4, 5]),
        ({"since": "2026-11-02", "kind": "session", "limit": 1}, [3]),
        ({"limit": 0}, []),
    ],
)
def test_entries(path: str, options: dict[str, Any], expected: list[int]) -> None:
    assert [entry["seq"] for entry in look(path, **options)["entries"]] == expected


def test_an_entry_has_its_place_and_its_fields(path: str) -> None:
    entry = look(path, limit=1)["entries"][0]
    place = {"seq": 5, "kind": "freeze", "time": "2026-11-05T03:00:00+00:00", "hash": entry["hash"]}
    assert entry == {"client": "web2", "reason": "9 objects gone", "session": "3" * 32, "alarm": None, **place}
    assert f"5:{entry['hash']}" == look(path)["head"]


def test_one_client_only(path: str) -> None:
    assert [state["client"] for state in look(path, client="web2")["clients"]] == ["web2"]
    assert look(path, client="nobody")["clients"][0]["last_session"] is None


def test_a_broken_chain_is_told_and_is_no_error(path: str) -> None:
    with sqlite3.connect(path) as database:
        trigger = database.execute("SELECT sql FROM sqlite_master WHERE name = 'entries_unchanged'").fetchone()[0]
        database.execute("DROP TRIGGER entries_unchanged")
        database.execute("UPDATE entries SET time = '2026-11-03T03:00:00.000000+00:00' WHERE seq = 4")
        database.execute(trigger)
    chain = look(path)["chain"]
    assert (chain["ok"], chain["first_bad"], chain["problem"]) == (False, 4, "entry 4 was altered")
    assert look(path, verify=False)["chain"] is None


def test_a_known_head_that_is_not_there(path: str) -> None:
    assert look(path, known_head=look(path)["head"])["chain"]["ok"]
    assert look(path, known_head="9:" + "0" * 64)["chain"]["first_bad"] == 9
    assert look(path, known_head="3:" + "0" * 64)["chain"]["first_bad"] == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"since": "yesterday"}, "since is a time"),
        ({"since": "x" * 9999}, "since is a time"),
        ({"known_head": "4711"}, "a head is"),
        ({"limit": -1}, "limit"),
        ({"path": "/nonexistent/ledger.sqlite"}, "there is none yet"),
        ({"path": "/etc/passwd"}, "damaged"),
        ({"kind": "gossip"}, "value of kind must be one of"),
    ],
)
def test_what_is_wrong_is_one_line(
    path: str,
    options: dict[str, Any],
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = call(ledger_info, {"path": path, **options}, capsys, monkeypatch)
    assert told["failed"]
    assert message in told["msg"]
    assert "\n" not in told["msg"]
    assert len(told["msg"]) < 300


def test_the_module_changes_nothing_in_check_mode_either(
    path: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = Path(path).read_bytes()
    for check in (False, True):
        told = call(ledger_info, {"path": path, "_ansible_check_mode": check}, capsys, monkeypatch)
        assert told["changed"] is False
        assert told["chain"]["ok"]
    assert Path(path).read_bytes() == before


def test_documentation_and_arguments_say_the_same(path: str) -> None:
    options = yaml.safe_load(ledger_info.DOCUMENTATION)["options"]
    told = {
        name: {key: option[key] for key in ("type", "default", "choices") if key in option}
        for name, option in options.items()
    }
    assert told == ledger_info.ARGUMENTS
    assert options["kind"]["choices"] == ["", *KINDS]
    returned = yaml.safe_load(ledger_info.RETURN)
    result = look(path)
    assert set(returned) == set(result)
    assert set(returned["chain"]["contains"]) == set(result["chain"])
    assert set(returned["clients"]["contains"]) == set(result["clients"][0])
