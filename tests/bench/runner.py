# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What people and timers wait for, of a runner with many clients and a year of runs: status, next, a wake-up.

Each is a process of its own, as it is typed, the best of three. Budgets: `status` and `next` 0.3 s, a wake-up with
nothing due 0.3 s of processor time. Records that were read once are not read again, so all but the last are small.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

LIB = Path(__file__).parents[2] / "roles/backup_runner/files/lib"
CLOCK = "%Y-%m-%dT%H:%M:%SZ"


def make_record(run_id: str, clients: list[str], ended: datetime) -> str:
    """Return a record as the callback leaves it, about as large."""
    session = {
        "status": "ok",
        "code": "",
        "reason": "",
        "duration": 63.2,
        "bytes_received": 5 * 2**20,
        "log_tail": ["x" * 80] * 8,
    }
    rows = [
        {"name": name, "work": "backup", "state": "ok", "began": ended.strftime(CLOCK), "session": session}
        for name in clients
    ]
    return json.dumps(
        {
            "run_id": run_id, "status": "SUCCESS", "check": False, "mail": {"state": "sent", "error": ""},
            "clients": rows,
            "started": (ended - timedelta(hours=4)).strftime(CLOCK), "finished": ended.strftime(CLOCK),
        }
    )  # fmt: skip


def lay_out(root: Path, count: int, days: int) -> Path:
    """Write the configuration, a record a day, and what the runner remembers of them."""
    clients = [f"web{place:04}.example.org" for place in range(count)]
    now = datetime.now(UTC)
    state, reports = root / "state", root / "reports"
    state.mkdir()
    names = []
    for day in reversed(range(days)):
        ended = now - timedelta(days=day, minutes=5)
        name = f"{ended:%Y%m%dT%H%M%SZ}-00000000"
        (reports / name).mkdir(parents=True)
        (reports / name / "record.json").write_text(make_record(name, clients if day < 2 else clients[:1], ended))
        names.append(name)
    done = (now - timedelta(minutes=5)).isoformat()
    pasts = [
        {"work": "backup", "client": name, "succeeded": done, "failed": [], "took": [60.0] * 5}
        for name in ("", *clients)
    ]
    (state / "pasts.json").write_text(json.dumps({"seen": names, "pasts": pasts}))
    rules = {"every": "1d", "days": [], "window": "22:00-06:00", "timezone": "Europe/Berlin", "spread": True}
    config = {
        "project": str(root), "inventory": str(root), "state": str(state), "reports": str(reports),
        "programs": str(root),
        "hours": 24, "playbooks": dict.fromkeys(("backup", "maintain", "compact", "audit", "drill"), "none"),
        "clients": dict.fromkeys(clients, rules), "upkeep": {},
    }  # fmt: skip
    (root / "runner.json").write_text(json.dumps(config))
    return root / "runner.json"


def measure(config: Path, *words: str) -> tuple[float, float]:
    """Return wall seconds and processor seconds of a command."""
    argv = [sys.executable, "-I", str(LIB), *words, "--config", str(config)]
    best = (1e9, 1e9)
    for _turn in range(3):
        began, before = time.monotonic(), os.times()
        subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
        after = os.times()
        cpu = after.children_user + after.children_system - before.children_user - before.children_system
        best = min(best, (time.monotonic() - began, cpu))
    return best


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--clients", type=int, default=5000)
    parser.add_argument("--days", type=int, default=365)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        config = lay_out(Path(directory), options.clients, options.days)
        for words in (("next", "web0001.example.org"), ("next",), ("status",), ("history",), ("run", "--due")):
            wall, cpu = measure(config, *words)
            print(f"{' '.join(words):30} {wall:6.2f} s {cpu:6.2f} CPU s")


if __name__ == "__main__":
    main()
