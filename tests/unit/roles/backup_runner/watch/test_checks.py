# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a watch makes of what it was told: freshness by arrival, the clock, mails, disk, escrow, who is gone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.paranoid.backup.plugins.module_utils._ledger import chain as engine
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import (
    AcceptEntry,
    AuditEntry,
    CompactionEntry,
    Entry,
    FreezeEntry,
    ListEntry,
    ReportedArchive,
    RepositoryEntry,
    RetireEntry,
    RollbackEntry,
    SessionEntry,
    TrimEntry,
    UnfreezeEntry,
)
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.ledger import Ledger
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.weaknesses import find_weaknesses
from ansible_collections.paranoid.backup.plugins.module_utils._watch import witness as engine_witness
from paranoid_runner.watch import chain, witness
from paranoid_runner.watch.chain import EMPTY, ChainError, Head, prove
from paranoid_runner.watch.checks import BORG, Look, check, find_lateness
from paranoid_runner.watch.config import Rules
from paranoid_runner.watch.document import ClientTold, Told
from paranoid_runner.watch.folding import KEPT, fold
from paranoid_runner.watch.memory import Arrival, Known, Memory, MemoryLost, Sample, load_memory, save_memory
from paranoid_runner.watch.trend import add_sample, find_days_left
from tool import ROOT

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
OFF = Rules(mail_hours=0, rehearsal_days=0)


def session(number: int, verb: str = "backup", **changes: Any) -> SessionEntry:
    archive = ReportedArchive(f"{number:064x}", f"web1-{number}") if verb == "backup" else None
    usual: dict[str, Any] = {"status": "ok", "commits": 1, "manifests": 1, "archive": archive, "audit": "clean"}
    return SessionEntry("web1", verb, f"{number:032x}", "run", **{**usual, **changes})


def written(tmp_path: Path, entries: Sequence[Entry]) -> list[chain.Entry]:
    """Return entries as the engine stores them, an hour apart, the first at NOW."""
    times = iter([NOW + number * HOUR for number in range(len(entries) + 1)])
    with Ledger.open(str(tmp_path / "ledger.sqlite"), lambda: next(times)) as ledger:
        for entry in entries:
            ledger.append(entry)
        return [chain.Entry(*vars(link).values()) for link in ledger.links(0)]


def folded(tmp_path: Path, *entries: Entry) -> Known:
    return fold({}, written(tmp_path, entries), NOW)["web1"]


GOOD, LATER = session(1), session(2)
FAILED = session(3, status="failed", code="client_failed", came=f"{3:064x}")


@pytest.mark.parametrize(
    "entries",
    [
        [session(3, "maintain"), TrimEntry("web1", "s", ("x",), ("x",))],
        [CompactionEntry("web1", 10, 5)],
        [RollbackEntry("web1", "why", transaction=9)],
        [RollbackEntry("web1", "why", restored=(f"{9:064x}",))],
        [FAILED],
        [FAILED, AcceptEntry("web1", "why", archives=(f"{3:064x}",))],
        [session(3, "info"), session(4, "open"), session(5, "create"), session(6, "escrow")],
        [session(3, audit="alarm")],
        [session(3), AuditEntry("web1", f"{3:032x}", "alarm")],
        [session(3, commits=0)],
        [session(3, manifests=0)],
        [session(3, archive=None)],
        [session(1)],
        [AuditEntry("web1", "", "clean"), FreezeEntry("web1", "why"), UnfreezeEntry("web1", "why")],
    ],
    ids=[
        "maintenance",
        "compaction",
        "rollback",
        "rollback that brings one back",
        "failed session",
        "failed session that a person accepts",
        "other verbs",
        "alarm",
        "alarm at an audit later",
        "no commit",
        "no manifest",
        "no archive",
        "an archive that came before",
        "audit and freeze",
    ],
)
def test_only_a_good_backup_refreshes(tmp_path: Path, entries: list[Entry]) -> None:
    assert folded(tmp_path, GOOD, *entries).arrived == NOW


THERE_AND_BACK = (
    TrimEntry("web1", "s", (), (f"{2:064x}",)),
    RollbackEntry("web1", "why", restored=(f"{2:064x}",)),
)


