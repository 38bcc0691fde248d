# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which tests run beside each other, in what order, and how long each of them took."""

from __future__ import annotations

import os

import pytest
from cores import describe_cores
from hypothesis import HealthCheck, settings
from times import Time, format_times, load_times, order_by_time, save_times, scope_of
from xdist.remote import Producer
from xdist.scheduler.loadscope import LoadScopeScheduling

LAB = "tests/lab/"
WORTH_A_TABLE = 60.0  # seconds

# How long an example takes is a matter of this machine's load, and none of these tests is about time.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


class Scheduling(LoadScopeScheduling):
    """Each scope of tests stays whole, in its order. pytest-xdist 3.8 does not see its own marks under pytest 9.2."""

    def _split_scope(self, nodeid: str) -> str:
        """Return the name of the scope that a test belongs to."""
        return scope_of(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduling:
    """Have tests in several processes go by these scopes."""
    return Scheduling(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the longest scopes first where there are several processes; refuse tests that use the lab from elsewhere."""
    for item in items:
        if "lab" in getattr(item, "fixturenames", ()) and not item.nodeid.startswith(LAB):
            raise pytest.UsageError(f"{item.nodeid} uses the lab: it belongs below {LAB}")
    if hasattr(config, "workerinput"):
        order = order_by_time((item.nodeid for item in items), load_times())
        items.sort(key=lambda item: order(item.nodeid))


class Stopwatch:
    """Adds up what each test took, in whichever process it ran."""

    def __init__(self) -> None:
        self.times: dict[str, Time] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add one phase of a test."""
        time = self.times.setdefault(report.nodeid, Time())
        time.total += report.duration
        time.fixtures += report.duration if report.when != "call" else 0.0

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Keep the times, and show where much time went."""
        save_times(self.times)
        if any(nodeid.startswith("tests/integration/cores/") for nodeid in self.times):
            terminalreporter.section("versions of ansible-core")
            for line in describe_cores():
                terminalreporter.write_line(line, bold=True)
        reasons = (str(report.longrepr[2]) for report in terminalreporter.stats.get("skipped", ()))
        if untested := sorted({reason.removeprefix("Skipped: ") for reason in reasons if "NOT TESTED" in reason}):
            terminalreporter.section("not tested")
            for line in untested:
                terminalreporter.write_line(line, bold=True)
        if sum(time.total for time in self.times.values()) > WORTH_A_TABLE:
            terminalreporter.section("where the time went")
            for line in format_times(self.times):
                terminalreporter.write_line(line)


def pytest_configure(config: pytest.Config) -> None:
    """Take the time in the process that sees all reports, which adds up what was measured as well."""
    is_worker = hasattr(config, "workerinput")
    if not is_worker:
        config.pluginmanager.register(Stopwatch(), "stopwatch")
    if "COVERAGE_FILE" in os.environ:
        from coverage_report import CoverageReport, keep_to_this_process

        if not is_worker:
            config.pluginmanager.register(CoverageReport(), "coverage_report")
        if is_worker or not config.getoption("numprocesses", None):
            keep_to_this_process()
