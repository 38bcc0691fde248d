# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Coverage may not fall: each way to measure has a floor, and a run below it fails though all its tests pass."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from coverage_report import load_floors
from tool import ROOT

ONE_FILE = "tests/unit/plugins/module_utils/_common/test_names.py"


def test_each_way_to_measure_has_a_floor() -> None:
    floors = load_floors()
    assert set(floors) == {"all", "own"}
    assert 50 < floors["own"] < floors["all"] < 100


def test_a_run_below_its_floor_fails() -> None:
    outer = ("PYTEST_", "COVERAGE_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(outer)}
    pytest = [sys.executable, "-m", "pytest", "-q", "-p", "no:stopwatch", ONE_FILE]
    command: list[str | Path] = [ROOT / "tests/tools/measured", "own", *pytest]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert " passed" in done.stdout and " failed" not in done.stdout
    assert "COVERAGE FELL: " in done.stdout and f"are below {load_floors()['own']:.2f} %" in done.stdout
    assert "plugins/module_utils/_ledger/ledger.py" in done.stdout, "what is untested is named"
