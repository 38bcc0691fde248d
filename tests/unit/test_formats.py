# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever a release wrote to a disk or a wire, this code reads as that release did: ``read.json`` is its reading."""

from __future__ import annotations

import asyncio
import json
import os
import pwd
import shutil
import sys
import time
from dataclasses import asdict, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._audit.stored import baseline_path, load_baseline
from ansible_collections.paranoid.backup.plugins.module_utils._borg.repository import recorded_id
from ansible_collections.paranoid.backup.plugins.module_utils._common.clock import utc_now
from ansible_collections.paranoid.backup.plugins.module_utils._config.server import (
    load_client,
    load_server,
)
from ansible_collections.paranoid.backup.plugins.module_utils._config.site import Site, load_site
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import KINDS, CompactionEntry
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.ledger import Ledger
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.tamper_check import chain_problem
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.intent import read_intent
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.outcome import GateSummary
from ansible_collections.paranoid.backup.plugins.module_utils._session.gates import GateOrder, Gates
from ansible_collections.paranoid.backup.plugins.module_utils._session.log import SessionLog
from ansible_collections.paranoid.backup.plugins.module_utils._session.protocol import (
    check_hello,
    parse_result,
    request_line,
)
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.pruning import DAY, prune
from paranoid_dispatcher.config import Config
from paranoid_dispatcher.request import parse_request
from tool import ROOT

RELEASES = sorted((ROOT / "tests/fixtures/formats").iterdir())
CLIENT = "web1"


