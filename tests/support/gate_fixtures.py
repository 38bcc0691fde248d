# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A repository with two archives, made once through the gate by stock Borg, and a copy of it for each test."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from real import Borg


@pytest.fixture(scope="session")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Borg:
    borg = Borg.make(tmp_path_factory.mktemp("origin"))
    assert (done := borg.run("create", "init", "--encryption", "repokey-blake2")).returncode == 0, done.stderr
    tree = borg.home / "tree"
    tree.mkdir()
    bits = random.Random(1)
    for number in range(40):
        (tree / f"file{number}").write_bytes(bits.randbytes(20_000))
    for archive in ("one", "two"):
        (tree / archive).write_bytes(bits.randbytes(300_000))
        done = borg.run("append", "create", f"::{archive}", "tree")
        assert done.returncode == 0, done.stderr
    return borg


@pytest.fixture
def borg(origin: Borg, tmp_path: Path) -> Borg:
    return origin.copy(tmp_path / "copy")
