# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lost server is made again from the dataset: what comes back, what is told, and what is refused."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._audit.incremental import audit
from ansible_collections.paranoid.backup.plugins.module_utils._audit.stored import baseline_path
from ansible_collections.paranoid.backup.plugins.module_utils._common.errors import SessionError
from ansible_collections.paranoid.backup.plugins.module_utils._common.files import save_json
from ansible_collections.paranoid.backup.plugins.module_utils._config.server import load_client
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.chain import EMPTY, ChainHead
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import (
    FreezeEntry,
    RebuildEntry,
    RepositoryEntry,
)
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.ledger import NAME, Ledger
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.intent import read_intent
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.rebuilt import read_mark, refuse_rebuilt
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.spare import save_spare
from ansible_collections.paranoid.backup.plugins.module_utils._upkeep import rebuild as _rebuild
from ansible_collections.paranoid.backup.plugins.module_utils._upkeep.rebuild import Places, Plan, plan_rebuild, rebuild
from fake_repository import FakeRepository, key
from made_site import make_site

ID = "ab" * 32
OWNER = (1, 1) if os.geteuid() == 0 else (os.getuid(), os.getgid())


class Lost:
    """A server with two clients, each backed up once; then only the dataset is left."""

    def __init__(self, place: Path) -> None:
        self.old, self.dataset = place / "old", place / "old/srv"
        self.repositories = {}
        for client in ("web1", "db1"):
            site = make_site(self.old, client)
            shutil.rmtree(site.client.repository)
            self.repositories[client] = FakeRepository(Path(site.client.repository))
            self.repositories[client].session([(key(1), b"x" * 100)])
            save_json(site.state_file("repository.json"), {"schema": 1, "id": ID, "created": "then"})
            _found, baseline = audit(site.client.repository, None, "append")
            assert baseline
            save_json(baseline_path(site), baseline.to_dict())
            with closing(site):
                site.ledger.append(RepositoryEntry(client, ID))
                site.ledger.append(FreezeEntry(client, "why"))
                assert save_spare(site) == ""
                self.head = site.ledger.head()
        self.places = Places(str(self.dataset), str(place / "new/state"), str(place / "new/etc"))

    def plan(self, known: ChainHead = EMPTY, anew: bool = False) -> Plan:
        return plan_rebuild(self.places, known, anew)

    def ledger(self) -> Ledger:
        return Ledger.read(os.path.join(self.places.state_dir, NAME))

    def state(self, client: str, name: str) -> Path:
        return Path(self.places.state_dir, client, name)

    @property
    def copy(self) -> Path:
        return self.dataset / ".server" / NAME


@pytest.fixture
def lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lost:
    monkeypatch.setattr(_rebuild, "_account", lambda _client: OWNER)
    return Lost(tmp_path)


def told(work: _rebuild.Work, client: str = "web1") -> str:
    return "; ".join((*work.marks[client].told, work.marks[client].problem))


def test_ledger_records_and_baselines_come_back(lost: Lost) -> None:
    work = rebuild(lost.plan(lost.head))
    assert lost.copy.exists()
    assert told(work).startswith("the ledger is its copy beside the repositories, up to entry 4 of 20")
    assert "lost" not in told(work) and "nobody" not in told(work)
    with lost.ledger() as ledger:
        assert ledger.verify(lost.head).ok
        rows = ledger.entries(kind="rebuild")
    time = rows[0].entry.time if isinstance(rows[0].entry, RebuildEntry) else ""
    said = ("copy", str(lost.head), str(lost.head), time, 4)
    assert [row.entry for row in rows] == [RebuildEntry(one, *said) for one in ("db1", "web1")]
    assert json.loads(lost.state("web1", "repository.json").read_text())["id"] == ID
    assert lost.state("web1", "baseline.json").read_bytes() == (lost.old / "state/web1/baseline.json").read_bytes()
    client = load_client(lost.places.config_dir, "web1")
    assert client.repository == f"{lost.dataset}/web1/repo"
    assert Path(client.known_hosts_file).read_text() == "web1 ssh-ed25519 AAAAweb1\n"
    assert (lost.dataset / "web1/repo/config").stat().st_uid == OWNER[0]


