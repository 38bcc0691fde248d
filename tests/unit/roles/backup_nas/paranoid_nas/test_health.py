# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with a NAS: each thing that somebody should look at, and nothing where all is well."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from paranoid_nas import asking
from paranoid_nas.asking import ask
from paranoid_nas.disks import Disk, Smart, describe_disk, find_disk, read_smart
from paranoid_nas.health import (
    Limits,
    Line,
    Pool,
    judge,
    late,
    line_problems,
    list_alike,
    list_at_work,
    list_awaited,
    list_late,
    list_unknown,
    pool_problems,
    room_problems,
)
from paranoid_nas.measuring import measure_pool, measure_volume
from paranoid_nas.policy import DAY
from paranoid_nas.pools import Vdev, last_scrub, list_vdevs
from paranoid_nas.seen import (
    Attempt,
    Seen,
    add_copy,
    add_sample,
    add_scrub,
    begin_attempt,
    days_until_full,
    end_attempt,
    growth,
    load_seen,
    save_seen,
)
from paranoid_nas.storage import NasError
from paranoid_nas.volumes import last_volume_scrub, list_devices, volume_born, volume_problems
from paranoid_nas.zfs import Zfs
from tool import ROOT

START = 1_800_000_000
TIB = 1 << 40

STATUS = """  pool: tank
 state: {state}
  scan: {scan}
config:

        NAME        STATE     READ WRITE CKSUM
        tank        ONLINE       0     0     0
          mirror-0  ONLINE       0     0     0
            vdb     ONLINE       0     0     {errors}
            vdc     ONLINE       0     0     0

errors: {data}
"""
NONE = "No known data errors"
SCRUBBED = "scrub repaired {} in 00:00:01 with {} errors on Thu Nov 26 06:00:00 2026"


@pytest.mark.parametrize(
    ("state", "scan", "errors", "data", "said"),
    [
        ("ONLINE", SCRUBBED.format("0B", 0), "0", NONE, []),
        ("ONLINE", "none requested", "0", NONE, []),
        ("DEGRADED", SCRUBBED.format("0B", 0), "0", NONE, ["pool tank is DEGRADED"]),
        ("ONLINE", SCRUBBED.format("24.4M", 0), "0", NONE, ["the last scrub of tank repaired 24.4M"]),
        ("ONLINE", SCRUBBED.format("0B", 3), "0", NONE, ["the last scrub of tank left 3 errors"]),
        (
            "ONLINE",
            "none requested",
            "17",
            NONE,
            ["vdb of pool tank had 0 0 17 errors of reading, writing and checksums"],
        ),
        (
            "ONLINE",
            "none requested",
            "0",
            "2 data errors, use '-v' for a list",
            ["pool tank: 2 data errors, use '-v' for a list"],
        ),
    ],
)
def test_what_is_wrong_with_a_pool(state: str, scan: str, errors: str, data: str, said: list[str]) -> None:
    assert pool_problems("tank", STATUS.format(state=state, scan=scan, errors=errors, data=data)) == said


@pytest.mark.parametrize("said", ["block size: 512B configured, 4096B native", "(repairing)", "too many errors"])
def test_errors_of_a_device_are_told_whatever_else_stands_beside_them(said: str) -> None:
    status = STATUS.format(state="ONLINE", scan="none requested", errors=f"3  {said}", data="No known data errors")
    assert pool_problems("tank", status) == ["vdb of pool tank had 0 0 3 errors of reading, writing and checksums"]


