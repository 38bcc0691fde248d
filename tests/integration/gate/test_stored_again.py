# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An honest client stores again what lies there already, where its Borg cannot know that: nothing has to be written."""

from __future__ import annotations

import random
import shutil

import pytest
from borg.repository import Repository
from hostile import MANIFEST_ID
from real import Borg
from restored import read_list, read_objects


@pytest.fixture
def forgetful(borg: Borg) -> Borg:
    """A client whose list of archives went back to before its newest archive, and that forgot all else."""
    older = read_list(borg.repository)
    (borg.home / "tree/later").write_bytes(random.Random(2).randbytes(300_000))
    done = borg.run("append", "create", "::three", "tree")
    assert done.returncode == 0, done.stderr
    with Repository(str(borg.repository), exclusive=True) as repository:
        repository.put(MANIFEST_ID, older)
        repository.commit(compact=False)
    for name in (".cache", ".config"):
        shutil.rmtree(borg.home / name)
    return borg


def test_a_backup_goes_on_after_the_list_of_archives_went_back(forgetful: Borg) -> None:
    before = read_objects(forgetful.repository)
    done = forgetful.run("append", "create", "::four", "tree")
    assert done.returncode == 0, done.stderr
    now = read_objects(forgetful.repository)
    assert {one: now[one] for one in before} == before, "what lay there is as it was"
    (forgetful.home / "out").mkdir()
    assert forgetful.local("extract", "::four", cwd=forgetful.home / "out").returncode == 0
    for path in (forgetful.home / "tree").iterdir():
        assert (forgetful.home / "out/tree" / path.name).read_bytes() == path.read_bytes()
    assert forgetful.report()[-1]["refused"] == 0
