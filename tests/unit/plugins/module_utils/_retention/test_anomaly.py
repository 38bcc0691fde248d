# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is unusual about a session: honest hosts raise nothing, attacks are found, and a person or time ends it."""

from __future__ import annotations

import random
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from datetime import date

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import SessionEntry
from ansible_collections.paranoid.backup.plugins.module_utils._retention.anomaly import (
    Verdict,
    is_expected,
    judge_session,
    pending_anomaly,
)
from ansible_collections.paranoid.backup.plugins.module_utils._retention.signals import (
    READ_LEAST,
    describe_signal,
    find_reading,
)
from nightly import GB, Host, lead_an_honest_life

PROFILES = {
    "a web server": {},
    "a small host": {"size": 3 * GB, "files": 40_000, "churn": 0.005},
    "photos, which do not compress": {"size": 900 * GB, "files": 200_000, "ratio": 1.0, "churn": 0.0005},
    "a mail server of many files": {"size": 300 * GB, "files": 4_000_000, "churn": 0.01, "growth": 0.003},
    "a database that dumps in full each night": {"size": 50 * GB, "files": 900, "ratio": 0.2, "churn": 0.8},
}


def names(verdict: Verdict) -> set[str]:
    return {signal.name for signal in verdict.signals}


def settled(nights: int = 45, **profile: float) -> Host:
    host = Host(random.Random(7), **profile)  # type: ignore[arg-type]
    for _night in range(nights):
        assert not host.night().anomaly
    return host


def encrypt_all(host: Host) -> Verdict:
    """Every file becomes ciphertext: new, and it does not compress."""
    host.ratio = 1.0
    return host.night(new=host.size)


def encrypt_all_and_lie(host: Host) -> Verdict:
    """The same by a client whose numbers say that nothing happened: the server's own are left."""
    return host.night(new=host.size)


def delete_half(host: Host) -> Verdict:
    host.size, host.files = host.size / 2, host.files / 2
    return host.night()


def read_all(host: Host) -> Verdict:
    return host.night(read=host.held)


ATTACKS: list[tuple[Callable[[Host], Verdict], set[str]]] = [
    (encrypt_all, {"new_bytes", "new_objects"}),
    (encrypt_all_and_lie, {"new_bytes", "new_objects"}),
    (delete_half, {"lost_files", "lost_bytes"}),
    (read_all, {"read"}),
]


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_two_hundred_honest_nights_raise_none_and_attacks_after_them_are_found(profile: dict[str, float]) -> None:
    for seed in range(2):
        host = Host(random.Random(seed), **profile)  # type: ignore[arg-type]
        verdicts = lead_an_honest_life(host, 200)
        assert [(night, names(one)) for night, one in enumerate(verdicts) if one.anomaly] == []
        for attack, expected in ATTACKS:
            if profile.get("churn", 0) > 0.5 and attack in (encrypt_all, encrypt_all_and_lie):
                continue  # Of what is new each night nobody can tell; only that it does not compress any more.
            verdict = attack(deepcopy(host))
            assert verdict.anomaly and names(verdict) >= expected, (attack.__name__, verdict)


def test_what_compressed_before_shows_by_that_too() -> None:
    assert "compression" in names(encrypt_all(settled()))


@pytest.mark.parametrize("nights", [1, 3, 7])
def test_the_first_backups_raise_none(nights: int) -> None:
    for attack in (encrypt_all, delete_half):
        host = settled(nights)
        assert attack(host).signals == ()


def test_a_small_client_raises_none() -> None:
    for attack in (encrypt_all, delete_half, read_all):
        assert not attack(settled(size=5e6, files=60)).anomaly


def test_a_migration_that_is_announced_raises_none_and_is_usual_afterwards() -> None:
    host = settled()
    host.ratio = 1.0
    verdict = host.night(new=host.size, read=host.held, expected="2026-12-01")
    assert (verdict.signals, verdict.expected) == ((), "2026-12-01")
    for _night in range(10):
        assert host.night().signals == ()
    assert delete_half(host).anomaly


@pytest.mark.parametrize(
    ("until", "today", "expected"),
    [
        ("2026-12-01", "2026-11-26", True),
        ("2026-12-01", "2026-12-01", True),
        ("2026-12-01", "2026-12-02", False),
        ("2126-12-01", "2026-11-26", False),
        ("", "2026-11-26", False),
        ("tomorrow", "2026-11-26", False),
        ("2026-02-30", "2026-02-01", False),
    ],
)
def test_until_when_a_change_is_announced(until: str, today: str, expected: bool) -> None:
    assert is_expected(until, date.fromisoformat(today)) is expected


def test_one_signal_alone_is_no_anomaly_but_a_reading_of_the_half_is() -> None:
    host = settled()
    read = host.night(read=host.held * 0.3)
    assert (names(read), read.anomaly) == ({"read"}, False)
    assert host.night(read=host.held * 0.6).anomaly


@pytest.mark.parametrize(
    ("read", "held", "found"),
    [
        (READ_LEAST - 1, 1, False),
        (READ_LEAST, 1, True),
        (49 * GB, 100 * GB, False),
        (50 * GB, 100 * GB, True),
        (None, 100 * GB, False),
        (READ_LEAST, None, True),
    ],
)
def test_how_much_is_a_reading(read: int | None, held: int | None, found: bool) -> None:
    assert bool(find_reading(read, held)) is found


