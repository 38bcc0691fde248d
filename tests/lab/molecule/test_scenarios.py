# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every Molecule scenario. They share a lab of their own: the first one makes it, each finds it as the last left it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab import BIN, ROOT, lab_tool

SCENARIOS = sorted(path.parent.name for path in (ROOT / "molecule").glob("*/molecule.yml"))


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Of a lab beside the one of the other tests. What Molecule knows of it is shared, so that it is made once."""
    shared = str(tmp_path_factory.mktemp("molecule"))
    lab = {"PARANOID_LAB": "molecule", "PARANOID_LAB_NET": "10.97.1", "MOLECULE_EPHEMERAL_DIRECTORY": shared}
    environment = os.environ | lab | {"LC_ALL": "C.UTF-8", "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    lab_tool("caches", environment)
    yield environment
    lab_tool("down", environment)


def test_there_are_scenarios() -> None:
    roles = {path.name for path in (ROOT / "roles").iterdir() if path.is_dir()}
    covered = {role for role in roles if any(role in scenario for scenario in SCENARIOS)}
    assert covered == roles


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_scenario(scenario: str, environment: dict[str, str], tmp_path: Path) -> None:
    output = tmp_path / "output"
    with output.open("wb") as file:
        done = subprocess.run(
            [BIN / "molecule", "test", "--destroy", "never", "--scenario-name", scenario],
            cwd=ROOT, env=environment, stdout=file, stderr=subprocess.STDOUT, check=False,
        )  # fmt: skip
    assert done.returncode == 0, output.read_text(errors="replace")[-20_000:]
