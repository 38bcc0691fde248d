# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every Molecule scenario. They share the lab with the other tests: each finds it as the last one left it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from lab import BIN, ROOT, lab_environment, lab_tool

SCENARIOS = sorted(path.parent.name for path in (ROOT / "molecule").glob("*/molecule.yml"))


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The lab. What Molecule knows of it is shared by all scenarios, so that it is made once."""
    environment = lab_environment() | {"MOLECULE_EPHEMERAL_DIRECTORY": str(tmp_path_factory.mktemp("molecule"))}
    lab_tool("up", environment)
    return environment


def test_there_are_scenarios() -> None:
    roles = {path.name for path in (ROOT / "roles").iterdir() if path.is_dir()}
    covered = {role for role in roles if any(role in scenario for scenario in SCENARIOS)}
    assert covered == roles


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_scenario(scenario: str, environment: dict[str, str], tmp_path: Path) -> None:
    output, own = tmp_path / "output", [f"{environment['PARANOID_LAB']}-{name}" for name in ("nas1", "nas2")]
    with output.open("wb") as file:
        done = subprocess.run(
            [BIN / "molecule", "test", "--destroy", "never", "--scenario-name", scenario],
            cwd=ROOT, env=environment, stdout=file, stderr=subprocess.STDOUT, check=False,
        )  # fmt: skip
    subprocess.run(["podman", "rm", "--force", "--ignore", "--time=0", *own], capture_output=True, check=False)
    assert done.returncode == 0, output.read_text(errors="replace")[-20_000:]
