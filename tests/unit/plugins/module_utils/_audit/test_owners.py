# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the server keeps to know with which session an object came, over a compaction and a restart between."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._audit.kept import Kept
from ansible_collections.paranoid.backup.plugins.module_utils._audit.owners import (
    forget_index,
    index_before,
    keep_index,
    kept_archives,
    load_notes,
    note_compaction,
    save_notes,
)
from ansible_collections.paranoid.backup.plugins.module_utils._audit.ownership import Compaction
from ansible_collections.paranoid.backup.plugins.module_utils._borg.index import newest_index
from ansible_collections.paranoid.backup.plugins.module_utils._common.errors import SessionError
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import CompactionEntry
from fake_repository import FakeRepository, key

NOTE = Compaction(5, 8, ((6, 8, 2), (6, 90, 5)))


@pytest.fixture
def repository(tmp_path: Path) -> FakeRepository:
    """Two sessions; each brought an archive and a chunk."""
    made = FakeRepository(tmp_path / "repo")
    for first in (10, 20):
        made.session([(key(first), b"archive"), (key(first + 1), b"chunk")])
    return made


@pytest.fixture
def history() -> Any:
    """What the ledger knows: both archives, and a third of which it does not know with which session it came."""
    archives = [SimpleNamespace(id=key(number).hex(), transaction=at) for number, at in ((10, 2), (20, 5), (30, None))]
    return SimpleNamespace(archives=archives, transactions=(2, 5), compactions=[])


@pytest.fixture
def site(repository: FakeRepository, history: Any, tmp_path: Path) -> Any:
    (tmp_path / "state").mkdir()
    client = SimpleNamespace(repository=str(repository.path))
    ledger = SimpleNamespace(history=lambda _name: history)
    return SimpleNamespace(
        name="web1", client=client, ledger=ledger, state_file=lambda name: str(tmp_path / "state" / name)
    )


def test_what_stays_is_all_but_what_goes(site: Any, history: Any) -> None:
    first, second, unknown = (archive.id for archive in history.archives)
    assert kept_archives(site, history, {first}) == Kept((second, unknown), (((3, 0), (6, 0)),))
    assert kept_archives(site, history, {second}) == Kept((first, unknown), (((0, 0), (3, 0)),))
    assert kept_archives(site, history, set()).archives == (first, second, unknown)


def test_a_compaction_moves_objects_and_their_sessions_stay_known(
    site: Any, history: Any, repository: FakeRepository
) -> None:
    keep_index(site)
    before = repository.last
    moved = [(key(number), b"moved") for number in (10, 11, 20, 21)]
    transaction = repository.session(moved)
    for number in range(before + 1):
        repository.segment(number).unlink()
    note_compaction(site, before, transaction)
    history.transactions = (2, 5, transaction)
    history.compactions = [SimpleNamespace(entry=CompactionEntry("web1", 9, 8, transaction=transaction))]
    kept = kept_archives(site, history, {history.archives[0].id})
    with newest_index(str(repository.path)) as index:
        assert index is not None
        lost = {number: kept.count_lost(index, [key(number)]) for number in (10, 11, 20, 21)}
    assert lost == {10: 0, 11: 0, 20: 1, 21: 1}
    history.compactions = []
    assert kept_archives(site, history, set()).intervals != kept.intervals, "what a rollback undid was no compaction"


def test_without_the_index_before_it_what_a_compaction_moved_is_nobodys(site: Any, repository: FakeRepository) -> None:
    before = repository.last
    transaction = repository.session([(key(10), b"moved")])
    note_compaction(site, before, transaction)
    (note,) = load_notes(site.state_file("compactions.json"))
    assert {session for _segment, _offset, session in note.runs} == {-1}
    assert note.runs[0][0] == before + 1


def test_the_index_is_kept_until_it_is_forgotten(site: Any, repository: FakeRepository) -> None:
    with index_before(site) as index:
        assert index is None
    forget_index(site)
    for _ in range(2):
        keep_index(site)
        assert Path(site.state_file("before")).stat().st_mode & 0o777 == 0o700
        was = dict(repository.objects)
        repository.session([(key(10), b"again")])
        with index_before(site) as index:
            assert index is not None
            assert {one: index.find(one) for one in was} == {one: place[:2] for one, place in was.items()}
    forget_index(site)
    assert not Path(site.state_file("before")).exists()


def test_notes_come_back_as_they_were_written(site: Any) -> None:
    path = Path(site.state_file("compactions.json"))
    assert load_notes(str(path)) == ()
    save_notes(site, [NOTE])
    assert json.loads(path.read_text()) == {
        "schema": 1,
        "compactions": [{"before": 5, "transaction": 8, "runs": [[6, 8, 2], [6, 90, 5]]}],
    }
    assert load_notes(str(path)) == (NOTE,)


BAD = ["", "[]", "{}", '{"schema": 2, "compactions": []}', '{"schema": 1, "compactions": [{"before": 1}]}']


@pytest.mark.parametrize(
    "text", [*BAD, '{"schema": 1, "compactions": [{"before": 1, "transaction": 2, "runs": [[1]]}]}']
)
def test_notes_that_cannot_be_read_stop_a_trim(site: Any, history: Any, text: str) -> None:
    """Without them nobody knows what came with an archive that stays."""
    Path(site.state_file("compactions.json")).write_text(text)
    with pytest.raises(SessionError, match=r"compactions\.json cannot be read: .*; take it from a snapshot"):
        kept_archives(site, history, set())
