# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies beside each other: who waits for whom, whose disk comes and goes, and what is told of each."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from paranoid_nas import copying
from paranoid_nas.locks import alone, for_copy, on_disk
from paranoid_nas.policy import Rules
from paranoid_nas.seen import Attempt, Seen, load_seen, place_of_seen
from paranoid_nas.storage import NasError

PATIENCE = 60.0  # seconds that no test waits
Work = Callable[[str], list[str]]


class Machine:
    """ZFS of a machine with disks that can be plugged in; ``asked`` is what it was asked."""

    def __init__(self, imported: Sequence[str] = (), plugged: Sequence[str] = ("usb",), fails: str = "") -> None:
        self.imported, self.plugged, self.fails = set(imported), plugged, fails
        self.asked: list[str] = []

    def read(self, *argv: str) -> str:
        self.asked.append(" ".join(argv))
        _program, verb, *_options, pool = argv
        if verb == "list":
            return "\n".join(self.imported)
        if self.fails == "old" and "-N" in argv:
            raise NasError(f"zpool import {pool}: invalid option 'N' usage: import [-d dir] [-D]")
        if self.fails == verb:
            raise NasError(f"zpool {verb} {pool}: a disk hangs")
        if verb == "import" and pool not in self.plugged:
            raise NasError(f"zpool import {pool}: cannot import '{pool}': no such pool available")
        change = self.imported.add if verb == "import" else self.imported.remove
        change(pool)
        if verb == "import" and self.fails == "import after another":
            raise NasError(f"zpool import {pool}: cannot import '{pool}': a pool with that name already exists")
        return ""

    def has(self, name: str) -> bool:
        return name != "new/copy"

    def count(self, verb: str) -> int:
        return sum(one.startswith(f"zpool {verb} ") for one in self.asked)


