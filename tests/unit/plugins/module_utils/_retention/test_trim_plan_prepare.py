# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a maintenance asks for, from a real ledger, a record and a baseline; and when it must not ask at all."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._audit.baseline import Baseline, Directory
from ansible_collections.paranoid.backup.plugins.module_utils._common.errors import SessionError
from ansible_collections.paranoid.backup.plugins.module_utils._common.files import save_json
from ansible_collections.paranoid.backup.plugins.module_utils._config.server import ClientConfig
from ansible_collections.paranoid.backup.plugins.module_utils._config.site import Site
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.clock_watch import ClockState
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import (
    CompactionEntry,
    Entry,
    FreezeEntry,
    ReportedArchive,
    SessionEntry,
    TrimEntry,
)
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.ledger import NAME, Ledger
from ansible_collections.paranoid.backup.plugins.module_utils._retention import cycle, trim_plan, waiting
from ansible_collections.paranoid.backup.plugins.module_utils._retention.trim_plan import plan_trim
from fake_repository import FakeRepository

START = datetime(2026, 11, 1, 3, 0, tzinfo=UTC)
NOW = START + timedelta(days=20)
IDS = [digit * 64 for digit in "abc"]
RECORD = replace(
    ClientConfig("web1", "h", 22, "u", "socket", "/t", 0, "/r", "bk-web1", "/k"),
    retention={"daily": 1, "minimum": 1},
    time_zone="UTC",
    check_seconds=60,
)


@pytest.fixture
def server(tmp_path: Path) -> Any:
    baseline = Baseline(7, (Directory(0, 1, 1, 1000, ""),), 10, 500, 500, "", 1, 0)
    save_json(str(tmp_path / "web1/baseline.json"), baseline.to_dict())
    FakeRepository(tmp_path / "repo").session([(bytes.fromhex(one), b"archive") for one in IDS])
    return SimpleNamespace(state_dir=str(tmp_path), watches=[])


def site(server: Any) -> Site:
    return Site(server, replace(RECORD, repository=f"{server.state_dir}/repo"))


@pytest.fixture
def happened(server: Any) -> Callable[..., None]:
    """Return a function that enters three archives, one a day, and then what it is given."""

    def enter(*entries: Entry) -> None:
        archives = [ReportedArchive(one, f"web1-{one[0]}") for one in IDS]
        sessions = [
            SessionEntry("web1", "backup", one.id[:32], "r", "ok", commits=1, manifests=1, archive=one)
            for one in archives
        ]
        times = iter(START + timedelta(days=day) for day in range(20))
        with Ledger.open(f"{server.state_dir}/{NAME}", lambda: next(times)) as ledger:
            for entry in (*sessions, *entries):
                ledger.append(entry)

    return enter


def test_a_clock_in_doubt_names_nothing_and_the_controllers_word_ends_that(
    server: Any, happened: Callable[..., None]
) -> None:
    doubted = ClockState(None, "it is 365.0 days ahead of the controller's", told=True).to_dict()
    happened(SessionEntry("web1", "info", "7" * 32, "", "ok", clock=doubted))
    trim = plan_trim(site(server), NOW)
    assert trim.named == () and "the server's clock cannot be believed" in trim.waiting
    assert plan_trim(site(server), NOW, ahead=-3600.0).named
    with pytest.MonkeyPatch.context() as patched:  # The controller's word of now goes before a watch's of earlier.
        patched.setattr(waiting, "find_ahead", lambda *_any: -100_000.0)
        assert plan_trim(site(server), NOW, ahead=0.0).named
        assert plan_trim(site(server), NOW).named == ()
    assert plan_trim(site(server), NOW, ahead=-100_000.0).named == ()


def test_all_but_the_last_archive_is_named(server: Any, happened: Callable[..., None]) -> None:
    happened()
    trim = plan_trim(site(server), NOW)
    assert (sorted(trim.named), trim.known, trim.waiting) == (IDS[:2], (IDS[2],), "")
    assert (trim.check_seconds, trim.budget.archives, trim.asked_before) == (60, 2, frozenset())


def test_nothing_is_named_while_a_trim_waits_for_its_compaction(server: Any, happened: Callable[..., None]) -> None:
    happened(TrimEntry("web1", "1" * 32, (IDS[0],), (IDS[0],), 44))
    trim = plan_trim(site(server), NOW)
    assert (trim.named, trim.asked_before) == ((), frozenset(IDS[:1]))
    assert trim.waiting == "the trim of 2026-11-04 waits for its compaction, so 1 archives stay until then"


