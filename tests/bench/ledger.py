# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How fast is a ledger of 5,000 clients and a year? Run with the collections' root on PYTHONPATH; needs 2 GB of disk.

The entries are real ones, linked and inserted through the triggers, but in one transaction, because a year of nights
takes a year. What is measured afterwards is measured through the same methods that report, retention and watch call.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from ansible_collections.paranoid.backup.plugins.module_utils._ledger.chain import EMPTY, ChainHead, Link, link_hash
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import (
    FreezeEntry,
    ReportedArchive,
    SessionEntry,
    encode,
)
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.ledger import Ledger
from ansible_collections.paranoid.backup.plugins.module_utils._retention.rules import parse_rules, plan

START = datetime(2025, 11, 21, 1, 0, tzinfo=UTC)
RULES = parse_rules({"within": "2d", "daily": 14, "weekly": 8, "monthly": 12, "minimum": 3})


def session(client: int, day: int) -> SessionEntry:
    """One night of one client, of a real entry's size; every hundredth fails."""
    ok = (client + day) % 100 != 0
    begin = (START + timedelta(days=day, seconds=client)).isoformat()
    name = f"client{client:04d}-{begin}"
    numbers = {"original_size": 214_000_000_000, "compressed_size": 98_000_000_000, "deduplicated_size": 812_000_000}
    return SessionEntry(
        client=f"client{client:04d}",
        verb="backup",
        session=f"{client * 1000 + day:032x}",
        run_id=f"run{day:03d}",
        status="ok" if ok else "failed",
        code="" if ok else "unreachable",
        reason="" if ok else "connect to 192.0.2.7 port 22: Connection timed out",
        started=begin,
        finished=begin,
        duration=70.2,
        bytes_received=812_000_000,
        bytes_sent=4_000_000,
        commits=int(ok),
        manifests=int(ok),
        archive=ReportedArchive(f"{client * 1000 + day:064x}", name, begin, begin, 69.9, nfiles=412_000, **numbers)
        if ok
        else None,
        audit="clean" if ok else "",
    )


def links(clients: int, days: int) -> Iterator[Link]:
    """The entries of ``days`` nights, as a chain."""
    head = EMPTY
    for day in range(days):
        for number in range(clients):
            kind, client, body = encode(session(number, day))
            when = (START + timedelta(days=day, seconds=number)).isoformat(timespec="microseconds")
            digest = link_hash(head.seq + 1, when, kind, client, body, head.hash)
            yield Link(head.seq + 1, when, kind, client, body, head.hash, digest)
            head = ChainHead(head.seq + 1, digest)


def timed(label: str, work: Callable[[], object], budget: float = 0.0) -> None:
    """Print the best of three, in seconds, and what it is of the budget."""
    times = []
    for _attempt in range(3):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    share = f"  {min(times) / budget:.2f} of the budget of {budget} s" if budget else ""
    print(f"{label:<52} {min(times):9.4f} s{share}")


def measure(path: str, clients: int, days: int) -> None:
    """Print one line for each question."""
    vienna = ZoneInfo("Europe/Vienna")
    with Ledger.open(path) as ledger:
        head = ledger.head()
        print(f"{head.seq} entries, {os.path.getsize(path) / 1e6:.0f} MB")
        timed("state of every client", ledger.states, 1.0)
        timed("state of one client", lambda: ledger.state("client0042"))
        timed("history of one client", lambda: ledger.history("client0042"))
        archives = ledger.history("client0042").archives
        timed(f"retention plan over {len(archives)} archives", lambda: plan(archives, RULES, START, vienna))
        timed("append", lambda: ledger.append(FreezeEntry("client0042", "a bench")))
        timed("verify from last night's head", lambda: ledger.verify(head, full=False))
        start = time.perf_counter()
        report = ledger.verify(head)
        print(f"{'verify all':<52} {time.perf_counter() - start:9.1f} s  ok={report.ok}")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


def main() -> None:
    """Make the ledger in a directory of its own, measure, and take it away again."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=5000)
    parser.add_argument("--days", type=int, default=365)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR", "/var/tmp")) as directory:
        path = os.path.join(directory, "ledger.sqlite")
        start = time.perf_counter()
        with Ledger.open(path) as ledger:
            ledger.take_over(links(options.clients, options.days))
        print(f"made in {time.perf_counter() - start:.0f} s")
        measure(path, options.clients, options.days)


if __name__ == "__main__":
    main()
