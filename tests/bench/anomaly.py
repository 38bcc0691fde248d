# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What it costs to hold one session against a year of its client, and to look at the clock.

Run: ``python tests/bench/anomaly.py``. Prints milliseconds of processor time, the best of five, and ratios.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / ".cache/collections"), str(ROOT / "tests/support")]

from ansible_collections.paranoid.backup.plugins.module_utils._common.clock import this_moment  # noqa: E402
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.clock_watch import (  # noqa: E402
    believe,
    look_at_clock,
)
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import SessionEntry  # noqa: E402
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.ledger import NAME, Ledger  # noqa: E402
from ansible_collections.paranoid.backup.plugins.module_utils._retention.anomaly import judge_session  # noqa: E402
from nightly import Host, lead_an_honest_life  # noqa: E402
from processor_time import best  # noqa: E402

NIGHTS = 365
BUDGET = 0.005  # seconds


def main() -> None:
    """Measure and print."""
    host = Host(random.Random(1))
    lead_an_honest_life(host, NIGHTS)
    entries = [row.entry for row in host.rows if isinstance(row.entry, SessionEntry)]
    with (
        tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as directory,
        Ledger.open(os.path.join(directory, NAME)) as ledger,
    ):
        clock = believe(this_moment()).to_dict()
        for entry in entries:
            ledger.append(SessionEntry(**{**vars(entry), "clock": clock}))
        history = ledger.history("web1")
        show("a session against a year of its client", best(lambda: judge_session(history, entries[-1], 5)))
        show("the server's clock", best(lambda: look_at_clock(ledger, this_moment())))
        show("reading that year, for this and retention", best(lambda: ledger.history("web1")), 0)


def show(what: str, seconds: float, budget: float = BUDGET) -> None:
    """Print one line."""
    share = f"   budget {budget * 1000:.0f} ms   ratio {seconds / budget:.2f}" if budget else ""
    print(f"{what:<44} {seconds * 1000:8.2f} ms{share}")


if __name__ == "__main__":
    main()
