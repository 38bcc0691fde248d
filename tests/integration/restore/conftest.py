# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client with two archives of a tree of every kind, an open tunnel, and a copy of what was saved."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from keeper import Keeper
from restore_world import Restoring, chattr, give_time, make_tree
from session_fixtures import served
from session_world import run


@pytest.fixture(scope="module")
def restoring(ground: Path, home: Path, template: Path) -> Iterator[Restoring]:
    """One for all tests of a file: a restore only reads the repository."""
    path = ground / "restoring"
    run("cp", "-a", template, path)
    with served(path, home) as world:
        keeper = Keeper(world)
        keeper.provision()
        give_time(keeper)
        source = world.own / "source"
        make_tree(source)
        chattr("+i", source / "etc/fixed")  # in the first archive alone
        first = world.session("backup")
        chattr("-i", source / "etc/fixed")
        (source / "etc/conf").write_text("second\n")
        (source / "etc/new").write_text("new\n")
        second = world.session("backup")
        assert first.archive and second.archive, (first.log_tail, second.log_tail)
        run("cp", "-a", source, path / "saved")
        with Restoring(keeper, path / "saved", (first.archive["name"], second.archive["name"])).tunnel() as made:
            yield made
    shutil.rmtree(path)


@pytest.fixture
def source(restoring: Restoring) -> Path:
    """The tree in place, as it was saved last; what a test did to it is gone."""
    restoring.reset()
    return restoring.source