def test_what_is_not_known_is_not_well() -> None:
    assert pool_problems("tank", "") == ["pool tank is unknown"]
    assert room_problems(Pool("tank", capacity="80%"), Limits()) == ["pool tank is 80 % full"]
    assert room_problems(Pool("tank", capacity="-"), Limits()) == ["how full pool tank is cannot be told"]
    assert late("x", None, START, 2) == ["x: there is none"]
    assert late("x", START - 3 * DAY, START, 2) == ["x: the newest is 3.0 days old"]
    assert late("x", START + 3 * DAY, START, 2) == ["x: the newest is 3.0 days ahead of the clock"]
    assert late("x", START - 2 * DAY - 8640, START, 2) == ["x: the newest is 2.1 days old"]
    assert late("x", START - 2 * DAY, START, 2) == late("x", START, START, 2) == []


FINE = Smart(passed=True, hours=900, bad_sectors=0, worn=3)
POOL = Pool(
    "tank", (), "42%", 42 * TIB // 100, TIB, 1e9, START - 400 * DAY, START - 9 * DAY,
    (Vdev("mirror-0", ("/dev/sda", "/dev/sdb")),),
    (Disk("/dev/sda", "WDC WD40EFRX", "WD-1", FINE), Disk("/dev/sdb", "ST4000VN008", "Z-2", FINE)),
)  # fmt: skip
SNAPSHOTS = Line("snapshots", "tank/backup", {"tank/backup/web1": START - DAY}, 2)
DISK = "disk sda (WDC WD40EFRX, WD-1) of pool tank"
UNSEEN = "no scrub of pool tank was seen: zpool scrub tank, and have it done each month"
NONE_YET = {"newest": {"tank/backup/web1": None}}
COPIES = Line("copies", "usb/copy", {"usb/copy/web1": START - 5 * DAY, "usb/copy/_server": START - 5 * DAY}, 8)


def sick(smart: Smart) -> dict[str, Any]:
    """The first disk of the pool as this."""
    return {"disks": (replace(POOL.disks[0], smart=smart), POOL.disks[1])}


@pytest.mark.parametrize(
    ("pool", "lines", "said"),
    [
        ({}, {}, ""),
        ({"unreadable": "zpool status tank: no such pool"}, {}, "pool tank: zpool status tank: no such pool"),
        (sick(Smart(passed=False)), {}, f"{DISK} says that it is failing (SMART): replace it"),
        (sick(Smart(True, bad_sectors=8)), {}, f"{DISK} could not read 8 of its sectors (SMART)"),
        (sick(Smart(True, worn=97)), {}, f"{DISK} is worn to 97 % (SMART)"),
        (sick(Smart(unknown="smartctl is not installed")), {}, ""),
        (
            {},
            {"newest": {"tank/backup/web1": START - 3 * DAY}},
            "snapshots of tank/backup/web1: the newest is 3.0 days old",
        ),
        ({}, {"newest": {"tank/backup/web1": None}}, "snapshots of tank/backup/web1: there is none"),
        (
            {},
            {"newest": {"tank/backup/web1": START + 9 * DAY}},
            "snapshots of tank/backup/web1: the newest is 9.0 days ahead of the clock",
        ),
        ({}, {"newest": {}}, "snapshots of tank/backup: there is none"),
        ({}, {"unreadable": "zfs get: no answer in time"}, "snapshots of tank/backup: zfs get: no answer in time"),
        ({}, {**NONE_YET, "due": {"tank/backup/web1": START + DAY}}, ""),
        ({}, {**NONE_YET, "due": {"tank/backup/web1": START - 3599}}, ""),
        ({}, {**NONE_YET, "due": {"tank/backup/web1": START - 3601}}, "snapshots of tank/backup/web1: there is none"),
        (
            {},
            {**NONE_YET, "due": {"tank/backup/web1": START + 9 * DAY}},
            "snapshots of tank/backup/web1: there is none",
        ),
        ({}, {**NONE_YET, "due": {"tank/backup/web2": START}}, "snapshots of tank/backup/web1: there is none"),
        (
            {},
            {"newest": {"tank/backup/web1": START - 3 * DAY}, "due": {"tank/backup/web1": START}},
            "snapshots of tank/backup/web1: the newest is 3.0 days old",
        ),
        ({"capacity": "79%"}, {}, ""),
        ({"capacity": "80%"}, {}, "pool tank is 80 % full"),
        ({"rate": 1e12}, {}, "pool tank is 42 % full, and full in 1 days if it goes on so"),
        ({"rate": -1e12}, {}, ""),
        ({"rate": None}, {}, ""),
        ({"scrubbed": START - 41 * DAY}, {}, "scrubs of pool tank: the newest is 41.0 days old"),
        ({"scrubbed": None}, {}, UNSEEN),
        ({"scrubbed": None, "born": START - 9 * DAY}, {}, ""),
        ({"scrubbed": None, "born": START + 9 * DAY}, {}, UNSEEN),
        ({"scrubbed": None, "born": None}, {}, UNSEEN),
    ],
)
def test_each_thing_that_is_wrong(pool: dict[str, Any], lines: dict[str, Any], said: str) -> None:
    found = judge([replace(POOL, **pool)], [replace(SNAPSHOTS, **lines), COPIES], START, Limits())
    assert found == ([said] if said else [])


