# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which archives are there, looked up in an index of Borg's form."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._audit.presence import (
    Expectation,
    Presence,
    look_up,
    missing_archives,
)
from ansible_collections.paranoid.backup.plugins.module_utils._borg.index import newest_index
from fake_repository import MANIFEST_ID, FakeRepository, key

OLD, NEW, ABSENT = (key(number).hex() for number in (1, 2, 3))


@pytest.fixture
def repository(tmp_path: Path) -> FakeRepository:
    """One archive of an earlier session, one of the last."""
    made = FakeRepository(tmp_path / "repo")
    made.session([(key(1), b"old")])
    made.session([(key(2), b"new")])
    return made


@pytest.mark.parametrize(
    ("staying", "archive", "presence"),
    [
        ((), "", Presence()),
        ((OLD, NEW), NEW, Presence((), True)),
        ((OLD, ABSENT), NEW, Presence((ABSENT,), True)),
        ((), OLD, Presence((), False)),
        ((), ABSENT, Presence((), False)),
        ((), MANIFEST_ID.hex(), Presence((), False)),
    ],
)
def test_archives_are_looked_up(
    repository: FakeRepository, staying: tuple[str, ...], archive: str, presence: Presence
) -> None:
    """An archive came now if its object lies behind the last transaction; the list of archives is none."""
    with newest_index(str(repository.path)) as index:
        assert index is not None
        before = repository.objects[key(2)][0] - 1
        assert look_up(index, Expectation(staying, archive), before) == presence
        assert not look_up(index, Expectation(staying, archive), before + 1).brought, "what was there is not brought"


def test_archives_that_are_no_objects_are_missing(repository: FakeRepository) -> None:
    with newest_index(str(repository.path)) as index:
        assert index is not None
        assert missing_archives(index, [OLD, ABSENT, NEW]) == (ABSENT,)
        gone = look_up(index, Expectation((OLD,), NEW, going=(OLD, ABSENT)), 0, {key(1)})
        assert gone == Presence((OLD,), True, (OLD, ABSENT)), "an index from before a cut still has what went"


def test_each_of_many_archives_is_looked_up(repository: FakeRepository) -> None:
    with newest_index(str(repository.path)) as index:
        assert index is not None
        for place in (0, 1, 1999, 2000):
            many = [OLD, *[NEW] * 2000]
            many[place] = ABSENT
            assert look_up(index, Expectation(tuple(many)), 0).missing == (ABSENT,)


def test_without_an_index_nothing_is_known_to_be_there() -> None:
    assert look_up(None, Expectation((OLD,), NEW), 0) == Presence((OLD,), False)