@pytest.mark.parametrize(
    ("entries", "hours"),
    [
        ([LATER], 1),
        ([LATER, session(1)], 1),  # it came before
        ([LATER, RollbackEntry("web1", "why", lost=(f"{2:064x}",))], 0),
        ([LATER, ListEntry("web1", "why", 1, lost=(f"{2:064x}",))], 0),
        ([LATER, ListEntry("web1", "", 1, lost=(f"{2:064x}",)), ListEntry("web1", "", 2, restored=(f"{2:064x}",))], 1),
        ([LATER, TrimEntry("web1", "s", (), (f"{2:064x}",))], 0),
        ([LATER, UnfreezeEntry("web1", "why", lost=(f"{2:064x}",))], 0),
        ([LATER, AuditEntry("web1", f"{2:032x}", "alarm")], 0),
        # What a rollback brings back is what it was.
        ([LATER, AuditEntry("web1", f"{2:032x}", "alarm"), *THERE_AND_BACK], 0),
        ([session(2, audit="alarm"), *THERE_AND_BACK], 0),
        ([LATER, *THERE_AND_BACK], 1),
        ([LATER, RepositoryEntry("web1", "a" * 64)], None),
        ([RepositoryEntry("web1", "a" * 64), LATER], 2),
    ],
)
def test_what_is_taken_away_makes_older(tmp_path: Path, entries: list[Entry], hours: int | None) -> None:
    assert folded(tmp_path, GOOD, *entries).arrived == (None if hours is None else NOW + hours * HOUR)


def test_of_many_arrivals_the_newest_are_remembered(tmp_path: Path) -> None:
    many = [session(number) for number in range(1, KEPT + 4)]
    known = folded(tmp_path, *many, TrimEntry("web1", "s", (), (f"{KEPT + 3:064x}",)))
    assert (known.arrived, len(known.arrivals), known.newest) == (NOW + (KEPT + 1) * HOUR, KEPT, KEPT + 3)


@pytest.mark.parametrize(("entry", "newest"), [(LATER, 2), (session(2, audit="alarm"), 1), (FAILED, 1)])
def test_the_newest_entry_is_that_of_an_archive_that_was_good_as_it_came(
    tmp_path: Path, entry: Entry, newest: int
) -> None:
    assert folded(tmp_path, GOOD, entry).newest == newest


@pytest.mark.parametrize(
    "entry",
    [
        RepositoryEntry("web1", "a" * 64),
        RetireEntry("web1", "a leak", "bo", "a" * 64, "old-aaaaaaaaaaaa", "2027-01-01"),
    ],
)
def test_another_repository_does_not_lift_a_freeze(tmp_path: Path, entry: Entry) -> None:
    assert folded(tmp_path, GOOD, FreezeEntry("web1", "why"), entry).frozen


def test_a_name_that_was_retired_and_came_again_is_missed_again(tmp_path: Path) -> None:
    retired = RetireEntry("web1", "a leak", "bo", "a" * 64, "old-aaaaaaaaaaaa", "2027-01-01")
    entries = written(tmp_path, [GOOD, retired, LATER])
    assert [fold({}, entries[:count], NOW)["web1"].retired for count in (1, 2, 3)] == [False, True, False]


def test_a_new_repository_gets_the_time_for_its_first_backup(tmp_path: Path) -> None:
    made = folded(tmp_path, GOOD, session(3, "escrow", archive=None), RepositoryEntry("web1", "a" * 64))
    assert (made.first, made.arrived, made.escrowed, made.newest) == (NOW + 2 * HOUR, None, None, 1)


def test_what_else_entries_say(tmp_path: Path) -> None:
    known = folded(
        tmp_path,
        session(1, stored_bytes=70),
        CompactionEntry("web1", 70, 50),
        session(2, stored_bytes=5, status="failed"),
        session(3, "escrow", archive=None),
        FreezeEntry("web1", "why"),
    )
    assert (known.stored, known.frozen, known.escrowed, known.newest) == (55, True, NOW + 3 * HOUR, 1)
    body = chain.Entry(9, NOW.isoformat(), "rehearsal", "web1", '{"what":"escrow"}', "", "")
    after = fold({"web1": known}, [body, replace(body, kind="later release", body="?")], NOW)["web1"]
    assert (after.opened, after.restored) == (NOW, None)
    for rubbish in ("[]", "{}", "x", "null", '{"what":' + "[" * 9999):
        with pytest.raises(ChainError, match="entry 9 says nothing"):
            fold({}, [replace(body, kind="session", body=rubbish)], NOW)


def client(**changes: Any) -> ClientTold:
    usual = {"name": "web1", "schedule": {"every": "1d"}, "quota": None, "escrow": False, "arrival": None}
    return ClientTold(**{**usual, "frozen": False, **changes})


def known(age: timedelta | None, first: timedelta = 400 * DAY, **changes: Any) -> Known:
    arrivals = () if age is None else (Arrival(1, NOW - age, "a", "s"),)
    return Known(NOW - first, arrivals, newest=len(arrivals), **changes)