@pytest.mark.parametrize(
    ("verb", "found"), [("backup", True), ("info", True), ("escrow", True), ("open", False), ("maintain", False)]
)
def test_whoever_reads_in_another_session_or_one_that_fails_is_found(verb: str, found: bool) -> None:
    entry = SessionEntry("web1", verb, "1" * 32, "", "failed", "client_failed", bytes_read=90 * GB, held_bytes=100 * GB)
    verdict = judge_session(settled().history, entry, 5)
    assert verdict.anomaly is found


def test_what_sessions_stored_that_brought_no_archive_counts_with_the_next() -> None:
    host = settled()
    data = host.size * host.ratio
    assert not host.fail(data * 0.5).anomaly
    assert not host.fail(data * 0.4).anomaly
    assert host.night().anomaly


def test_an_archive_that_is_far_too_small_is_told_by_that_alone() -> None:
    host = settled()
    host.size, host.files = host.size / 4, host.files / 4
    verdict = host.night(status="failed", code="shrunk")
    assert verdict.signals == () and host.waits == ""
    for _night in range(9):
        host.night(status="failed", code="shrunk")
    host.size, host.files = host.size * 2, host.files * 2
    assert names(host.night()) == {"lost_files", "lost_bytes"}, "those were not usual"


def test_what_a_person_accepted_as_so_small_is_usual() -> None:
    host = settled()
    host.size, host.files = host.size / 4, host.files / 4
    host.night(status="failed", code="shrunk")
    host.accept((f"{len(host.rows) - 1:064x}",))
    for _night in range(3):
        assert host.night().signals == ()
    assert delete_half(host).anomaly


def test_the_operators_own_change_explains_what_is_gone_and_nothing_else() -> None:
    for attack, found in ((delete_half, set()), (encrypt_all, {"new_bytes", "new_objects", "compression"})):
        host = settled()
        host.config = "less"
        assert names(attack(host)) == found
        assert bool(host.waits) == bool(found)
    host = settled()
    host.config = "less"
    host.night()
    assert delete_half(host).anomaly, "it explains one night"


def test_it_ends_after_five_backups_without_a_signal_and_not_after_others() -> None:
    host = settled()
    assert read_all(host).anomaly
    assert host.waits.startswith("unusual since 2026-02-19: read back ")
    seen = []
    for _night in range(5):
        host.fail(0)
        verdict = host.night()
        seen.append((verdict.normal, bool(verdict.since), bool(host.waits)))
    assert seen == [(1, True, True), (2, True, True), (3, True, True), (4, True, True), (0, False, False)]


def test_with_zero_only_a_person_ends_it() -> None:
    host = settled(needed=0)
    read_all(host)
    for _night in range(30):
        host.night()
    assert host.waits
    host.accept()
    assert host.waits == ""


def test_what_stays_changed_never_becomes_normal_by_itself() -> None:
    for attack in (delete_half, encrypt_all):
        host = settled()
        assert attack(host).anomaly
        for _night in range(40):
            assert host.night().signals
        assert host.waits
        host.accept()
        assert host.waits == ""
        for _night in range(10):
            assert host.night().signals == ()
        assert delete_half(host).anomaly, "compared with what was accepted"


def test_what_came_back_is_normal() -> None:
    host = settled()
    size, files = host.size, host.files
    delete_half(host)
    host.size, host.files = size, files
    for _night in range(5):
        assert host.night().signals == ()
    assert host.waits == ""


def test_a_second_anomaly_begins_the_wait_anew() -> None:
    host = settled()
    read_all(host)
    for _night in range(4):
        host.night()
    read_all(host)
    for _night in range(4):
        host.night()
    assert host.waits
    host.night()
    assert host.waits == ""


def test_a_dump_in_full_each_week_is_usual_after_two() -> None:
    host = settled(14)
    dumps = [0.7 if night % 7 == 6 else 0 for night in range(7 * 8)]
    found = [host.night(new=host.size * host.ratio * share).anomaly for share in dumps]
    assert found.count(True) <= 2 and not any(found[21:])


def test_an_old_ledger_knows_less_and_is_enough() -> None:
    host = settled()
    host.rows = [
        replace(row, entry=replace(row.entry, bytes_read=None, held_bytes=None, held_objects=None, unusual=None))
        for row in host.rows
        if isinstance(row.entry, SessionEntry)
    ]
    assert pending_anomaly(host.history, 5) == ""
    assert not host.night().anomaly
    assert encrypt_all(deepcopy(host)).anomaly and delete_half(deepcopy(host)).anomaly
    assert read_all(host).anomaly


@pytest.mark.parametrize(
    ("signal", "words"),
    [
        ({"name": "new_bytes", "value": 0.97, "low": 0, "high": 0.27}, "replaced data 97 % (usual: at most 27 %)"),
        ({"name": "read", "value": 61e9, "low": 0, "high": 67e6}, "read back 56.8 GiB (usual: at most 63.9 MiB)"),
        (
            {"name": "duration", "value": 7200, "low": 60, "high": 900},
            "time for the same 2 h 00 min (usual: 1 min 00 s to 15 min 00 s)",
        ),
        ({"name": "of a newer release", "value": 7, "low": 0, "high": 5}, "of a newer release 7 (usual: at most 5)"),
    ],
)
def test_a_signal_names_its_number_and_the_usual_band(signal: dict[str, object], words: str) -> None:
    assert describe_signal(signal) == words
