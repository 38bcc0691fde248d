# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a trim must leave: the engine's word of it, the gate's reading of it, and the audit's count afterwards."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._audit.kept import Kept
from ansible_collections.paranoid.backup.plugins.module_utils._borg.index import newest_index
from fake_repository import FakeRepository, key
from paranoid_gate.kept import load_kept

STAYS, OWN, GONE, NEVER = key(1), key(2), key(3), key(4)


@pytest.fixture
def repository(tmp_path: Path) -> FakeRepository:
    """An archive and what came with it in one session, and something else in another."""
    made = FakeRepository(tmp_path / "repo")
    made.session([(STAYS, b"archive"), (OWN, b"its chunk")])
    made.session([(GONE, b"of an archive that goes")])
    return made


@pytest.fixture
def kept(repository: FakeRepository) -> Kept:
    first, second = repository.objects[STAYS], repository.objects[GONE]
    return Kept((STAYS.hex(),), (((first[0], 0), (second[0], 0)),))


def test_the_gate_reads_what_the_engine_wrote(repository: FakeRepository, kept: Kept) -> None:
    reader, writer = os.pipe()
    os.write(writer, kept.to_json())
    os.close(writer)
    read = load_kept(reader)
    said = {name: read.objection(one, repository.objects[one][:2]) for name, one in (("own", OWN), ("gone", GONE))}
    assert said == {"own": "deleting what came with an archive that stays", "gone": ""}
    assert read.objection(STAYS, (10**6, 0)) == "deleting an archive that stays", "wherever it lies"


@pytest.mark.parametrize(
    ("lost", "count"), [((), 0), ((GONE,), 0), ((NEVER,), 0), ((OWN,), 1), ((STAYS,), 1), ((STAYS, OWN, GONE), 2)]
)
def test_what_should_have_stayed_is_counted(
    repository: FakeRepository, kept: Kept, lost: tuple[bytes, ...], count: int
) -> None:
    with newest_index(str(repository.path)) as index:
        assert index is not None
        assert kept.count_lost(index, lost) == count
        assert Kept((NEVER.hex(),)).count_lost(index, [NEVER]) == 1, "an archive counts also where no index has it"
