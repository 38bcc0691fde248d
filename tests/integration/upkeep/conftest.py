# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client with a history, made once by real sessions of the real dispatcher, and a copy of it for each test."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from keeper import Keeper
from session_fixtures import served
from session_world import run


@pytest.fixture(scope="session")
def kept(ground: Path, home: Path, template: Path) -> tuple[Path, dict[str, bytes]]:
    """Where a client with three archives is kept, of which two may go, and what each of them must give back."""
    path = ground / "keeper"
    run("cp", "-a", template, path)
    with served(path, home) as world:
        made = Keeper(world)
        made.provision()
        for number in range(3):
            made.backup(number)
    return path.rename(ground / "keeper.kept"), made.contents


@pytest.fixture
def keeper(ground: Path, home: Path, kept: tuple[Path, dict[str, bytes]], short_grace: None) -> Iterator[Keeper]:
    """This client, copied to where it was made, so that every path in its files and archives is true."""
    source, contents = kept
    path = ground / "keeper"
    run("cp", "-a", source, path)
    try:
        with served(path, home) as world:
            made = Keeper(world, dict(contents))
            made.write_rules()
            yield made
    finally:
        shutil.rmtree(path)