def test_until_a_full_audit_it_is_only_read(lost: Lost) -> None:
    rebuild(lost.plan())
    server: Any = make_site(Path(lost.places.state_dir).parent)
    with pytest.raises(SessionError, match=r"can only restore until this was done: audit\.yml --limit web1") as refused:
        refuse_rebuilt(server)
    assert refused.value.code == "rebuilding"


def test_a_second_call_changes_nothing_and_a_living_server_is_refused(lost: Lost, tmp_path: Path) -> None:
    rebuild(lost.plan())
    lost.state("web1", "rebuilt.json").unlink()  # audited since
    with lost.ledger() as ledger:
        head = ledger.head()
    again = rebuild(lost.plan())
    assert (again.marks, lost.plan().new, lost.plan().ledger.source) == ({}, (), "here")
    assert read_mark(lost.places.state_dir, "web1") is None
    with lost.ledger() as ledger:
        assert ledger.head() == head
    living = Places(str(lost.dataset), str(lost.old / "state"), str(tmp_path / "etc"))
    with pytest.raises(SessionError, match=r"this server is not lost: .* has 4 entries"):
        plan_rebuild(living, EMPTY, anew=True)


def test_check_tells_the_same_and_writes_nothing(lost: Lost, tmp_path: Path) -> None:
    before = {path: path.lstat().st_mtime_ns for path in tmp_path.rglob("*")}
    foretold = rebuild(lost.plan(lost.head), check=True)
    after = {path: path.lstat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert after == before
    assert foretold.marks == rebuild(lost.plan(lost.head)).marks


def test_an_older_copy_is_told_with_what_is_lost(lost: Lost) -> None:
    later = ChainHead(lost.head.seq + 7, "c" * 64)
    assert "entries 5 to 11, of which the given head tells, are lost" in told(rebuild(lost.plan(later)))


def test_without_a_head_nobody_knows_whether_the_copy_is_the_newest(lost: Lost) -> None:
    assert "nobody gave a head" in told(rebuild(lost.plan()))


def test_a_copy_that_was_written_anew_is_refused(lost: Lost) -> None:
    with pytest.raises(SessionError, match=r"entry 3 of the copy .* is not the one of the given head"):
        lost.plan(ChainHead(3, "c" * 64))
    assert not os.path.exists(lost.places.state_dir)
    work = rebuild(lost.plan(ChainHead(3, "c" * 64), anew=True))
    assert "archives that are there count as unknown, and stay; the last known head was 3:ccc" in told(work)
    assert not lost.copy.exists() and list(lost.copy.parent.glob("ledger.sqlite.20*"))


def test_a_copy_is_taken_up_to_where_it_is_whole(lost: Lost, tmp_path: Path) -> None:
    with closing(sqlite3.connect(lost.copy)) as copy:
        copy.execute("DROP TRIGGER entries_unchanged")
        copy.execute("UPDATE entries SET client = 'other' WHERE seq = 3")
        copy.commit()
    work = rebuild(lost.plan(lost.head))
    assert "entry 3 of the copy is not whole: 2 entries are lost" in told(work)
    with lost.ledger() as ledger:
        assert ledger.verify().ok and ledger.head().seq == 4  # two that are whole, and one for each client
    assert list(lost.copy.parent.glob("ledger.sqlite.20*")), "the next session begins a new copy"


def test_a_copy_of_which_nothing_is_left_is_a_persons_decision(lost: Lost) -> None:
    lost.copy.write_bytes(b"not a database" * 100)
    with pytest.raises(SessionError, match="backup_rebuild_anew=true"):
        lost.plan()


def test_without_any_spare_the_repositories_alone_are_enough(lost: Lost) -> None:
    shutil.rmtree(lost.dataset / ".server")
    (lost.dataset / "web1/repo/lock.exclusive").mkdir()
    (lost.dataset / "web1/repo/lock.exclusive/dead@host.12-0").touch()
    (lost.dataset / "web1/repo/lock.roster").write_text("{}")
    work = rebuild(lost.plan(lost.head))
    said = told(work)
    assert f"archives that are there count as unknown, and stay; the last known head was {lost.head}" in said
    assert "nothing tells how the last session left the repository, nor its highest nonce" in said
    assert "only its place on the dataset says" in said
    with lost.ledger() as ledger:
        assert [row.entry for row in ledger.entries()] == [
            RebuildEntry(one, "anew", "", str(lost.head)) for one in ("db1", "web1")
        ]
    assert not list((lost.dataset / "web1/repo").glob("lock.*"))


def test_a_session_that_was_under_way_is_found_out_by_the_next(lost: Lost) -> None:
    lost.repositories["web1"].session([(key(2), b"y" * 100)])
    work = rebuild(lost.plan(lost.head))
    assert "a session was under way" in told(work) and "a session was under way" not in told(work, "db1")
    intent = read_intent(make_site(Path(lost.places.state_dir).parent))
    assert intent is not None and (intent.policy, intent.budget.objects) == ("append", 0)


@pytest.mark.parametrize("how", ["gone", "another", "hostile", "no repository"])
def test_a_repository_that_is_not_to_be_used_gets_no_empty_one_in_its_place(lost: Lost, how: str) -> None:
    repository = lost.dataset / "web1/repo"
    said = {
        "gone": "is not on the dataset, but web1 had one there",
        "another": "holds repository cdcdcdcdcdcd, but web1 had abababababab",
        "hostile": "is neither a file nor a directory",
        "no repository": "holds no repository, but web1 had abababababab",
    }[how]
    if how == "gone":
        shutil.rmtree(lost.dataset / "web1")
    elif how == "another":
        (repository / "config").write_text((repository / "config").read_text().replace("ab" * 32, "cd" * 32))
    elif how == "hostile":
        (repository / "data/link").symlink_to("/etc/shadow")
    else:
        (repository / "config").unlink()
    work = rebuild(lost.plan(lost.head))
    assert said in told(work) and told(work, "db1").startswith("the ledger is its copy")
    assert not lost.state("web1", "repository.json").exists()
    with pytest.raises(SessionError, match=said.split(",")[0]):
        refuse_rebuilt(make_site(Path(lost.places.state_dir).parent))
    assert lost.plan().new == ("web1",), "the next call tries again"


def test_cut_off_anywhere_the_next_call_ends_it(lost: Lost, monkeypatch: pytest.MonkeyPatch) -> None:
    for place in ("place_ledger", "hand_over", "free_locks", "write_mark", "save_json"):
        real = getattr(_rebuild, place)

        def cut_off(*_words: Any, **_named: Any) -> None:
            raise OSError("cut off")

        monkeypatch.setattr(_rebuild, place, cut_off)
        with pytest.raises(OSError, match="cut off"):
            rebuild(lost.plan(lost.head))
        monkeypatch.setattr(_rebuild, place, real)
        assert not lost.state("web1", "repository.json").exists()
    work = rebuild(lost.plan())
    assert set(work.marks) == {"web1", "db1"} and lost.plan().new == ()
    assert "copy beside the repositories, up to entry 4" in told(work), "as the first call found it"
    with lost.ledger() as ledger:
        assert ledger.verify(lost.head).ok


def test_nothing_there_is_no_dataset(tmp_path: Path) -> None:
    (tmp_path / "srv").mkdir()
    with pytest.raises(SessionError, match="has no repositories: mount the dataset"):
        plan_rebuild(Places(str(tmp_path / "srv"), str(tmp_path / "state"), str(tmp_path / "etc")), EMPTY, False)