NIGHTLY = {"every": "1d", "window": "22:00-06:00"}
MONDAYS = {"every": "1d", "days": ["mon"]}  # the 26th is a Thursday


@pytest.mark.parametrize(
    ("schedule", "age", "late"),
    [
        ({"every": "1d"}, 35 * HOUR, False),  # came on the 25th; the window of the 26th is still open
        ({"every": "1d"}, 37 * HOUR, True),  # came on the 24th: that of the 25th closed at midnight, twelve hours ago
        (NIGHTLY, 12 * HOUR, False),
        (NIGHTLY, 30 * HOUR, False),  # the window closed six hours ago
        (NIGHTLY, 55 * HOUR, True),
        (MONDAYS, 80 * HOUR, False),
        (MONDAYS, 10 * DAY, True),
        ({"every": "2w"}, 14 * DAY, False),
        ({"every": "2w"}, 16 * DAY, True),
        ({"every": "6h"}, 12 * HOUR, False),
        ({"every": "6h"}, 24 * HOUR, True),
        ({"every": "1d", "blackout": ["2026-11-20..2026-11-26"]}, 7 * DAY, False),
        ({"every": "52w"}, 34 * DAY, False),
        ({"every": "52w"}, 36 * DAY, True),  # whatever the server says
        ({"every": "rubbish"}, 3 * DAY, True),
        (None, 12 * HOUR, False),
        (None, 3 * DAY, True),
        (NIGHTLY, -2 * DAY, True),  # from a clock that is ahead
    ],
)
def test_a_client_is_fresh_by_its_own_schedule(schedule: dict[str, Any] | None, age: timedelta, late: bool) -> None:
    assert bool(find_lateness(client(schedule=schedule), known(age), OFF, NOW)) is late


@pytest.mark.parametrize(("first", "late"), [(HOUR, False), (4 * DAY, True), (-2 * DAY, True)])
def test_a_client_that_was_never_backed_up_gets_its_first_window(first: timedelta, late: bool) -> None:
    assert bool(find_lateness(client(), known(None, first), OFF, NOW)) is late


def told(**changes: Any) -> Told:
    usual: dict[str, Any] = {
        "host_id": "s",
        "clock": NOW,
        "head": Head(7, "a" * 64),
        "entries": (),
        "more": False,
        "clients": (client(),),
        "disk": (1000, 500),
        "has_runs": True,
        "last_mail": NOW - HOUR,
        "untold": 0,
        "borg": BORG,
        "witnesses": {},
        "problems": (),
    }
    return Told(**{**usual, **changes})


