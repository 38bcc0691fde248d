# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a client is, and why: what is not known is not good."""

from __future__ import annotations

import json
import random
from datetime import timedelta
from pathlib import Path

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._config.server import load_server
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import SessionEntry
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.ledger import NAME, Ledger
from ansible_collections.paranoid.backup.plugins.module_utils._page.facts import ClientFacts, Fleet, Health, latest_age
from ansible_collections.paranoid.backup.plugins.module_utils._page.gathering import UNREADABLE, source
from page_world import GIB, HOSTS, NOW, Host, make_server, make_session


def gather(directory: Path) -> Fleet:
    with source(str(directory), load_server(str(directory)), NOW) as facts:
        return facts.fleet()


def judge(directory: Path, host: Host, *later: SessionEntry) -> ClientFacts:
    """Return the facts of one client, to whose nights a few sessions are added."""
    make_server(directory, (host,), days=3)
    with Ledger.open(str(directory / "state" / NAME), lambda: NOW) as ledger:
        for entry in later:
            ledger.append(entry)
    (found,) = gather(directory).clients
    return found


def end(verb: str, status: str, reason: str = "") -> SessionEntry:
    return SessionEntry("web1", verb, "5" * 32, "r9", status, reason=reason)


@pytest.mark.parametrize(
    ("host", "later", "health", "reason"),
    [
        (Host("web1", 3, 1), [], Health.GOOD, ""),
        (Host("web1", 3, 1, fails=frozenset({0}), reason="no route"), [], Health.FAILED, "no route"),
        (Host("web1", 3, 1), [end("backup", "failed", "late")], Health.FAILED, "late"),
        (Host("web1", 3, 1), [end("backup", "failed")], Health.FAILED, "it failed"),
        # What comes later and is no backup makes a failed one no better, and a good one no worse.
        (Host("web1", 3, 1), [end("backup", "failed", "late"), end("info", "ok")], Health.FAILED, "late"),
        (Host("web1", 3, 1), [end("info", "failed", "x"), end("maintain", "ok")], Health.GOOD, ""),
        (Host("web1", 3, 1), [end("backup", "skipped", "its owner switched it off")], Health.GOOD, ""),
        (Host("web1", 3, 1, until=1), [], Health.GOOD, ""),
        (Host("web1", 3, 1, until=2), [], Health.LATE, "the last good backup is 2 d 06 h old"),
        (Host("web1", 3, 1, until=2), [end("info", "ok")], Health.LATE, "the last good backup is 2 d 06 h old"),
        (
            Host("web1", 3, 1, until=2),
            [end("backup", "skipped", "off")],
            Health.LATE,
            "the last good backup is 2 d 06 h old: off",
        ),
        (Host("web1", 3, 1, since=-1), [], Health.NEVER, "there was no backup yet"),
        (Host("web1", 3, 1, since=-1), [end("create", "ok")], Health.NEVER, "there was no backup yet"),
        (Host("web1", 3, 1, since=-1), [end("backup", "failed", "full")], Health.NEVER, "full"),
        (
            Host("web1", 3, 1, frozen=True),
            [],
            Health.FROZEN,
            "the history of web1 was touched, it is frozen now: 2 archives that arrived are not in the repository "
            "any more",
        ),
    ],
)
def test_health(tmp_path: Path, host: Host, later: list[SessionEntry], health: Health, reason: str) -> None:
    found = judge(tmp_path, host, *later)
    assert (found.health, found.reason) == (health, reason)


def test_a_backup_that_is_yet_to_come_is_no_good_one(tmp_path: Path) -> None:
    """The server's clock was a year ahead when it came, and nothing has come since."""
    host = Host("web1", 3, 1)
    make_server(tmp_path, (host,), days=3)
    for days, health in ((0.9, Health.GOOD), (366, Health.LATE)):
        clock = iter([NOW + timedelta(days=days)])
        with Ledger.open(str(tmp_path / "state" / NAME), clock.__next__) as ledger:
            ledger.append(make_session(host, 0, NOW + timedelta(days=days), random.Random(days)))
        (found,) = gather(tmp_path).clients
        assert found.health is health, found.reason
    assert "came at 2027-11-27 07:30 UTC, which is yet to come" in found.reason


def test_numbers_of_a_fleet(tmp_path: Path) -> None:
    fleet = gather(make_server(tmp_path, days=40))
    names = [client.name for client in fleet.clients]
    assert names[:4] == ["mail", "new1", "db2", "monitoring"]
    assert names[4:] == sorted(names[4:])
    assert fleet.counts == {"frozen": 1, "never": 1, "late": 2, "failed": 0, "noted": 0, "good": 8}
    (db1,) = (client for client in fleet.clients if client.name == "db1")
    assert db1.disk.quota == 800 * GIB
    assert db1.disk.held == int(3.1 * 8 * GIB)
    assert db1.share == pytest.approx((214 * 0.6 + 3.1 * 60) / 800)
    assert fleet.used == sum(int((host.size * 0.6 + host.fresh * 60) * GIB) for host in HOSTS)
    today = [
        client.added for client in fleet.clients if client.last_good and NOW - client.last_good < timedelta(days=1)
    ]
    assert fleet.added == sum(added or 0 for added in today) > 0
    assert len(fleet.totals) == 41
    assert len(db1.days) == 30


def test_what_cannot_be_read_is_unknown_and_hides_nobody(tmp_path: Path) -> None:
    make_server(tmp_path, HOSTS[:3], days=3)
    (tmp_path / "state/db1/baseline.json").write_text("{")
    (tmp_path / "clients/files.json").write_text("{")
    found = {client.name: client for client in gather(tmp_path).clients}
    assert found["db1"].disk.used is None
    assert found["files"].disk.quota is None
    assert found["files"].health is Health.NOTED
    assert found["files"].notes == (UNREADABLE,)
    assert len(found) == 3


def test_a_client_that_is_gone_is_gone(tmp_path: Path) -> None:
    make_server(tmp_path, HOSTS[:3], days=3)
    (tmp_path / "clients/db1.json").unlink()
    assert "db1" not in {client.name for client in gather(tmp_path).clients}


@pytest.mark.parametrize(
    ("schedule", "hours"),
    [
        (None, 36),
        ({}, 36),
        ({"every": "6h"}, 18),
        ({"every": "2 w"}, 348),
        ({"every": "8760h"}, 8772),
        ({"every": "1d", "days": []}, 36),
        ({"every": "1d", "days": ["mon", "tue", "wed", "thu", "fri"]}, 84),
        ({"every": "1d", "days": ["sun"]}, 180),
        ({"every": "2w", "days": ["mon", "thu"]}, 348),
        ({"every": "often", "days": "mon"}, 36),
        ({"every": 5, "days": ["Monday", 7, None]}, 180),
    ],
)
def test_a_client_is_late_by_its_own_schedule(schedule: dict[str, object] | None, hours: int) -> None:
    assert latest_age(schedule) == timedelta(hours=hours)


def test_the_schedule_of_its_configuration_counts(tmp_path: Path) -> None:
    make_server(tmp_path, (Host("web1", 3, 1, until=2),), days=3)
    path = tmp_path / "clients/web1.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schedule": {"every": "1w"}}))
    (found,) = gather(tmp_path).clients
    assert found.health is Health.GOOD