def test_nothing_is_named_while_an_archive_is_missing(server: Any, happened: Callable[..., None]) -> None:
    """Borg would drop what only archives need that its list lacks: nothing goes until a person has looked."""
    happened()
    shutil.rmtree(f"{server.state_dir}/repo")
    FakeRepository(Path(server.state_dir) / "repo").session([(bytes.fromhex(one), b"archive") for one in IDS[:2]])
    with pytest.raises(SessionError, match="web1 misses 1 archives that nobody deleted") as refused:
        plan_trim(site(server), NOW)
    assert refused.value.code == "archives_missing"
    with pytest.raises(SessionError, match="web1 misses 1 archives that nobody deleted"):
        plan_trim(Site(server, replace(site(server).client, retention={"daily": -1})), NOW, ["9" * 64])
    assert plan_trim(Site(server, replace(site(server).client, retention={"daily": -1})), NOW).named == ()


def test_after_the_compaction_the_next_one_is_named(server: Any, happened: Callable[..., None]) -> None:
    happened(TrimEntry("web1", "1" * 32, (IDS[0],), (IDS[0],), 44), CompactionEntry("web1", 1000, 900, 45))
    assert plan_trim(site(server), NOW).named == (IDS[1],)


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"retention": None}, "not_provisioned", "has no retention: run site.yml"),
        ({"retention": {"fortnightly": 3}}, "server_error", "fortnightly"),
        ({"time_zone": "Mars/Olympus"}, "server_error", "Mars/Olympus"),
    ],
)
def test_a_record_without_rules_is_named(
    server: Any, happened: Callable[..., None], changes: dict[str, Any], code: str, words: str
) -> None:
    happened()
    with pytest.raises(SessionError, match=words) as caught:
        plan_trim(Site(server, replace(RECORD, **changes)), NOW)
    assert caught.value.code == code


def test_a_frozen_client_is_refused(server: Any, happened: Callable[..., None]) -> None:
    happened(FreezeEntry("web1", "12 objects gone", ""))
    with pytest.raises(SessionError, match=r"web1 is frozen since .*12 objects gone") as caught:
        plan_trim(site(server), NOW)
    assert caught.value.code == "frozen"


@pytest.mark.parametrize(("content", "words"), [(None, "was never audited: run audit.yml"), ("[]", "cannot be read")])
def test_without_a_baseline_nothing_is_asked(
    server: Any, happened: Callable[..., None], content: str | None, words: str
) -> None:
    happened()
    path = Path(server.state_dir, "web1/baseline.json")
    if content is None:
        path.unlink()
    else:
        path.write_text(content)
    with pytest.raises(SessionError, match=words):
        plan_trim(site(server), NOW)


def test_a_broken_chain_names_nothing(
    server: Any, happened: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    happened()
    monkeypatch.setattr(cycle, "chain_problem", lambda _ledger, _now: "entry 2 was altered")
    with pytest.raises(SessionError, match="ALARM: entry 2 was altered") as caught:
        plan_trim(site(server), NOW)
    assert caught.value.code == "alarm"


@pytest.mark.parametrize(
    ("unknown", "words"),
    [([IDS[0]], "the ledger knows archive"), (["9" * 63], "takes ids of archives"), ("fedc", "takes ids of archives")],
)
def test_a_person_lets_go_only_what_the_ledger_does_not_know(
    server: Any, happened: Callable[..., None], unknown: list[str], words: str
) -> None:
    happened()
    with pytest.raises(SessionError, match=words) as caught:
        plan_trim(site(server), NOW, unknown)
    assert caught.value.code == "refused"


def test_both_sorts_of_archives_together_stay_within_the_limit(
    server: Any, happened: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is named must fit into one entry of the ledger; an id that was given twice counts once."""
    happened()
    monkeypatch.setattr(trim_plan, "NAMED_LIMIT", 2)
    trim = plan_trim(site(server), NOW, ["9" * 64, "9" * 64])
    assert trim.named == (IDS[0], "9" * 64)
    assert set(trim.kept.archives) == set(IDS[1:]), "what waits for the next trim stays"
    with pytest.raises(SessionError, match="at most 2 archives at once"):
        plan_trim(site(server), NOW, ["7" * 64, "8" * 64, "9" * 64])