def found(rules: Rules = OFF, memory: Memory | None = None, **changes: Any) -> list[tuple[str, str]]:
    """Return level and check of what is found."""
    usual = Memory("s", Head(7, "a" * 64), known={"web1": known(HOUR)}, listed=("web1",))
    look = Look(told(**changes), memory or usual, NOW - timedelta(seconds=2), NOW, rules)
    return [(finding.level.name, finding.check) for finding in check(look)]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        ({"clock": NOW + timedelta(seconds=59)}, []),
        ({"clock": NOW + timedelta(seconds=61)}, [("WARNING", "clock")]),
        ({"clock": NOW - timedelta(seconds=61)}, []),  # it may have been made two seconds ago
        ({"clock": NOW - timedelta(seconds=63)}, [("WARNING", "clock")]),
        ({"clock": NOW + 25 * HOUR}, [("CRITICAL", "clock")]),
        ({"clock": NOW - 366 * DAY}, [("CRITICAL", "clock")]),
        ({"disk": None}, [("UNKNOWN", "disk")]),
        ({"disk": (1000, 99)}, [("WARNING", "disk")]),
        ({"disk": (1000, 49)}, [("CRITICAL", "disk")]),
        ({"disk": (0, 0)}, [("CRITICAL", "disk")]),
        ({"borg": ""}, [("UNKNOWN", "versions")]),
        ({"borg": "1.2.4"}, [("CRITICAL", "versions")]),
        ({"borg": "1.4.0"}, [("WARNING", "versions")]),
        ({"borg": "9.9.9"}, []),
        ({"clients": ()}, [("WARNING", "absent"), ("WARNING", "absent")]),
        ({"clients": (client(), client(name="new1"))}, []),
        ({"clients": (client(frozen=True),)}, [("CRITICAL", "frozen")]),
        ({"clients": (client(arrival=1),)}, []),
        ({"clients": (client(arrival=7),)}, [("CRITICAL", "fresh")]),  # it claims what its entries do not say
        ({"clients": (client(arrival=8),)}, []),  # nor do they deny it: the proof has not come so far
        ({"clients": (client(schedule={"every": "x"}),)}, [("WARNING", "schedule")]),
        ({"problems": ("a", "b")}, [("WARNING", "server")] * 2),
        ({"untold": 2}, []),
    ],
)
def test_what_is_found(changes: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    assert found(**changes) == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        ({"last_mail": NOW - 37 * HOUR}, [("CRITICAL", "mail")]),
        ({"last_mail": NOW + 23 * HOUR}, []),
        ({"last_mail": NOW + 366 * DAY}, [("CRITICAL", "mail")]),
        ({"last_mail": None}, [("CRITICAL", "mail")]),
        ({"has_runs": False, "last_mail": None}, [("UNKNOWN", "mail")]),
        ({"untold": 1}, [("WARNING", "mail")]),
    ],
)
def test_whether_mails_go_out(changes: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    assert found(Rules(rehearsal_days=0), **changes) == expected


@pytest.mark.parametrize(
    ("escrow", "state", "expected"),
    [
        (False, {"restored": NOW}, []),
        (False, {}, ["drill"]),
        (False, {"first": 9 * DAY}, []),
        (True, {"escrowed": NOW, "opened": NOW, "restored": NOW}, []),
        (True, {"opened": NOW, "restored": NOW}, ["escrow"]),
        (True, {"escrowed": NOW, "restored": NOW - 91 * DAY}, ["escrow", "drill"]),
        (True, {"escrowed": NOW, "opened": NOW + 2 * DAY, "restored": NOW + 366 * DAY}, ["escrow", "drill"]),
        (True, {"first": 6 * DAY}, []),
    ],
)
def test_escrow_and_drills_are_young(escrow: bool, state: dict[str, Any], expected: list[str]) -> None:
    memory = Memory("s", Head(7, "a" * 64), known={"web1": known(HOUR, **state)}, listed=("web1",))
    seen = found(replace(OFF, rehearsal_days=90), memory, clients=(client(escrow=escrow),))
    assert seen == [("WARNING", word) for word in expected]


def test_who_is_frozen_by_the_entries_is_frozen_whatever_the_server_says() -> None:
    frozen = Memory("s", Head(7, "a" * 64), known={"web1": known(HOUR, frozen=True)}, listed=("web1",))
    assert found(memory=frozen) == [("CRITICAL", "frozen")]


def test_a_quota_that_fills_and_a_client_that_was_retired() -> None:
    full = Memory("s", Head(7, "a" * 64), known={"web1": known(HOUR, stored=96)}, listed=("web1",))
    assert found(memory=full, clients=(client(quota=100),)) == [("WARNING", "quota")]
    assert found(memory=full, clients=(client(quota=102),)) == []
    gone = replace(full, known={"web1": known(HOUR), "old1": Known(NOW, retired=True)}, listed=("old1", "web1"))
    assert found(memory=gone) == []
    missed = replace(gone, known={"web1": known(HOUR)})
    assert found(memory=missed) == [("WARNING", "absent")]


@pytest.mark.parametrize(
    ("free", "days"),
    [
        ([100, 90, 80, 70], 7.0),
        ([100, 100, 100, 100], None),
        ([70, 80, 90, 100], None),
        ([100, 90], None),
        ([100, 90, 95, 85, 90, 80], pytest.approx(80 / 3.1, rel=0.1)),  # a compaction every other day
    ],
)
def test_in_how_many_days_the_disk_is_full(free: list[int], days: Any) -> None:
    samples = [Sample(NOW - (len(free) - 1 - place) * DAY, 1000, size) for place, size in enumerate(free)]
    assert find_days_left(samples, NOW) == days
    assert find_days_left(samples, NOW + 40 * DAY) is None
    assert (
        find_days_left([replace(one, time=NOW - HOUR * place) for place, one in enumerate(samples)][::-1], NOW) is None
    )


def test_samples_are_apart_and_of_one_disk() -> None:
    samples: tuple[Sample, ...] = ()
    for place in range(900):
        samples = add_sample(samples, Sample(NOW + place * HOUR, 1000, 1))
    assert len(samples) == 400 and samples[-1].time - samples[-2].time == 2 * HOUR
    assert len(add_sample(samples, Sample(NOW + 999 * DAY, 2000, 1))) == 1
    assert len(add_sample(samples, Sample(NOW, 1000, 1))) == 1, "a clock that was put back"


def test_the_watch_and_the_engine_know_the_same(tmp_path: Path) -> None:
    """What both sides of the wire need stands on both."""
    (entry,) = written(tmp_path, [GOOD])
    assert chain.hash_entry(entry) == entry.hash and str(chain.EMPTY) == str(engine.EMPTY)
    head = Head(entry.seq, entry.hash)
    ours = witness.make_message("server", head, NOW)
    assert ours == engine_witness.make_message("server", engine.parse_head(str(head)), NOW.isoformat())
    assert witness.NAMESPACE == engine_witness.NAMESPACE
    defaults = yaml.safe_load((ROOT / "roles/backup_server/defaults/main.yml").read_text())
    assert defaults["backup_server_borg_version"] == BORG
    assert not find_weaknesses(BORG), "the watch calls a Borg young that the mail calls weak"


@pytest.fixture
def entries(tmp_path: Path) -> list[chain.Entry]:
    return written(tmp_path, [session(number) for number in range(1, 6)])


def head_of(entries: list[chain.Entry]) -> Head:
    return Head(entries[-1].seq, entries[-1].hash) if entries else EMPTY


def test_what_goes_on_is_proven(entries: list[chain.Entry]) -> None:
    whole = head_of(entries)
    assert prove(EMPTY, entries, whole, False) == whole
    assert prove(EMPTY, [], EMPTY, False) == EMPTY
    assert prove(EMPTY, entries[:2], whole, True) == head_of(entries[:2])
    assert prove(head_of(entries[:2]), entries[2:], whole, False, whole) == whole
    assert prove(whole, [], whole, False) == whole
    assert prove(whole, [], whole, True) == whole


def test_what_does_not_go_on_is_refused(entries: list[chain.Entry]) -> None:
    whole, two, other = head_of(entries), head_of(entries[:2]), Head(5, "b" * 64)
    forged = replace(entries[2], body="{}")
    again = replace(forged, hash=chain.hash_entry(forged))
    newline = replace(entries[0], client="web1\n", kind="")
    cases: list[tuple[str, tuple[Any, ...]]] = [
        ("cut off: it ends with entry 2", (whole, [], two, False)),
        ("cut off: it ends with entry 0", (whole, [], EMPTY, False)),
        ("entry 5 is not the one that was seen", (whole, [], other, False)),
        ("entry 5 is not the one that was seen", (EMPTY, entries, other, False)),
        ("entry 3 is missing", (two, entries[3:], whole, False)),
        ("entry 3 is missing", (two, entries, whole, False)),
        ("entry 3 does not continue", (Head(2, "c" * 64), entries[2:], whole, False)),
        ("entry 3 was altered", (two, [forged, *entries[3:]], whole, False)),
        ("entry 4 does not continue", (two, [again, *entries[3:]], whole, False)),
        ("entry 1 was altered", (EMPTY, [newline], whole, True)),
        ("up to 2 of a ledger that ends with 5", (two, [], whole, False)),
        ("up to 2 of a ledger that ends with 5", (two, [], whole, True)),
        ("up to 4 of a ledger that ends with 5", (two, entries[2:4], whole, False)),
        ("up to 5 of a ledger that ends with 3", (two, entries[2:], Head(3, "d" * 64), False)),
        ("entry 5 is not the one that was noted", (EMPTY, entries, whole, False, other)),
        ("entry 1 was altered", (EMPTY, [replace(entries[0], hash="e" * 64)], whole, True)),
    ]
    for why, case in cases:
        with pytest.raises(ChainError, match=why):
            prove(*case)


def test_what_is_remembered_is_read_back_and_damage_is_told(tmp_path: Path) -> None:
    one = known(HOUR, escrowed=NOW, stored=7, frozen=True)
    one = replace(one, arrivals=(*one.arrivals, Arrival(9, NOW, "b" * 64, "s", good=False, gone=True)))
    memory = Memory("s", Head(7, "a" * 64), EMPTY, NOW, {"web1": one}, ("web1",), (Sample(NOW, 2, 1),))
    path = tmp_path / "vault.json"
    assert load_memory(path) == Memory()
    save_memory(path, memory)
    assert load_memory(path) == memory and path.stat().st_mode & 0o777 == 0o600
    whole = json.loads(path.read_text())
    rows = [row[:5] for row in whole["known"]["web1"]["arrivals"]]
    path.write_text(json.dumps({**whole, "known": {"web1": {**whole["known"]["web1"], "arrivals": rows}}}))
    assert not load_memory(path).known["web1"].arrivals[-1].gone, "an earlier release did not say it"
    for damage in (
        b"",
        b"[]",
        b"{}",
        json.dumps({**whole, "head": "7"}).encode(),
        json.dumps({**whole, "schema": 2}).encode(),
    ):
        path.write_bytes(damage)
        with pytest.raises(MemoryLost):
            load_memory(path)