def test_how_the_last_copy_went_is_told() -> None:
    """A failure is a problem, however young what came before it is; one that is at work is none."""
    ways = {"went well": Attempt(1, 2), "failed": Attempt(1, 2, "no answer in time"), "is at work": Attempt(START)}
    lines = {name: replace(COPIES, last=attempt) for name, attempt in ways.items()}
    said = {name: line_problems(line, START) for name, line in lines.items()}
    failed = "copies of usb/copy: the last run failed: no answer in time"
    assert said == {"went well": [], "failed": [failed], "is at work": []}
    assert list_late(lines["failed"], START) == [], "what is late is another question"
    (remark,) = list_at_work(lines.values())
    assert remark.startswith("copies of usb/copy: at work since 20") and remark.endswith(", or cut off")


def test_what_is_new_is_told_once_for_each_moment() -> None:
    due = {f"tank/backup/web{number}": float(START) for number in range(7)}
    line = replace(SNAPSHOTS, newest=dict.fromkeys(due), due={**due, "tank/backup/web6": START + 3600.0})
    copies = replace(COPIES, newest={"usb/copy/web1": None}, due={"usb/copy/web1": START - DAY + 1.0})
    one, two, three = list_awaited([line, copies], START)
    assert one.startswith("first snapshot due 2027-01-1") and one.endswith("web3, tank/backup/web4 and 1 more")
    assert two.endswith(": tank/backup/web6") and three.startswith("first copy due 2027-01-1")
    assert list_awaited([SNAPSHOTS, COPIES, replace(copies, due={"usb/copy/web1": START - DAY - 1.0})], START) == []


def test_what_is_most_urgent_comes_first_and_limits_can_be_set() -> None:
    bad = replace(POOL, faults=("pool tank is DEGRADED",), capacity="90%", scrubbed=START - 99 * DAY)
    late_copy = replace(COPIES, newest={**COPIES.newest, "usb/copy/db1": None})
    bad = replace(bad, disks=(replace(POOL.disks[0], smart=Smart(passed=False)),))
    words = [line.partition(" ")[0] for line in judge([bad], [SNAPSHOTS, late_copy], START, Limits())]
    assert words == ["pool", "disk", "copies", "pool", "scrubs"]
    assert Limits.of({"scrub": 100, "full_percent": "95", "new": 1}) == Limits(scrub=100, full_percent=95)
    assert judge([replace(POOL, capacity="90%")], [], START, Limits.of({"full_percent": 95})) == []


