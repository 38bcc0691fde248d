# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What somebody who took over a gate may leave in the repository's directory for root to fall over."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._audit.incremental import audit
from fake_repository import FakeRepository, key

AUDIT = """
import sys
from ansible_collections.paranoid.backup.plugins.module_utils._audit.incremental import audit
print(audit(sys.argv[1], None, "append")[0].verdict)
"""
PLANTS: dict[str, Callable[[Path], object]] = {
    "pipe": os.mkfifo,
    "link": lambda path: path.symlink_to("/etc/passwd"),
    "directory": os.mkdir,
    "endless number": lambda path: path.write_text("f" * 60_000),
}


@pytest.fixture
def repository(tmp_path: Path) -> FakeRepository:
    made = FakeRepository(tmp_path / "repo")
    made.session([(key(1), b"x" * 100)])
    return made


@pytest.mark.parametrize(
    ("name", "plant"),
    [
        *((name, plant) for name in ("nonce", "index.{}") for plant in PLANTS),
        *((name, "pipe") for name in ("config", "hints.{}", "data/7")),
        *(("data/0/77", plant) for plant in ("pipe", "link", "directory")),
    ],
)
def test_it_is_an_alarm_and_nobody_waits(repository: FakeRepository, name: str, plant: str) -> None:
    baseline = audit(str(repository.path), None, "append")[1]
    assert baseline
    path = repository.path / name.format(baseline.transaction)
    if path.is_file():
        path.unlink()
    PLANTS[plant](path)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    argv = [sys.executable, "-c", AUDIT, str(repository.path)]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=20, check=False)
    assert done.stdout == "alarm\n", done.stdout + done.stderr
    verdict, _ = audit(str(repository.path), baseline, "append")
    assert verdict.verdict == "alarm"
    assert "root:" not in "".join(verdict.findings), "what a link leads to is not told"
