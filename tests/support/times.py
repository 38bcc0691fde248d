# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long tests take: kept in the cache, so that the longest scopes start first and ``make times`` shows them all."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / ".cache/times.json"
LAB = "tests/lab/"
SHOWN = 10.0  # seconds; faster groups are summed up in one line


@dataclass
class Time:
    """Seconds that a test took, and how many of them its fixtures took."""

    total: float = 0.0
    fixtures: float = 0.0


def scope_of(nodeid: str) -> str:
    """Return what stays in one process, in its order: all tests of the lab, which costs minutes to make, or a file."""
    path = nodeid.split("::")[0]
    return LAB if path.startswith(LAB) else path


def group_of(nodeid: str) -> str:
    """Return what a row of the table stands for: a folder of lab tests, or any other file."""
    path = nodeid.split("::")[0]
    return path.rsplit("/", 1)[0] if path.startswith(LAB) else path


def load_times() -> dict[str, Time]:
    """Return the last time of each test whose file is still there, by its id; nothing where no test has run yet."""
    if not KEPT.exists():
        return {}
    known = json.loads(KEPT.read_text()).items()
    return {nodeid: Time(**time) for nodeid, time in known if (ROOT / nodeid.split("::")[0]).exists()}


def save_times(times: Mapping[str, Time]) -> None:
    """Keep these times, and those of the tests that did not run this time."""
    known = load_times() | dict(times)
    partial = KEPT.with_suffix(f".{os.getpid()}")  # two runs may end at the same time
    partial.write_text(json.dumps({nodeid: asdict(time) for nodeid, time in sorted(known.items())}, indent=0))
    partial.replace(KEPT)


def order_by_time(nodeids: Iterable[str], times: Mapping[str, Time]) -> Callable[[str], float]:
    """Return a sort key that puts the tests of the longest scopes first."""
    seconds: dict[str, float] = defaultdict(float)
    for nodeid in nodeids:
        seconds[scope_of(nodeid)] += times.get(nodeid, Time()).total
    return lambda nodeid: -seconds[scope_of(nodeid)]


def format_times(times: Mapping[str, Time]) -> list[str]:
    """Return a table of the longest groups, and a sum for each folder."""
    groups = _sum_by(group_of, times)
    folders = _sum_by(lambda nodeid: "/".join(nodeid.split("::")[0].split("/")[:2]), times)
    long = {name: row for name, row in groups.items() if row[0] >= SHOWN}
    lines = [" seconds  fixtures  tests  group"]
    lines += [_row(name, *row) for name, row in sorted(long.items(), key=lambda item: -item[1][0])]
    lines.append("")
    lines += [_row(name, *row) for name, row in sorted(folders.items(), key=lambda item: -item[1][0])]
    return lines


def _sum_by(name_of: Callable[[str], str], times: Mapping[str, Time]) -> dict[str, tuple[float, float, int]]:
    sums: dict[str, tuple[float, float, int]] = defaultdict(lambda: (0.0, 0.0, 0))
    for nodeid, time in times.items():
        total, fixtures, tests = sums[name_of(nodeid)]
        sums[name_of(nodeid)] = (total + time.total, fixtures + time.fixtures, tests + 1)
    return sums


def _row(name: str, total: float, fixtures: float, tests: int) -> str:
    return f"{total:8.1f}  {fixtures:8.1f}  {tests:5}  {name}"


if __name__ == "__main__":
    print("\n".join(format_times(load_times())))
