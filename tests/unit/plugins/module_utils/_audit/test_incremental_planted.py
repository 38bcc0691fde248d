# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What somebody who took over a gate may leave in the repository's directory for root to fall over."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._audit.full import full_audit
from ansible_collections.paranoid.backup.plugins.module_utils._audit.incremental import audit
from ansible_collections.paranoid.backup.plugins.module_utils._borg.index import newest_index
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
    "device": lambda path: os.mknod(path, 0o600 | stat.S_IFCHR, os.makedev(1, 5)),  # /dev/zero
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
        *((name, plant) for name in ("config", "hints.{}") for plant in ("pipe", "link", "directory", "device")),
        *(("data/7", plant) for plant in ("pipe", "link", "device")),
        *(("data/0/77", plant) for plant in ("pipe", "link", "directory", "device")),
    ],
)
def test_it_is_an_alarm_and_nobody_waits(repository: FakeRepository, name: str, plant: str) -> None:
    if plant == "device" and os.geteuid() != 0:
        pytest.skip("only root makes devices")
    baseline = audit(str(repository.path), None, "append")[1]
    assert baseline
    path = repository.path / name.format(baseline.transaction)
    if path.is_file():
        path.unlink()
    PLANTS[plant](path)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    argv = [sys.executable, "-c", AUDIT, str(repository.path)]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout == "alarm\n", done.stdout + done.stderr
    verdict, _ = audit(str(repository.path), baseline, "append")
    assert verdict.verdict == "alarm"
    assert "root:" not in "".join(verdict.findings), "what a link leads to is not told"


@pytest.mark.parametrize("name", [".", "data", "data/0", "data/0/0", "config", "nonce", "index.{}", "hints.{}"])
def test_a_link_to_the_very_same_is_not_followed(repository: FakeRepository, tmp_path: Path, name: str) -> None:
    """Root would read, or list, whatever the link leads to tomorrow."""
    baseline = audit(str(repository.path), None, "append")[1]
    assert baseline
    path = repository.path / name.format(baseline.transaction)
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    for known in (baseline, None):
        found = audit(str(repository.path), known, "append")[0]
        assert found.verdict == "alarm", known
        assert str(path).startswith(found.findings[0].split(" cannot be read")[0]) or "plain file" in found.findings[0]
    if name not in ("config", "nonce", "hints.{}"):  # which a full audit does not read
        assert full_audit(str(repository.path)).verdict == "alarm"


def test_the_index_that_was_judged_is_the_one_that_is_read(repository: FakeRepository) -> None:
    with newest_index(str(repository.path)) as index:
        assert index is not None
        path = repository.path / f"index.{index.transaction}"
        path.unlink()
        path.symlink_to("/etc/passwd")
        assert {key for key, _segment, _offset in index.places()} == set(repository.objects)
        assert index.find(key(1)) == repository.objects[key(1)][:2]
