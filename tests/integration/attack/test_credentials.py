# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What somebody with all of a client's credentials tries: dates that lie, an older repository, messages without end."""

from __future__ import annotations

import json
import shutil
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._audit.incremental import audit, rebase
from ansible_collections.paranoid.backup.plugins.module_utils._audit.verdict import Budget
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import ReportedArchive, SessionEntry
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.ledger import Ledger
from ansible_collections.paranoid.backup.plugins.module_utils._retention.rules import parse_rules, plan
from ansible_collections.paranoid.backup.plugins.module_utils._retention.trim_plan import TrimPlan
from ansible_collections.paranoid.backup.plugins.module_utils._session.evidence import Evidence
from ansible_collections.paranoid.backup.plugins.module_utils._session.protocol import Result
from ansible_collections.paranoid.backup.plugins.module_utils._session.trim_result import TrimResult
from history import assert_history_stays
from hostile import Closed, Refusal
from real import Borg, Gate

FIRST_NIGHT = datetime(2026, 3, 1, 2, tzinfo=UTC)
LIES = (
    "1970-01-02T00:00:00",
    "2001-01-01T00:00:00",
    "2026-03-02T01:00:00",
    "2037-12-31T23:59:59",
    "2999-01-01T00:00:00",
)


def listed(borg: Borg) -> dict[str, dict[str, Any]]:
    """All archives by name, as Borg lists them."""
    content = json.loads(borg.local("list", "--json").stdout)
    return {archive["name"]: archive for archive in content["archives"]}


def lie(borg: Borg, name: str, time: str) -> None:
    """Make an empty archive with this date."""
    (borg.home / "empty").mkdir(exist_ok=True)
    done = borg.run("append", "create", "--timestamp", time, f"::{name}", "empty")
    assert done.returncode == 0, done.stderr


def arrivals(path: Path, nights: list[dict[str, Any]]) -> Ledger:
    """A real ledger in which one archive a night arrived."""
    clock = iter(FIRST_NIGHT + timedelta(days=night) for night in range(len(nights)))
    ledger = Ledger.open(str(path / "ledger.sqlite"), clock=lambda: next(clock))
    for number, archive in enumerate(nights):
        came = ReportedArchive(archive["id"], archive["name"], start=archive["start"], end=archive["start"])
        identity = f"{number:032x}"
        ledger.append(
            SessionEntry("web1", "backup", identity, "run", "ok", commits=1, manifests=1, archive=came, audit="clean")
        )
    return ledger


@pytest.mark.parametrize("time", LIES)
def test_a_date_that_lies_drops_no_real_archive(borg: Borg, tmp_path: Path, time: str) -> None:
    """The last session's archive is empty and dated; two real ones came the nights before, three are kept."""
    baseline = audit(str(borg.repository), None, "append")[1]
    lie(borg, "empty", time)
    assert audit(str(borg.repository), baseline, "append")[0].verdict == "clean"
    found = listed(borg)
    assert found["empty"]["start"].startswith(time[:4])
    with arrivals(tmp_path, [found["one"], found["two"], found["empty"]]) as ledger:
        known = ledger.history("web1").archives
    decided = plan(known, parse_rules({"daily": 3}), FIRST_NIGHT + timedelta(days=3), UTC)
    assert [found[name]["id"] for name in ("empty", "two", "one")] == list(decided.keep)
    assert decided.drop == ()
    decided = plan(known, parse_rules({"daily": 2}), FIRST_NIGHT + timedelta(days=3), UTC)
    assert [archive.name for archive in decided.drop] == ["one"], "by arrival, whatever the archive says of itself"
    assert_history_stays(borg)


def test_archives_that_nobody_saw_arrive_count_for_nothing(borg: Borg, tmp_path: Path) -> None:
    """A session brings five more archives than it tells of: no rule sees them, a person does."""
    for number, time in enumerate(LIES):
        lie(borg, f"more{number}", time)
    found = listed(borg)
    assert len(found) == 7
    with arrivals(tmp_path, [found["one"], found["two"]]) as ledger:
        known = ledger.history("web1").archives
    decided = plan(known, parse_rules({"daily": 2}), FIRST_NIGHT + timedelta(days=9), UTC)
    assert set(decided.keep) == {archive.id for archive in known}
    assert decided.drop == ()
    everything = [{"id": archive["id"], "name": name} for name, archive in found.items()]
    answer = Result(True, "", None, None, {"unknown": everything, "check": "ok"}, {})
    asked = TrimPlan(tuple(known), decided.keep, decided.drop, frozenset(), Budget(), 0)
    shown = TrimResult.of(asked, Evidence(result=answer)).to_dict()
    assert [archive["name"] for archive in shown["unknown"]] == [f"more{number}" for number in range(5)]
    assert_history_stays(borg)


def test_an_older_copy_of_the_repository_is_an_alarm(borg: Borg, tmp_path: Path) -> None:
    older = tmp_path / "older"
    shutil.copytree(borg.repository, older)
    assert borg.run("append", "create", "::three", "tree").returncode == 0
    baseline = audit(str(borg.repository), None, "append")[1]
    assert baseline is not None
    shutil.rmtree(borg.repository)
    older.rename(borg.repository)
    for policy in ("read", "append", "trim"):
        verdict, _ = audit(str(borg.repository), baseline, policy)
        assert verdict.verdict == "alarm"
        assert any("older segments" in finding for finding in verdict.findings), verdict.findings
    assert rebase(str(borg.repository), baseline)[0].verdict == "alarm"
    done = borg.run("append", "create", "::four", "tree")
    assert done.returncode == 64, "stock Borg refuses as well: it has seen a newer manifest"
    assert audit(str(borg.repository), baseline, "append")[0].verdict == "alarm", "and the alarm stays"


def test_a_message_of_2_gb_is_hung_up_on_after_the_largest_there_is(borg: Borg) -> None:
    gate = Gate("append", borg.repository)
    gate.client.hello()
    for kind in (b"\xc6", b"\xdb"):  # bin 32 and str 32
        head = (
            b"\x83\xa1i\x01\xa1m\xa3put\xa1a\x82\xa2id\xc4\x20" + bytes(32) + b"\xa4data" + kind + b"\x7f\xff\xff\xff"
        )
        with pytest.raises(Closed):
            gate.client.send(head)
            for _ in range(2048):
                gate.client.send(bytes(2**20))
        end = gate.finish()[-1]
        assert (end["reason"], end["put"]) == ("protocol", 0)
        assert end["received"] < 24 * 2**20
        gate = Gate("append", borg.repository)
        gate.client.hello()
    gate.finish()
    assert_history_stays(borg)


def test_many_of_the_largest_messages_need_the_memory_of_one(borg: Borg) -> None:
    gate = Gate("append", borg.repository, "--quota", "1000000")
    gate.client.hello()
    largest = bytes(20 * 2**20 - 100)
    for _ in range(16):
        with suppress(Refusal):
            gate.client.call("put", id=b"n" * 32, data=largest)
    assert gate.peak_memory() < 200 * 2**20, "16 messages are 320 MiB"
    assert gate.finish()[-1]["put"] == 0
    assert_history_stays(borg)
