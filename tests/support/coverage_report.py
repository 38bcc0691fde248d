# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``tests/tools/measured`` measured: the untested lines by name, and whether the whole fell below its floor."""

from __future__ import annotations

import io
import os
from pathlib import Path

import coverage
import pytest
from measured import NAMES

FLOORS = Path(__file__).parents[1] / "coverage_floor"


class CoverageReport:
    """Adds what all processes measured, and fails the run where less is tested than before."""

    def __init__(self) -> None:
        self._data, self._settings = os.environ["COVERAGE_FILE"], os.environ["COVERAGE_PROCESS_START"]
        self._what = os.environ["MEASURED"]

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Show it; there is no other moment after all workers have ended and before the closing line.

        What is untested is named where all processes were measured: else much of it is tested in another one.
        """
        percent, lines = self._combine()
        floor = load_floors()[self._what]
        has_fallen = percent < floor
        terminalreporter.section("coverage of lines and branches, and what is untested")
        for line in lines if has_fallen or self._what == "all" else ():
            terminalreporter.write_line(line)
        terminalreporter.write_line(f"{self._what}: {percent:.2f} %, and its floor is {floor:.2f} %")
        if has_fallen:
            terminalreporter.write_line(f"COVERAGE FELL: {percent:.2f} % are below {floor:.2f} %", red=True)
            assert terminalreporter._session
            terminalreporter._session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def _combine(self) -> tuple[float, list[str]]:
        """Return the percentage of all that was measured, and the report's lines."""
        if (current := coverage.Coverage.current()) is not None:
            current.stop()
            current.save()
        whole = coverage.Coverage(data_file=self._data, config_file=self._settings)
        whole.combine()
        text = io.StringIO()
        percent = whole.report(file=text)
        return percent, text.getvalue().splitlines()


def load_floors() -> dict[str, float]:
    """Return the least percentage of each way to measure."""
    rows = (line.split() for line in FLOORS.read_text().splitlines() if not line.startswith("#"))
    return {what: float(percent) for what, percent in rows}


def keep_to_this_process() -> None:
    """Have no process measured that this one starts, where only those of pytest are."""
    if os.environ.get("MEASURED") == "own":
        for name in NAMES:
            os.environ.pop(name, None)