LAYOUT = """  pool: tank
 state: ONLINE
config:

\tNAME                                 STATE     READ WRITE CKSUM
\ttank                                 ONLINE       0     0     0
\t  raidz2-0                           ONLINE       0     0     0
\t    /dev/disk/by-id/ata-A_1-part1    ONLINE       0     0     0
\t    replacing-1                      DEGRADED     0     0     0
\t      /dev/sdb1                      UNAVAIL      0     0     0  was /dev/sdb1
\t      /dev/sdc1                      ONLINE       0     0     0  (resilvering)
\t    gptid/0f-1                       ONLINE       0     0     0
\t  /dev/sdz                           ONLINE       0     0     0
\tlogs
\t  mirror-2                           ONLINE       0     0     0
\t    nvme0n1                          ONLINE       0     0     0
\t    nvme1n1                          ONLINE       0     0     0
\tcache
\t  sdq                                ONLINE       0     0     0
\tspares
\t  sdr                                AVAIL

errors: No known data errors
"""


def test_the_groups_of_disks_are_read() -> None:
    raidz, alone, log = list_vdevs(LAYOUT)
    assert raidz.disks == ("/dev/disk/by-id/ata-A_1-part1", "/dev/sdb1", "/dev/sdc1", "gptid/0f-1")
    assert [(one.name, one.may_lose) for one in (raidz, alone, log)] == [
        ("raidz2-0", 2),
        ("/dev/sdz", 0),
        ("mirror-2", 1),
    ]
    assert Vdev("raidz1-0", ("a", "b")).may_lose == Vdev("draid1:4d:9c:1s-0", ("a", "b")).may_lose == 1
    assert list_vdevs(STATUS) == [Vdev("mirror-0", ("vdb", "vdc"))]
    assert list_vdevs("") == list_vdevs("config:\n\n\tNAME STATE\n") == []


@pytest.mark.parametrize(
    ("scan", "known"),
    [
        (SCRUBBED.format("0B", 0), True),
        (SCRUBBED.format("1M", 3).replace("Nov 26", "Nov  6"), True),
        ("scrub completed after 0h0m with 0 errors on Thu Nov 26 06:00:00 2026", True),
        ("none requested", False),
        ("scrub in progress since Thu Nov 26 06:00:00 2026", False),
        ("scrub canceled on Thu Nov 26 06:00:00 2026", False),
        ("resilvered 1M in 00:00:01 with 0 errors on Thu Nov 26 06:00:00 2026", False),
        (SCRUBBED.format("0B", 0).replace("Nov", "Xxx"), False),
        ("", False),
    ],
)
def test_when_the_last_scrub_ended(scan: str, known: bool) -> None:
    """Local time; what hides it is not taken for one."""
    day = 6 if "Nov  6" in scan else 26
    wanted = int(time.mktime((2026, 11, day, 6, 0, 0, 0, 0, -1))) if known else None
    assert last_scrub(STATUS.format(state="ONLINE", scan=scan, errors=0, data=NONE)) == wanted


