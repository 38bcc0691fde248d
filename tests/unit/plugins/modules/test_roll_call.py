# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What roll_call says of a server's clients, and that what it cannot read is said and not raised."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import ReportedArchive, SessionEntry
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.ledger import Ledger
from ansible_collections.paranoid.backup.plugins.modules import roll_call
from module_call import call
from tool import ROOT

START = datetime.now(UTC) - timedelta(days=3)
FORMATS = ROOT / "tests/fixtures/formats/0.1.0/server"


@pytest.fixture
def config_dir(tmp_path: Path) -> Path:
    """A server with two clients, of which one was backed up three days ago."""
    server = json.loads((FORMATS / "server.json").read_text()) | {"state_dir": str(tmp_path)}
    client = json.loads((FORMATS / "clients/web1.json").read_text())
    (tmp_path / "clients").mkdir()
    (tmp_path / "server.json").write_text(json.dumps(server))
    for name, host in (("web1", "192.0.2.7"), ("db1", "db1")):
        (tmp_path / f"clients/{name}.json").write_text(
            json.dumps({**client, "client": name, "host": host, "listed": name})
        )
    with Ledger.open(str(tmp_path / "ledger.sqlite"), lambda: START) as ledger:
        archive = ReportedArchive("a" * 64, "web1-1")
        ledger.append(SessionEntry("web1", "backup", "1" * 32, "r1", "ok", commits=1, manifests=1, archive=archive))
        ledger.append(SessionEntry("gone", "backup", "2" * 32, "r1", "failed"))
    return tmp_path


Ask = Callable[..., dict[str, Any]]


@pytest.fixture
def ask(config_dir: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Ask:
    return lambda **options: call(roll_call, {"config_dir": str(config_dir), **options}, capsys, monkeypatch)


def test_provisioned_clients_and_their_ages(ask: Ask) -> None:
    hosts = {"web1.example.org": {"client": "web1", "address": "192.0.2.7"}}
    result = ask(hosts=hosts)
    db1, web1 = result["clients"]
    assert db1 == {"client": "db1", "host": "db1", "listed": "db1", "last_success": None, "age": None}
    assert (web1["client"], web1["host"], web1["last_success"]) == ("web1", "192.0.2.7", START.isoformat())
    age = (datetime.now(UTC) - START).total_seconds()  # These tests may have been collected an hour ago.
    assert 3 * 86400 <= web1["age"] <= age < web1["age"] + 60
    assert (result["hosts"], result["problem"], result["changed"]) == (hosts, "", False)


def test_a_broken_record_does_not_hide_its_client(config_dir: Path, ask: Ask) -> None:
    (config_dir / "clients/db1.json").write_text("{")
    assert [one["host"] for one in ask()["clients"]] == ["", "192.0.2.7"]


def test_what_cannot_be_read_is_said(config_dir: Path, ask: Ask) -> None:
    (config_dir / "ledger.sqlite").write_text("no ledger at all, but a text of more than a hundred bytes" * 4)
    result = ask()
    assert (result["clients"], "ledger" in result["problem"]) == ([], True)
    (config_dir / "server.json").unlink()
    assert "not a provisioned server" in ask()["problem"]