@pytest.fixture(params=RELEASES, ids=lambda path: str(path.name))
def release(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy of what a release left."""
    copy = tmp_path / "release"
    shutil.copytree(request.param, copy)
    return copy


@pytest.fixture
def then(release: Path) -> dict[str, Any]:
    """What that release itself read there."""
    content: dict[str, Any] = json.loads((release / "read.json").read_text())
    return content


NEWER = {
    "list",
    "archive",
    "accept",
    "clock",
    "rebuild",
    "rehearsal",
    "forget",
    "retire",
    "destroy",
}  # kinds of entries that 0.1.0 did not have
NO_LONGER_READ = {"sshd_port"}  # no sshd listens any more


@pytest.fixture
def site(release: Path) -> Site:
    """The server that it was, with its state in the copy, and its first client."""
    found = load_site(str(release / "server"), CLIENT)
    return replace(found, server=replace(found.server, state_dir=str(release / "state")))


def plain(value: Any) -> Any:
    """Return the value in JSON's types, as ``read.json`` has it."""
    known = json.dumps(value, default=lambda other: sorted(other) if isinstance(other, frozenset) else str(other))
    return json.loads(known)


def assert_holds(now: Any, then: Any, place: str = "") -> None:
    """Assert that everything that was read then is read now; there may be more."""
    if isinstance(then, dict):
        assert isinstance(now, dict) and then.keys() <= now.keys(), f"{place}: {sorted(then.keys() - set(now))} missing"
        for key, value in then.items():
            assert_holds(now[key], value, f"{place}/{key}")
    elif isinstance(then, list):
        assert isinstance(now, list) and len(now) == len(then), f"{place}: another number of items"
        for number, value in enumerate(then):
            assert_holds(now[number], value, f"{place}/{number}")
    else:
        assert now == then, f"{place}: {now!r} instead of {then!r}"


def test_ledger(release: Path, then: dict[str, Any]) -> None:
    with Ledger.read(str(release / "state/ledger.sqlite")) as ledger:
        rows = ledger.entries(limit=10_000)
        assert {row.kind for row in rows} == set(KINDS) - NEWER, "the fixture has one of each kind that 0.1.0 knew"
        now = {
            "head": str(ledger.head()),
            "verified": ledger.verify().ok,
            "entries": [asdict(row) for row in rows],
            "archives": [asdict(archive) for archive in ledger.history(CLIENT).archives],
            "frozen": asdict(row) if (row := ledger.freeze_state(CLIENT)) else None,
            "last_success": asdict(row) if (row := ledger.last_success(CLIENT)) else None,
        }
    seen = then["ledger"].pop("seen")
    assert_holds(plain(now), then["ledger"])
    assert json.loads((release / "state/ledger.sqlite.head").read_text())["head"] == seen


@pytest.mark.parametrize("days", [0, 2], ids=["only what is new", "every entry"])
def test_ledger_goes_on(release: Path, then: dict[str, Any], days: int) -> None:
    """The chain continues from the head that was seen last, and takes new entries."""
    path = release / "state/ledger.sqlite"
    before = int(then["ledger"]["head"].partition(":")[0])
    with Ledger.open(str(path)) as ledger:
        head = ledger.append(CompactionEntry(CLIENT, 2, 1))
        assert head.seq == before + 1
        assert not chain_problem(ledger, utc_now() + timedelta(days=days))
        assert ledger.verify().ok
    seen = json.loads(Path(f"{path}.head").read_text())
    assert seen["head"] == str(head)


def test_another_head_than_the_one_seen_last_is_a_problem(release: Path) -> None:
    (release / "state/ledger.sqlite.head").write_text(
        json.dumps({"head": f"3:{'a' * 64}", "whole": utc_now().isoformat()})
    )
    with Ledger.open(str(release / "state/ledger.sqlite")) as ledger:
        assert "entry 3 is not the one that was noted" in str(chain_problem(ledger, utc_now()))


@pytest.mark.parametrize("name", ["baseline", "compacting"])
def test_baseline(release: Path, then: dict[str, Any], site: Site, name: str) -> None:
    path = Path(baseline_path(site)).with_name(f"{name}.json")
    found = load_baseline(str(path))
    assert found
    assert_holds(plain(asdict(found)), then[name])
    assert_holds(plain(found.to_dict()), json.loads(path.read_text()))


@pytest.mark.parametrize("verb", ["backup", "maintain"])
def test_intent_of_a_session_that_was_cut_off(release: Path, then: dict[str, Any], site: Site, verb: str) -> None:
    state = release / "state" / CLIENT
    (state / f"underway-{verb}.json").rename(state / "underway.json")
    found = read_intent(site)
    assert found
    assert_holds(plain(asdict(found)), then[f"underway-{verb}"])


def test_repository(release: Path, then: dict[str, Any], site: Site) -> None:
    assert recorded_id(site) == then["repository"]


def test_what_provisioning_wrote_on_the_server(release: Path, then: dict[str, Any]) -> None:
    still_read = {name: value for name, value in then["server"].items() if name not in NO_LONGER_READ}
    assert_holds(plain(asdict(load_server(str(release / "server")))), still_read)
    for name, expected in then["clients"].items():
        assert_holds(plain(asdict(load_client(str(release / "server"), name))), expected, name)


@pytest.mark.parametrize("host", ["client", "keyholder"])
def test_what_provisioning_wrote_on_the_client(release: Path, then: dict[str, Any], host: str) -> None:
    assert_holds(plain(asdict(Config.load(release / host / "client.json"))), then[host])


def test_records_of_runs(release: Path, then: dict[str, Any]) -> None:
    """The next run removes old ones, and for that has to know them as its own."""
    for name, expected in then["runs"].items():
        record = release / "runs" / name / "record.json"
        assert_holds(json.loads(record.read_text()), {"status": expected["status"], "tally": expected["tally"]}, name)
        record.parent.rename(release / "runs" / expected["run_id"])
    assert prune(release / "runs", time.time() + 10 * DAY, keep_runs=1, keep_days=0) == ""
    newest = max(expected["run_id"] for expected in then["runs"].values())
    assert [path.name for path in (release / "runs").iterdir()] == [newest]


def test_requests(release: Path, then: dict[str, Any]) -> None:
    """A dispatcher understands an older server, and an older dispatcher this one: the lines are the same."""
    for line, expected in zip(lines(release, "requests"), then["requests"], strict=True):
        assert_holds(plain(asdict(parse_request(line))), expected)
        content = json.loads(line)
        extra = {key: content[key] for key in content if key not in ("schema", "verb", "session")}
        assert request_line(content["verb"], content["session"], extra) == line + b"\n"


def test_answers(release: Path, then: dict[str, Any]) -> None:
    expected = iter(then["results"])
    for line in lines(release, "answers"):
        content = json.loads(line)
        if "hello" in content:
            check_hello(line, content["hello"])
        else:
            assert_holds(plain(asdict(parse_result(line, content["verb"], content["session"]))), next(expected))
    assert next(expected, None) is None


def test_reports_of_gates(release: Path, then: dict[str, Any], site: Site) -> None:
    assert_holds(plain(asdict(asyncio.run(told_by_gates(release, site)))), then["gates"])


# Instead of a gate: says what gates of that release said.
_GATE = """
import os, pathlib, sys
report = int(sys.argv[sys.argv.index("--report-fd") + 1])
os.write(report, (pathlib.Path(__file__).parent / "wire/gate-reports.jsonl").read_bytes())
"""


async def told_by_gates(release: Path, site: Site) -> GateSummary:
    """Let one connection through to a program that reports what the release's gates did."""
    (release / "__main__.py").write_text(_GATE)
    me = pwd.getpwuid(os.geteuid())
    client = replace(site.client, repository_user=me.pw_name)
    here = Site(replace(site.server, python=sys.executable, lib_dir=str(release)), client)
    log = SessionLog(str(release / "log"), "session")
    gates = Gates(here, GateOrder("append", None, 1, 1), log, lambda: None)
    path = str(release / "gate.sock")
    gates.listen(path, me.pw_gid)
    reading, writing = await asyncio.open_unix_connection(path)
    await reading.read()
    await gates.close(5)
    writing.close()
    log.close()
    return gates.summary


def lines(release: Path, kind: str) -> list[bytes]:
    """Return what went over a wire."""
    return (release / f"wire/{kind}.jsonl").read_bytes().splitlines()