def test_how_soon_a_pool_is_full() -> None:
    """By the median of slopes: a big client that came on one day does not make it full tomorrow."""
    seen = Seen()
    for hour in range(0, 24 * 30, 6):
        jump = 500 if hour > 24 * 20 else 0
        seen = add_sample(seen, "tank", START + hour * 3600, (1000 + hour // 24 * 10 + jump) << 20)
    samples = seen.samples["tank"]
    assert len(samples) == 30 and all(two[0] - one[0] >= 20 * 3600 for one, two in pairwise(samples))
    rate = growth(samples)
    assert rate is not None and 9 << 20 < rate < 32 << 20
    assert days_until_full(rate, samples[-1][1], samples[-1][1] + int(rate * 5)) == pytest.approx(5, 0.01)
    assert growth(samples[:6]) is growth([]) is None, "less than a week says nothing"
    assert days_until_full(None, 1, 2) is days_until_full(-5.0, 1, 2) is days_until_full(5.0, None, 2) is None
    early = add_sample(seen, "tank", START + 3600, 7)
    assert [at for at, _used in early.samples["tank"]] == [START], "those from the future went, one a day stays"
    many = Seen({"tank": [(START + day * DAY, 0) for day in range(60)]})
    assert len(add_sample(many, "tank", START + 60 * DAY, 1).samples["tank"]) == 60


def test_what_was_seen_is_kept_and_a_broken_file_is_nothing(tmp_path: Path) -> None:
    path = str(tmp_path / "seen")
    seen = add_copy(add_scrub(add_sample(Seen(), "tank", START, 5), "tank", START), "usb/copy", {"usb/copy/a": None})
    seen = end_attempt(
        begin_attempt(begin_attempt(seen, "usb/copy", START), "tank/copy", START), "usb/copy", START, "x"
    )
    save_seen(path, add_scrub(seen, "tank", None))
    assert load_seen(path) == seen and not list(tmp_path.glob("*.new"))
    assert seen.attempts == {"usb/copy": Attempt(START, START, "x"), "tank/copy": Attempt(START)}
    earlier = json.loads(Path(path).read_text())
    del earlier["attempts"]
    Path(path).write_text(json.dumps(earlier))
    assert load_seen(path) == replace(seen, attempts={}), "as an earlier release left it"
    for broken in ("", "[]", '{"samples": 1}', '{"samples": {"a": [[1]]}, "scrubs": {}, "copies": {}}', "null"):
        Path(path).write_text(broken)
        assert load_seen(path) == Seen()
    assert load_seen(str(tmp_path / "none")) == Seen()


ATA = {
    "model_name": "WDC", "power_on_time": {"hours": 31000}, "smart_status": {"passed": True},
    "ata_smart_attributes": {"table": [
        {"id": 5, "raw": {"value": 99}}, {"id": 197, "raw": {"value": 2}}, {"id": 198, "raw": {"value": 3}},
    ]},
}  # fmt: skip
SILENT = Smart(unknown="smartctl says nothing of its health")
NVME: dict[str, Any] = {
    "smart_status": {"passed": True}, "power_on_time": {"hours": 5},
    "nvme_smart_health_information_log": {"critical_warning": 0, "media_errors": 4, "percentage_used": 91},
}  # fmt: skip


@pytest.mark.parametrize(
    ("raw", "smart"),
    [
        (ATA, Smart(True, 31000, 3)),
        (ATA | {"smart_status": {"passed": False}}, Smart(False, 31000, 3)),
        (NVME, Smart(True, 5, 4, 91)),
        (NVME | {"nvme_smart_health_information_log": {"critical_warning": 4}}, Smart(False, 5)),
        ({}, SILENT),
        ({"smart_status": {"passed": "yes"}}, SILENT),
        ({"smart_status": True, "ata_smart_attributes": 1, "smartctl": []}, SILENT),
        (
            {"smartctl": {"messages": [{"string": "/dev/vda: Unable to\n detect device type"}]}},
            Smart(unknown="/dev/vda: Unable to detect device type"),
        ),
        (
            {
                "smart_status": {"passed": True},
                "power_on_time": {"hours": -1},
                "ata_smart_attributes": {"table": [7, {"id": 197, "raw": 1}]},
            },
            Smart(True),
        ),
    ],
)
def test_what_smartctl_says(raw: dict[str, Any], smart: Smart) -> None:
    assert read_smart(raw) == smart


def test_the_disk_below_a_partition_and_encryption() -> None:
    disk = {"path": "/dev/sda", "type": "disk", "model": "WDC", "serial": "1"}
    tree = [{"path": "/dev/mapper/x", "type": "crypt", "children": [{"type": "part", "children": [disk]}]}]
    assert find_disk(tree) == disk and find_disk([disk]) == disk
    assert find_disk(None) == find_disk([7, {"type": "part", "children": "x"}]) == {}


def test_an_answer_without_an_end_fills_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "LARGEST", 1_000_000)
    for stream in ("", " >&2"):
        with pytest.raises(NasError, match=r"sh -c .*: its answer has no end"):
            ask(["sh", "-c", f"exec yes{stream}"])
    code, said, complaint = ask(["sh", "-c", "head -c 900000 /dev/zero; echo no >&2; exit 3"])
    assert (code, len(said), complaint) == (3, 900_000, b"no\n")


def test_disks_are_found_and_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By what ZFS calls them; smartctl's exit code is no word of their health."""
    for name, said in (
        (
            "lsblk",
            {"blockdevices": [{"type": "part", "children": [{"type": "disk", "path": "/dev/zero", "model": "M"}]}]},
        ),
        ("smartctl", {"serial_number": "S", "smartctl": {"messages": [{"string": "/dev/zero: Unable to detect"}]}}),
    ):
        (tmp_path / name).write_text(f"#!/bin/sh\necho '{json.dumps(said)}'\nexit 4\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    until = time.monotonic() + 60
    unable = Smart(unknown="Unable to detect")
    assert describe_disk("/dev/null", until) == Disk("/dev/null", "M", "S", unable)
    assert describe_disk("null", until).smart == unable
    lost = describe_disk("ata-WDC_WD40_WD-WCC7-part1", until)
    assert lost.smart.unknown == "it is no disk that can be found" and lost.label == "ata-WDC_WD40_WD-WCC7-part1"
    assert describe_disk(str(tmp_path / "lsblk"), until).smart.unknown == "it is no disk that can be found"


def mirror(*disks: tuple[str, int | None], name: str = "mirror-0") -> Pool:
    """A pool of one group of disks, by model and hours."""
    made = tuple(Disk(str(place), model, "", Smart(True, hours)) for place, (model, hours) in enumerate(disks))
    return Pool("tank", vdevs=(Vdev(name, tuple(disk.name for disk in made)),), disks=made)


@pytest.mark.parametrize(
    ("pool", "alike"),
    [
        (mirror(("A", 9000), ("A", 9100)), "2 of 2"),
        (mirror(("A", None), ("A", 9100)), "2 of 2"),
        (mirror(("A", 9000), ("A", 20000)), ""),
        (mirror(("A", 9000), ("B", 9000)), ""),
        (mirror(("", 9000), ("", 9000)), ""),
        (mirror(("A", 1), ("A", 1), ("B", 1)), ""),
        (mirror(("A", 1), ("A", 1), ("B", 1), name="raidz1-0"), "2 of 3"),
        (mirror(("A", 1), ("A", 1), ("B", 1), ("C", 1), name="raidz2-0"), ""),
        (mirror(("B", 1), ("A", 1), ("A", 1), ("A", 1), name="raidz2-0"), "3 of 4"),
        (mirror(("A", 1), name="sda"), ""),
    ],
)
def test_disks_that_may_fail_together(pool: Pool, alike: str) -> None:
    """Those of one model and age, where the group may not lose as many; no fault, a remark."""
    said = list_alike(pool)
    assert (len(said), f"{alike} disks are of one model and age" in "".join(said)) == (
        (1, True) if alike else (0, False)
    )


def test_what_could_not_be_measured_is_said_once_for_all_disks() -> None:
    why = Smart(unknown="smartctl is not installed")
    pool = replace(POOL, disks=tuple(replace(disk, smart=why) for disk in POOL.disks))
    (line,) = list_unknown(pool)
    assert line.startswith("SMART of sda (WDC WD40EFRX, WD-1), sdb (ST4000VN008, Z-2) of pool tank: smartctl is not")


def test_a_command_that_hangs_is_not_waited_for() -> None:
    began = time.monotonic()
    with pytest.raises(NasError, match="no answer in time"):
        Zfs(["sleep"], until=began + 0.2).read("60")
    with pytest.raises(NasError, match="smartctl is not installed"):
        ask(["/nonexistent/smartctl"])
    assert time.monotonic() - began < 30


def test_a_machine_without_its_programs_is_told_so_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    assert measure_pool(Zfs(["/nosuch"]), "tank", Seen()).unreadable == "/nosuch is not installed"
    monkeypatch.setenv("PATH", "/nosuch")
    volume = measure_volume("/srv/backup", Seen(), time.monotonic() + 60)
    assert judge([volume], [], START, Limits()) == ["btrfs /srv/backup: btrfs is not installed"]


STATS = """[/dev/sda].write_io_errs    0
[/dev/sda].corruption_errs  {}
[/dev/sdb].write_io_errs    0
[/dev/sdb].corruption_errs  0
"""
USAGE = "Overall:\n    Device size:\t\t 134217728\n    Device missing:\t\t {}\n"
UNTOLD = "errors of the devices of btrfs /srv cannot be told"
MISSING = "a device of btrfs /srv is missing"


@pytest.mark.parametrize(
    ("stats", "usage", "said"),
    [
        (STATS.format(0), USAGE.format(0), []),
        (STATS.format(10), USAGE.format(0), ["/dev/sda of btrfs /srv counted 10 corruption_errs"]),
        (STATS.format(0), USAGE.format(1024), [MISSING]),
        (STATS.format(0), "", [MISSING]),
        ("", USAGE.format(0), [UNTOLD]),
    ],
)
def test_what_is_wrong_with_a_btrfs(stats: str, usage: str, said: list[str]) -> None:
    assert volume_problems("/srv", stats, usage) == said
    assert list_devices(stats) == (["/dev/sda", "/dev/sdb"] if stats else [])


DATE = "Thu Nov 26 06:00:00 2026"


@pytest.mark.parametrize(
    ("status", "known"),
    [
        (f"UUID:   f439\nScrub started:    {DATE}\nStatus:           finished\nDuration:         0:00:00\n", True),
        (f"Scrub started:    Thu Nov  5 06:00:00 2026\nScrub resumed:    {DATE}\nStatus:           finished\n", True),
        (f"scrub status for f439\n\tscrub started at {DATE} and finished after 00:00:10\n", True),
        (f"Scrub started:    {DATE}\nStatus:           running\n", False),
        (f"Scrub started:    {DATE}\nStatus:           aborted\n", False),
        (f"\tscrub started at {DATE}, running for 00:00:10\n", False),
        (f"\tscrub started at {DATE} and was aborted after 00:00:10\n", False),
        ("UUID:   f439\n\tno stats available\n", False),
        ("", False),
    ],
)
def test_when_a_btrfs_was_scrubbed(status: str, known: bool) -> None:
    wanted = int(time.mktime((2026, 11, 26, 6, 0, 0, 0, 0, -1))) if known else None
    assert last_volume_scrub(status) == wanted


def test_when_a_subvolume_was_made() -> None:
    assert volume_born("backup\n\tCreation time: \t\t2026-11-26 08:00:00 +0200\n") == 1_795_672_800
    assert volume_born("\tCreation time: \t\t-\n") is volume_born("") is volume_born("Creation time: 1 x 2") is None


def test_without_limits_of_ones_own_those_of_the_role_hold() -> None:
    """Configurations of earlier releases have none."""
    told = yaml.safe_load((ROOT / "roles/backup_nas/defaults/main.yml").read_text())
    names = ("late_snapshot_days", "late_copy_days", "late_scrub_days", "full_percent", "full_days")
    assert list(asdict(Limits.of({})).values()) == [told[f"backup_nas_{name}"] for name in names]


def test_datasets_that_are_late_are_named_and_the_root_stands_for_all() -> None:
    old = replace(SNAPSHOTS, newest={"tank/backup/web1": START - DAY, "tank/backup/db1": START - 9 * DAY})
    assert list_late(SNAPSHOTS, START) == []
    assert list_late(old, START) == ["tank/backup/db1"]
    assert list_late(replace(old, unreadable="no such pool"), START) == ["tank/backup"]
    assert list_late(replace(old, newest={}), START) == ["tank/backup"]
