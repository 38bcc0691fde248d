# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A repository that was set aside: until which day it stays, and what else keeps anybody from destroying it."""

from __future__ import annotations

import os
import pwd
import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._common.errors import SessionError
from ansible_collections.paranoid.backup.plugins.module_utils._common.files import save_json
from ansible_collections.paranoid.backup.plugins.module_utils._config.site import Site
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import (
    DestroyEntry,
    FreezeEntry,
    ReportedArchive,
    RepositoryEntry,
    RetireEntry,
    SessionEntry,
    UnfreezeEntry,
)
from ansible_collections.paranoid.backup.plugins.module_utils._outcome import escrow
from ansible_collections.paranoid.backup.plugins.module_utils._upkeep import retiring
from ansible_collections.paranoid.backup.plugins.module_utils._upkeep.retiring import (
    Wish,
    destroy,
    find_retirement,
    plan_destruction,
    plan_retirement,
    retire,
)
from fake_repository import FakeRepository, key
from made_site import make_site

ID = "ab" * 32
WISH = Wish("ana left", "bo")
NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A client with one archive, by its retention kept for a day after seven others, and its hold is two weeks."""
    monkeypatch.setattr(retiring, "account", lambda _name: pwd.getpwuid(os.geteuid()))
    made = make_site(tmp_path)
    FakeRepository(Path(made.client.repository)).session([(key(1), b"archive")])
    save_json(made.state_file("repository.json"), {"schema": 1, "id": ID})
    archive: dict[str, Any] = {"commits": 1, "manifests": 1, "archive": ReportedArchive(key(1).hex(), "a")}
    with closing(Site(made.server, replace(made.client, retention={"daily": 7}, hold_days=14))) as held:
        held.ledger.append(SessionEntry("web1", "backup", "1" * 32, "r", "ok", transaction=2, **archive))
        yield held


def set_aside(site: Site, keep_days: int | None = 1) -> RetireEntry:
    entry = plan_retirement(site, replace(WISH, keep_days=keep_days), NOW)
    assert entry is not None
    retire(site, entry)
    return entry


def refused(site: Site, repository_id: str = ID, now: datetime = NOW) -> str:
    with pytest.raises(SessionError) as caught:
        plan_destruction(site, repository_id, WISH, now)
    return f"{caught.value.code}: {caught.value.reason}"


@pytest.mark.parametrize(
    ("keep_days", "until"),
    [(None, "2026-12-18"), (0, "2026-11-26"), (1, "2026-11-27"), (400, "2027-12-31")],
    ids=["as its retention and the hold say", "not at all", "a day", "long"],
)
def test_until_when_it_stays(site: Site, keep_days: int | None, until: str) -> None:
    entry = plan_retirement(site, replace(WISH, keep_days=keep_days), NOW)
    assert entry == RetireEntry("web1", "ana left", "bo", ID, f"old-{ID[:12]}", until, 1)


def test_it_is_destroyed_on_its_day_and_not_on_the_day_before(site: Site) -> None:
    set_aside(site)
    last = datetime(2026, 11, 26, 23, 59, 59, tzinfo=UTC)
    assert refused(site, now=last) == f"refused: web1's repository {ID[:12]} is kept until 2026-11-27"
    entry = plan_destruction(site, ID, WISH, datetime(2026, 11, 27, tzinfo=UTC))
    assert entry is not None and (entry.reason, entry.by, entry.repository_id) == ("ana left", "bo", ID)
    old = Path(site.client.repository).parent / f"old-{ID[:12]}"
    assert entry.size == sum(path.stat().st_size for path in old.rglob("*") if path.is_file()) > 0
    destroy(site, entry)
    assert not old.exists() and not Path(site.state_file("retired"), old.name).exists()
    assert isinstance(site.ledger.entries("destroy")[-1].entry, DestroyEntry)
    assert plan_destruction(site, ID, WISH, datetime(2027, 1, 1, tzinfo=UTC)) is None, "it is gone"


def test_a_destruction_that_was_cut_off_goes_on(site: Site) -> None:
    """Nothing is left on the disk, but no entry says so: the ledger gets it, and no second one."""
    set_aside(site, 0)
    entry = plan_destruction(site, ID, WISH, NOW)
    assert entry is not None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(site.ledger), "append", lambda *_words: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            destroy(site, entry)
    again = plan_destruction(site, ID, WISH, NOW)
    assert again is not None and again.size == 0
    destroy(site, again)
    assert len(site.ledger.entries("destroy")) == 1


def test_nothing_is_destroyed_by_a_ledger_that_is_not_whole_or_of_a_frozen_client(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_aside(site, 0)
    site.ledger.append(FreezeEntry("web1", "objects are gone"))
    assert refused(site).startswith("frozen: ")
    site.ledger.append(UnfreezeEntry("web1", "looked", "bo"))
    assert plan_destruction(site, ID, WISH, NOW) is not None
    report = SimpleNamespace(ok=False, problem="entry 1 was altered")
    monkeypatch.setattr(type(site.ledger), "verify", lambda *_words, **_named: report)
    assert "tampered with: entry 1 was altered" in refused(site)


@pytest.mark.parametrize("told", ["", "ab", ID[:11], "cd" * 32, ID + "ab", "%", "." * 64])
def test_what_names_no_retired_repository_destroys_none(site: Site, told: str) -> None:
    """An empty id, or a short one, begins every repository's."""
    set_aside(site, 0)
    assert find_retirement(site, told) is None
    assert refused(site, told).startswith("refused: web1 has no retired repository")
    with pytest.raises(SessionError, match="has no retired repository"):
        destroy(site, DestroyEntry("web1", "r", "bo", told, 0))
    assert find_retirement(site, ID[:12]) == find_retirement(site, ID) is not None


