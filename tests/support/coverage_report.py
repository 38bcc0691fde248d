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

FLOOR = Path(__file__).parents[1] / "coverage_floor"


class CoverageReport:
    """Adds what all processes measured, shows it, and fails the run where less is tested than before."""

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Show it; there is no other moment after all workers have ended and before the closing line."""
        if (current := coverage.Coverage.current()) is not None:
            current.stop()
            current.save()
        percent, lines = combine()
        floor = float(FLOOR.read_text())
        terminalreporter.section("coverage of lines and branches, and what is untested")
        for line in lines:
            terminalreporter.write_line(line)
        if percent < floor:
            terminalreporter.write_line(f"COVERAGE FELL: {percent:.2f} % are below {floor:.2f} %", red=True)
            terminalreporter.stats.setdefault("error", []).append(f"coverage {percent:.2f} %")
            assert terminalreporter._session
            terminalreporter._session.exitstatus = pytest.ExitCode.TESTS_FAILED


def combine() -> tuple[float, list[str]]:
    """Return the percentage of all that was measured, and the report's lines."""
    whole = coverage.Coverage(data_file=os.environ["COVERAGE_FILE"], config_file=os.environ["COVERAGE_PROCESS_START"])
    whole.combine()
    text = io.StringIO()
    percent = whole.report(file=text)
    return percent, text.getvalue().splitlines()
