# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a whole NAS is found to be, from what invented commands say: the ages that the page and the run go by."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from paranoid_nas import asking
from paranoid_nas.measuring import look, measure_arrived, remember_pools
from paranoid_nas.policy import DAY
from paranoid_nas.seen import Seen, add_copy
from paranoid_nas.zfs import Zfs

NOW = 1_800_000_000
SCRUBBED = time.strftime("%a %b %d %H:%M:%S %Y", time.localtime(NOW - 3 * DAY))
STATUS = f"  pool: x\n state: ONLINE\n  scan: scrub repaired 0B in 00:00:01 with 0 errors on {SCRUBBED}\nerrors: "
STATUS += "No known data errors\n"
USUAL = "standard\tlatency"
CONFIG: dict[str, Any] = {"dataset": "tank/backup", "copies": [], "snapshot_at": "02:00"}


class Nas:
    """A machine with ZFS: ``datasets`` are born so many days ago, ``snapshots`` taken so many days ago."""

    def __init__(self, **changes: Any) -> None:
        self.pools = ["tank"]
        self.datasets = {"tank/backup": 90.0, "tank/backup/db1": 90.0, "tank/backup/web1": 90.0}
        self.snapshots = {"tank/backup": [9.0], "tank/backup/db1": [2.5, 0.5], "tank/backup/web1": [1.25, 0.25]}
        self.room = (40, 60)  # bytes in use and free
        self.said: dict[str, str] = {}
        self.lossy: dict[str, str] = {}  # sync and logbias of a dataset, where they are not the usual ones
        for name, value in changes.items():
            setattr(self, name, value)

    def __call__(self, argv: Sequence[str], *_how: Any) -> tuple[int, bytes, bytes]:
        said = self._answer(" ".join(argv), argv[-1])
        return (1, b"", b"no answer") if said is None else (0, said.encode(), b"")

    def _answer(self, words: str, name: str) -> str | None:
        below = {one: born for one, born in self.datasets.items() if f"{one}/".startswith(f"{name}/")}
        known = {
            "zpool list -H -o name": "\n".join(self.pools),
            f"zpool status {name}": STATUS,
            f"zpool status -P {name}": STATUS,
            f"zpool list -H -o capacity {name}": f"{self.room[0]}%\n",
            f"zfs get -Hp -o value used {name}": f"{self.room[0]}\n",
            f"zfs get -Hp -o value used,available,creation {name}": "{}\n{}\n{}\n".format(*self.room, NOW - 99 * DAY),
            f"zfs list -H -t filesystem -o name -r {name}": "\n".join(below),
            f"zfs list -H -t filesystem -o name,sync,logbias -r {name}": "\n".join(
                f"{one}\t{self.lossy.get(one, USUAL)}" for one in below
            ),
            f"zfs get -Hp -o value creation {name}": f"{int(NOW - below.get(name, 0) * DAY)}\n",
            f"zfs get -rHp -o name,property,value creation,userrefs {name}": self._list_snapshots(list(below)),
            **self.said,
        }
        is_there = name.partition("/")[0] in self.pools or words in self.said or words == "zpool list -H -o name"
        return known.get(words) if is_there else None

    def _list_snapshots(self, datasets: list[str]) -> str:
        rows = []
        for dataset in datasets:
            for days in self.snapshots.get(dataset, []):
                name = f"{dataset}@paranoid-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(NOW - days * DAY))}-daily"
                rows += [f"{name}\tcreation\t{int(NOW - days * DAY)}", f"{name}\tuserrefs\t1"]
            rows.append(f"{dataset}@by-hand\tcreation\t{NOW}")
        return "\n".join(rows)


def measure(
    monkeypatch: pytest.MonkeyPatch, seen: Seen | None = None, copies: Sequence[dict[str, Any]] = (), **changes: Any
) -> dict[str, Any]:
    monkeypatch.setattr(asking, "ask", Nas(**changes))
    return look({**CONFIG, "copies": copies}, seen or Seen(), NOW)


def days(found: dict[str, Any], what: str) -> float | None:
    age = found["ages"][what]
    return None if age is None else age / DAY