class Copies:
    """A configuration of copies of here/backup; ``work`` stands for all that a copy does."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, machine: Machine) -> None:
        self.path, self.said, self.let_go = str(folder / "nas.json"), list[str](), list[tuple[str, Rules]]()
        self.made: list[str] = []
        self.work: Work = lambda _copy: []
        monkeypatch.setattr(copying, "zfs_of", lambda *_words: machine)
        monkeypatch.setattr(copying, "replicate", self.replicate)
        monkeypatch.setattr(copying, "measure_arrived", lambda _source, _root, _target, copy: {copy: 1000})
        monkeypatch.setattr(copying, "release_expired", self.release)

    def replicate(self, _source: Any, root: str, _target: Any, copy: str, *_rest: Any) -> list[str]:
        assert root == "here/backup"
        self.made.append(copy)
        return self.work(copy)

    def release(self, _zfs: Any, copy: str, _now: float, rules: Rules, _say: Any) -> list[str]:
        self.let_go.append((copy, rules))
        return [f"{copy}@old: it is held"] if copy == "held/copy" else []

    def run(self, *names: str, is_daily: bool = False, **settings: Any) -> list[str]:
        common = {"source": "here/backup", "hold_days": 30, **settings}
        config = {"copies": [{**common, "dataset": name} for name in names]}
        return copying.copy_all(config, self.path, self.said.append, is_daily)

    def seen(self) -> Seen:
        return load_seen(place_of_seen(self.path))


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
def copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, machine: Machine) -> Copies:
    return Copies(tmp_path, monkeypatch, machine)


def fail(copy: str) -> list[str]:
    """What replicate would do."""
    if copy == "a/copy":
        return ["web1 failed", "db1 failed"]
    if copy == "b/copy":
        raise NasError("no answer")
    return []


def test_what_was_wrong_comes_in_the_order_of_the_copies_and_is_remembered(copies: Copies) -> None:
    copies.work = fail
    assert copies.run("a/copy", "b/copy", "c/copy") == ["web1 failed", "db1 failed", "no answer"]
    seen = copies.seen()
    assert {name: one.failure for name, one in seen.attempts.items()} == {
        "a/copy": "web1 failed", "b/copy": "no answer", "c/copy": "",
    }  # fmt: skip
    assert all(isinstance(one, Attempt) and one.ended for one in seen.attempts.values())
    assert seen.copies == {"a/copy": {"a/copy": 1000}, "c/copy": {"c/copy": 1000}}, "nothing of what cannot be told"
    assert copies.run() == []


def test_what_has_had_its_time_goes_where_there_is_something(copies: Copies) -> None:
    assert copies.run("new/copy", "held/copy", "c/copy", hold_days=7) == ["held/copy@old: it is held"]
    assert sorted(copies.let_go, key=str) == [("c/copy", Rules(7)), ("held/copy", Rules(7))]
    assert copies.seen().attempts["held/copy"].failure == "held/copy@old: it is held"
    assert sorted(copies.made) == ["c/copy", "held/copy", "new/copy"], "and each is made all the same"


def test_a_copy_that_another_run_is_at_work_on_is_left_to_it(copies: Copies) -> None:
    busy = "another run is at work on a/copy: let it finish"
    with alone(copies.path, for_copy("a/copy")):
        assert copies.run("a/copy", "b/copy") == [busy] and copies.said == []
        assert copies.run("a/copy", "b/copy", is_daily=True) == [] and copies.said == [busy]
    assert copies.made == ["b/copy", "b/copy"] and set(copies.seen().attempts) == {"b/copy"}
    assert copies.run("a/copy", is_daily=True) == [] and copies.made[2:] == ["a/copy"]


def test_while_one_is_at_work_the_others_are_made_again(copies: Copies, monkeypatch: pytest.MonkeyPatch) -> None:
    often = threading.Event()

    def work(copy: str) -> list[str]:
        if copy == "slow/copy":
            assert often.wait(PATIENCE)
            return ["it was cut off"]
        count = copies.made.count(copy)
        if count == 3:
            monkeypatch.setattr(copying, "AGAIN", 3600.0)
            often.set()
        return [f"run {count}"]

    copies.work = work
    monkeypatch.setattr(copying, "AGAIN", 0.05)
    wrong = copies.run("slow/copy", "quick/copy")
    assert wrong[0] == "it was cut off" and len(wrong) == 2, "of each what was wrong last"
    assert wrong[1].startswith("run ") and int(wrong[1][4:]) >= 3 and copies.made.count("slow/copy") == 1
    copies.made.clear()
    copies.work = lambda _copy: []
    assert copies.run("slow/copy", "quick/copy") == [] and len(copies.made) == 2, "once, where none is slow"


def test_a_disk_stays_until_the_last_copy_on_it_is_done(copies: Copies, machine: Machine) -> None:
    both = threading.Barrier(2)

    def work(_copy: str) -> list[str]:
        both.wait(PATIENCE)
        assert machine.imported == {"usb"}
        return []

    copies.work = work
    assert copies.run("usb/a", "usb/b", removable=True) == []
    assert (machine.count("export"), machine.imported) == (1, set())


@pytest.mark.parametrize("fails", [True, False])
def test_a_disk_goes_also_when_its_copy_failed_or_was_there_before(
    copies: Copies, machine: Machine, fails: bool
) -> None:
    machine.imported.add("usb")
    copies.work = fail if fails else copies.work
    assert copies.run("usb/copy", removable=True) == []
    assert (machine.count("import"), machine.count("export"), machine.imported) == (0, 1, set())
    machine.imported.add("a")
    assert copies.run("a/copy", removable=True) == (["web1 failed", "db1 failed"] if fails else [])
    assert machine.imported == set()


def test_a_disk_that_another_run_works_on_stays(copies: Copies, machine: Machine) -> None:
    with alone(copies.path, on_disk("usb")):
        assert copies.run("usb/copy", removable=True) == [] and machine.imported == {"usb"}
    assert copies.run("usb/copy", removable=True) == [] and machine.imported == set()


def test_a_disk_that_is_not_plugged_in_is_well(copies: Copies, machine: Machine) -> None:
    assert copies.run("none/copy", removable=True) == [] and copies.said == ["none is not plugged in"]
    assert (copies.made, copies.seen().attempts, machine.count("export")) == ([], {}, 0)
    copies.run("none/copy")
    assert copies.made == ["none/copy"] and machine.asked[2:] == ["zpool list -H -o name"], (
        "one that stays is not asked for"
    )


def test_nothing_of_a_disk_is_mounted(copies: Copies, machine: Machine) -> None:
    """One that somebody swapped has a pool of that name, with datasets for /etc and wherever programs lie."""
    assert copies.run("usb/copy", removable=True) == []
    imports = [one for one in machine.asked if one.startswith("zpool import")]
    assert imports == ["zpool import -N -o cachefile=none usb"]
    machine.fails = "old"
    assert copies.run("usb/copy", removable=True) == [] and "zpool import usb" in machine.asked


@pytest.mark.parametrize(
    ("fails", "wrong"),
    [
        ("import", ["zpool import usb: a disk hangs"]),
        ("export", ["zpool export usb: a disk hangs"]),
        ("import after another", []),
    ],
)
def test_what_is_wrong_with_a_disk_is_told_and_remembered(
    copies: Copies, machine: Machine, fails: str, wrong: list[str]
) -> None:
    machine.fails = fails
    assert copies.run("usb/copy", removable=True) == wrong
    assert copies.seen().attempts["usb/copy"].failure == "".join(wrong)
    assert copies.made == ([] if fails == "import" else ["usb/copy"])
