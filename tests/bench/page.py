# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long do page and mail of 5,000 clients and a year take? Run with the collections' root on PYTHONPATH; 2 GB disk.

Measured is what a night costs: a ledger that grew by one night, everybody's configuration and baseline, the page,
status.json and metrics; and once the first page, which folds the whole year. With --open, how long Chromium takes.
Of the mail: what earlier runs handed on is read, and the mail is made of a night in which each hundredth client failed.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from email.headerregistry import Address
from itertools import islice
from pathlib import Path
from string import Template

from ansible_collections.paranoid.backup.plugins.module_utils._ledger.ledger import NAME, Ledger
from ansible_collections.paranoid.backup.plugins.module_utils._page.days import open_days
from ansible_collections.paranoid.backup.plugins.module_utils._page.publishing import publish
from ansible_collections.paranoid.backup.plugins.plugin_utils._mail.letters import write_letters
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.directory import RunDir
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.history import (
    History,
    add_run,
    dump_history,
    load_history,
)
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.model import Client, Mail, MailState, Run, State
from ansible_collections.paranoid.backup.plugins.plugin_utils._settings import Settings

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests/support"), str(ROOT / "tests/bench")]
from browser import seconds_to_show  # noqa: E402
from ledger import START, links  # type: ignore[import-not-found] # noqa: E402
from page_world import Host, make_server  # noqa: E402
from report_samples import session  # noqa: E402


def main() -> None:
    """Make the server in a directory of its own, measure, and take it away again."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=5000)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--open", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR", "/var/tmp")) as directory:
        hosts = tuple(Host(f"client{number:04d}", 214, 0.8, quota=2**40) for number in range(options.clients))
        config = make_server(Path(directory), hosts, days=-1)
        measure(config, options.clients, options.days)
        measure_mail(Path(directory) / "reports", options.clients, options.days)
        if options.open:
            page = config / "page/index.html"
            shown = min(seconds_to_show(page) for _attempt in range(3))
            print(f"{'Chromium shows it':<44} {shown:7.3f} s  {shown / 1.0:.2f} of the budget of 1 s")


def measure(config: Path, clients: int, days: int) -> None:
    """Print one line for each question."""
    state = config / "state"
    everything = links(clients, days)
    with Ledger.open(str(state / NAME)) as ledger:
        ledger.take_over(islice(everything, clients * (days - 1)))
        start = time.perf_counter()
        with closing(open_days(str(state), ledger)):
            print(f"{'the first page folds all but one night':<44} {time.perf_counter() - start:7.1f} s, once")
        ledger.take_over(everything)
    now = START + timedelta(days=days - 1, hours=6)
    start, begin = time.perf_counter(), time.process_time()
    _fleet, files = publish(str(config), (), None, now, check=False)
    passed, used = time.perf_counter() - start, time.process_time() - begin
    print(f"{'page, status.json and metrics of a night':<44} {passed:7.3f} s  {passed / 2.0:.2f} of the budget of 2 s")
    print(f"{'of which the processor worked':<44} {used:7.3f} s")
    for path in files:
        print(f"{Path(path).name:<44} {os.path.getsize(path) / 1e6:7.3f} MB")


def measure_mail(reports: Path, clients: int, days: int) -> None:
    """Print how long a run's mail takes, and how much it is; what is remembered of clients is full."""
    places = Address(addr_spec="backup@example.org"), (Address(addr_spec="ops@example.org"),)
    settings = Settings(reports, "bench", Template("$STATUS"), *places, False, None)
    good = [Client(f"client{number:04d}", State.OK, session()) for number in range(clients)]
    bad = session(code="unreachable", reason="no answer", archive=None)
    ended = [Client(one.name, State.FAILED, bad) if place % 100 == 0 else one for place, one in enumerate(good)]
    history, mail = History(), Mail(MailState.PENDING, ("ops@example.org",))
    for night in range(days):
        when = f"{START + timedelta(days=night):%Y-%m-%dT%H:%M:%SZ}"
        of_night = good if night >= days - 20 else good[:1]  # More than 20 sessions of a client are not remembered.
        run = Run(f"r{night}", "bench", "ctl", "root", "backup.yml", False, when, when, mail, tuple(of_night))
        history = add_run(history, run)
    RunDir.create(reports, "before").save(replace(run, history=dump_history(history)))
    start = time.perf_counter()
    (letter,) = write_letters(replace(run, clients=tuple(ended)), "record.json", settings, load_history(reports), ())
    passed, size = time.perf_counter() - start, len(letter.mail.as_bytes())
    print(f"{'the mail of a night':<44} {passed:7.3f} s  {passed / 1.0:.2f} of the budget of 1 s")
    print(f"{'the mail':<44} {size / 1e6:7.3f} MB")


if __name__ == "__main__":
    main()