def test_what_is_well_is_without_a_line_and_the_oldest_of_the_newest_is_its_age(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = measure(monkeypatch)
    assert found["problems"] == found["remarks"] == found["unknown"] == []
    assert (days(found, "snapshot"), days(found, "scrub"), days(found, "copy")) == (0.5, 3, None)
    assert found["newest"] == {
        "tank/backup": {"tank/backup/db1": NOW - DAY // 2, "tank/backup/web1": NOW - DAY // 4}
    }, "the parent of the clients has no data"
    assert found["lines"] == [{"what": "snapshots", "root": "tank/backup", "late": []}]
    told = {"capacity": "40%", "used": 40, "size": 100, "full_in_days": None, "disks": []}
    assert (found["pools"], found["measured"], found["schema"]) == ({"tank": told}, NOW, 1)


def test_one_that_is_late_makes_all_as_old_and_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    snapshots = {"tank/backup/db1": [5.0], "tank/backup/web1": [0.25]}
    found = measure(monkeypatch, snapshots=snapshots)
    assert days(found, "snapshot") == 5 and found["lines"][0]["late"] == ["tank/backup/db1"]
    assert found["problems"] == ["snapshots of tank/backup/db1: the newest is 5.0 days old"]


def test_what_a_power_cut_would_lose_is_told_when_it_came_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set on a dataset or inherited, of a copy as well, and of logbias, which no TrueNAS shows otherwise."""
    lossy = {"tank/backup/db1": "disabled\tthroughput", "tank/backup/web1": "disabled\tlatency"}
    copies = [{"dataset": "usb/copy", "source": "tank/backup"}]
    known: dict[str, Any] = {"datasets": {**Nas().datasets, "usb/copy": 9.0}, "pools": ["tank", "usb"]}
    problems = measure(monkeypatch, copies=copies, lossy={**lossy, "usb/copy": "always\tthroughput"}, **known)[
        "problems"
    ]
    loses = ": a power cut loses what was acknowledged (zfs set "
    assert problems[:3] == [
        f"sync=disabled of tank/backup/db1, tank/backup/web1{loses}sync=standard tank/backup/db1)",
        f"logbias=throughput of tank/backup/db1{loses}logbias=latency tank/backup/db1)",
        f"logbias=throughput of usb/copy{loses}logbias=latency usb/copy)",
    ]
    assert not any("lose" in line for line in measure(monkeypatch)["problems"])
    said = {"zfs list -H -t filesystem -o name,sync,logbias -r tank/backup": None}
    assert measure(monkeypatch, said=said)["problems"] == [], "ZFS of before those properties"
    away = [{"dataset": "away/copy", "source": "tank/backup", "removable": True}]
    assert not any(
        "acknowledged" in line
        for line in measure(monkeypatch, copies=away, lossy={"away/copy": "disabled\tx"})["problems"]
    )


def test_where_one_has_none_no_age_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    found = measure(monkeypatch, snapshots={"tank/backup/web1": [0.25]})
    assert days(found, "snapshot") is None and found["lines"][0]["late"] == ["tank/backup/db1"]
    assert found["problems"] == ["snapshots of tank/backup/db1: there is none"] and found["first_due"] == {}


def test_what_is_new_has_until_its_first_daily_one(monkeypatch: pytest.MonkeyPatch) -> None:
    new = {"tank/backup": 90.0, "tank/backup/db1": 0.01, "tank/backup/web1": 90.0}
    found = measure(monkeypatch, datasets=new, snapshots={"tank/backup/web1": [0.25]})
    assert found["problems"] == [] and days(found, "snapshot") == 0.25, "and makes nothing as old as nobody knows"
    assert list(found["first_due"]) == ["tank/backup/db1"]
    due = found["first_due"]["tank/backup/db1"]
    assert NOW - 0.01 * DAY < due <= NOW + DAY and time.localtime(due)[3:5] == (2, 0)
    assert len(found["remarks"]) == 1 and "tank/backup/db1" in found["remarks"][0]


def test_without_any_client_the_parent_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    found = measure(monkeypatch, datasets={"tank/backup": 90.0})
    assert found["newest"] == {"tank/backup": {"tank/backup": NOW - 9 * DAY}}
    assert found["problems"] == ["snapshots of tank/backup: the newest is 9.0 days old"]


def test_what_cannot_be_read_is_told_and_has_no_age(monkeypatch: pytest.MonkeyPatch) -> None:
    found = measure(monkeypatch, pools=[])
    assert found["ages"] == {"snapshot": None, "copy": None, "scrub": None}
    assert found["lines"][0]["late"] == ["tank/backup"]
    assert [line.partition(":")[0] for line in found["problems"]] == ["pool tank", "snapshots of tank/backup"]
    blank = measure(monkeypatch, said={"zfs get -Hp -o value used,available,creation tank": "40\n-\n0\n"})
    assert "pool tank: " in blank["problems"][0] and blank["pools"]["tank"]["used"] is None


def test_a_pool_that_forgot_its_scrub_has_the_one_that_was_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    said = {f"zpool status{option} tank": " state: ONLINE\n" for option in ("", " -P")}
    seen = Seen(scrubs={"tank": NOW - 7 * DAY}, samples={"tank": [(NOW - day * DAY, 40 - day) for day in (9, 5, 1)]})
    found = measure(monkeypatch, seen, said=said)
    assert days(found, "scrub") == 7 and found["problems"] == []
    assert found["pools"]["tank"]["full_in_days"] == 60
    assert days(measure(monkeypatch, said=said), "scrub") is None


COPY = {"dataset": "usb/copy"}
PLACES = ("usb/copy/_server", "usb/copy/db1", "usb/copy/web1")


def with_copy(**ages: float) -> dict[str, Any]:
    """Return a NAS with a second pool, which has these copies."""
    nas, copies = Nas(), {f"usb/copy/{name}": [age] for name, age in ages.items()}
    datasets = {**nas.datasets, "usb/copy": 90.0, **dict.fromkeys(copies, 90.0)}
    return {"pools": ["tank", "usb"], "datasets": datasets, "snapshots": {**nas.snapshots, **copies}}


def test_a_copy_has_what_its_source_has_and_a_client_that_never_came_is_missed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = measure(monkeypatch, copies=[COPY], **with_copy(_server=1, db1=2, web1=3))
    assert whole["problems"] == [] and days(whole, "copy") == 3 and days(whole, "snapshot") == 0.5
    assert whole["newest"]["usb/copy"] == {
        place: NOW - age * DAY for place, age in zip(PLACES, (1, 2, 3), strict=True)
    } and set(whole["pools"]) == {"tank", "usb"}
    lacks = measure(monkeypatch, copies=[COPY], **with_copy(_server=1, web1=3))
    assert lacks["problems"] == ["copies of usb/copy/db1: there is none"] and days(lacks, "copy") is None
    assert lacks["lines"][1] == {"what": "copies", "root": "usb/copy", "late": ["usb/copy/db1"]}


@pytest.mark.parametrize(("late_days", "is_late"), [(None, False), (3.5, False), (2.5, True)])
def test_each_copy_is_late_by_its_own_days(
    monkeypatch: pytest.MonkeyPatch, late_days: float | None, is_late: bool
) -> None:
    found = measure(monkeypatch, copies=[{**COPY, "late_days": late_days}], **with_copy(_server=3, db1=3, web1=3))
    assert bool(found["lines"][1]["late"]) is is_late


def test_a_copy_of_another_machine_has_what_was_seen_there(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = add_copy(Seen(), "usb/copy", {"usb/copy/far": NOW - DAY, "usb/copy/gone": NOW - DAY})
    for copy in ({**COPY, "source": "far/backup"}, {**COPY, "source_command": "ssh far"}):
        found = measure(monkeypatch, seen, copies=[copy], **with_copy(far=2))
        assert found["newest"]["usb/copy"] == {"usb/copy/far": NOW - 2 * DAY, "usb/copy/gone": None}
        new = measure(monkeypatch, copies=[copy], **with_copy(far=2))
        assert new["newest"]["usb/copy"] == {"usb/copy/far": NOW - 2 * DAY}, "nothing was seen: what is here counts"


def test_a_disk_that_is_not_plugged_in_has_what_was_seen_and_grows_old(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = add_copy(Seen(), "usb/copy", dict.fromkeys(PLACES, NOW - 4 * DAY))
    removable = {**COPY, "removable": True}
    found = measure(monkeypatch, seen, copies=[removable])
    assert found["problems"] == [] and days(found, "copy") == 4 and set(found["pools"]) == {"tank"}
    late = measure(monkeypatch, seen, copies=[{**removable, "late_days": 3}])
    assert late["lines"][1]["late"] == list(PLACES)
    never = measure(monkeypatch, copies=[removable])
    assert never["problems"] == ["copies of usb/copy: there is none"] and days(never, "copy") is None
    fixed = measure(monkeypatch, seen, copies=[COPY])
    assert [line.partition(":")[0] for line in fixed["problems"]] == ["pool usb", "copies of usb/copy"]
    assert days(fixed, "copy") is None


def test_what_is_remembered_is_of_pools_that_are_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "ask", Nas())
    seen = remember_pools({**CONFIG, "copies": [COPY]}, Seen(), NOW)
    assert seen == Seen({"tank": [(NOW, 40)]}, {"tank": NOW - 3 * DAY})


def test_a_copy_is_remembered_with_what_it_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "ask", Nas(**with_copy(db1=2)))
    newest = measure_arrived(Zfs(), "tank/backup", Zfs(), "usb/copy")
    assert newest == dict(zip(PLACES, (None, NOW - 2 * DAY, None), strict=True))


def test_a_btrfs_is_measured_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    place = "/srv/backup"
    show = "x\n\tCreation time: \t\t2026-01-01 00:00:00 +0000\n"
    said = {
        f"btrfs device stats {place}": "[/dev/nosuch].write_io_errs    0\n",
        f"btrfs filesystem usage -b {place}": "Overall:\n    Device missing:\t\t 0\n",
        f"btrfs subvolume show {place}": show,
        f"btrfs scrub status {place}": f"Scrub started:    {SCRUBBED}\nStatus:           finished\n",
    }
    monkeypatch.setattr(asking, "ask", Nas(pools=[], said=said))
    room = SimpleNamespace(f_blocks=1000, f_bavail=250, f_bfree=300, f_frsize=4096)
    monkeypatch.setattr(os, "statvfs", lambda _path: room)
    config = {"dataset": place, "storage": "btrfs", "copies": []}
    pool = look(config, Seen(), NOW)
    assert days(pool, "scrub") == 3
    assert pool["pools"][place].items() >= {"capacity": "75%", "used": 750 * 4096, "size": 1000 * 4096}.items()
    assert remember_pools(config, Seen(), NOW) == Seen({place: [(NOW, 750 * 4096)]}, {place: NOW - 3 * DAY})
    gone = look(config, Seen(), NOW) if said.pop(f"btrfs device stats {place}") else {}
    assert gone["pools"][place]["used"] is None and gone["problems"][0].startswith(f"btrfs {place}: ")