def test_one_that_was_set_aside_only_in_part_is_not_destroyed_and_the_same_call_goes_on(site: Site) -> None:
    entry = plan_retirement(site, replace(WISH, keep_days=0), NOW)
    assert entry is not None
    site.ledger.append(entry)  # What knows of it here is still in place.
    assert "was set aside only in part: run rekey.yml again" in refused(site)
    assert plan_retirement(site, Wish("another", "eve", 99), NOW) == entry
    retire(site, entry)
    assert len(site.ledger.entries("retire")) == 1


def test_what_is_set_aside_is_whole_and_an_empty_place_is_left(site: Site) -> None:
    before = {path.name: path.read_bytes() for path in Path(site.client.repository).rglob("*") if path.is_file()}
    Path(site.state_file("baseline.json")).write_text("{}")
    entry = set_aside(site)
    old = Path(site.client.repository).parent / entry.place
    assert {path.name: path.read_bytes() for path in (old / "repo").rglob("*") if path.is_file()} == before
    assert list(Path(site.client.repository).iterdir()) == [] and old.stat().st_mode & 0o777 == 0o700
    kept = sorted(path.name for path in Path(site.state_file("retired"), entry.place).iterdir())
    assert kept == ["baseline.json", "repository.json"]
    assert site.ledger.history("web1").archives == ()
    assert plan_retirement(site, WISH, NOW) is None, "there is none now"


def test_a_new_repository_is_set_aside_only_once_it_was_used(site: Site) -> None:
    """The call that made it may have gone wrong later: the same call again must not set the new one aside."""
    kept = Path(escrow.directory(site))
    kept.mkdir(parents=True)
    (kept / "0001").write_text("ciphertext")
    first = set_aside(site)
    assert (Path(site.client.repository).parent / first.place / "escrow/0001").read_text() == "ciphertext"
    assert not kept.exists()
    again = FakeRepository(Path(site.client.repository))
    config = again.path / "config"
    config.write_text(config.read_text().replace(ID, "cd" * 32))
    save_json(site.state_file("repository.json"), {"schema": 1, "id": "cd" * 32})
    site.ledger.append(RepositoryEntry("web1", "cd" * 32))
    assert plan_retirement(site, WISH, NOW) is None
    archive: dict[str, Any] = {"commits": 1, "manifests": 1, "archive": ReportedArchive(key(2).hex(), "b")}
    site.ledger.append(SessionEntry("web1", "backup", "2" * 32, "r", "ok", transaction=2, **archive))
    second = plan_retirement(site, WISH, NOW)
    assert second is not None and (second.repository_id, second.archives) == ("cd" * 32, 1)
    retire(site, second)
    later = datetime(2028, 1, 1, tzinfo=UTC)
    destruction = plan_destruction(site, ID, WISH, later)
    assert destruction is not None
    destroy(site, destruction)
    assert plan_destruction(site, ID, WISH, later) is None
    assert plan_destruction(site, "cd" * 32, WISH, later) is not None, "the other one is still there"
    shutil.rmtree(Path(site.client.repository).parent / second.place)
    assert plan_destruction(site, "cd" * 32, WISH, later) is not None, "its own destruction is not recorded yet"


def test_what_is_known_of_it_goes_last(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut off before, the repository is known by the note, and the same call goes on."""
    for name in ("baseline.json", "spare.json", "zone.json"):
        Path(site.state_file(name)).write_text("{}")
    moved: list[str] = []
    real = os.replace

    def note(source: str, target: str, **more: Any) -> None:
        moved.append(os.path.basename(source))
        real(source, target, **more)

    monkeypatch.setattr(os, "replace", note)
    entry = set_aside(site)
    moved = [name for name in moved if name in os.listdir(Path(site.state_file("retired"), entry.place))]
    assert moved[-1] == "repository.json" and sorted(moved) == [
        "baseline.json", "repository.json", "spare.json", "zone.json",
    ]  # fmt: skip


def test_a_repository_that_is_not_the_recorded_one_is_not_set_aside(site: Site) -> None:
    save_json(site.state_file("repository.json"), {"schema": 1, "id": "cd" * 32})
    with pytest.raises(SessionError) as caught:
        plan_retirement(site, WISH, NOW)
    assert caught.value.code == "wrong_repository"


@pytest.mark.parametrize(
    ("retention", "said"),
    [({}, "keeps archives without end"), ({"daily": -1}, "keeps archives without end"), ({"nightly": 1}, "'nightly'")],
)
def test_without_a_rule_a_person_says_for_how_long(site: Site, retention: dict[str, int], said: str) -> None:
    endless = Site(site.server, replace(site.client, retention=retention))
    with closing(endless), pytest.raises(SessionError, match=said) as caught:
        plan_retirement(endless, WISH, NOW)
    assert caught.value.code == "refused"
