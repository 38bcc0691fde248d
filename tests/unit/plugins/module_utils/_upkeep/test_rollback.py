# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Going back without Borg: which nonce is carried, what the server forgets, and where nobody can go back to."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._audit.stored import (
    audit_since_baseline,
    baseline_path,
    last_baseline,
    save_baseline,
)
from ansible_collections.paranoid.backup.plugins.module_utils._common.errors import SessionError
from ansible_collections.paranoid.backup.plugins.module_utils._common.files import save_json
from ansible_collections.paranoid.backup.plugins.module_utils._config.site import Site
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import (
    CompactionEntry,
    ReportedArchive,
    SessionEntry,
)
from ansible_collections.paranoid.backup.plugins.module_utils._upkeep import rollback
from ansible_collections.paranoid.backup.plugins.module_utils._upkeep.rollback import (
    plan_rollback,
    refuse_older_state,
    roll_back,
    target_snapshot,
    target_transaction,
)
from fake_repository import FakeRepository, key
from made_site import make_site

FIRST, SECOND = key(1).hex(), key(2).hex()


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Two backups, at transactions 2 and 5, each audited and entered."""
    monkeypatch.setattr(rollback, "_owner", lambda _site: None)
    made = make_site(tmp_path)
    repository = FakeRepository(Path(made.client.repository))
    save_json(made.state_file("repository.json"), {"schema": 1, "id": "ab" * 32})
    with closing(made):
        for number in (1, 2):
            transaction = repository.session([(key(number), b"archive")])
            archive: dict[str, Any] = {"commits": 1, "manifests": 1, "archive": ReportedArchive(key(number).hex(), "a")}
            session = SessionEntry("web1", "backup", f"{number:032x}", "r", "ok", transaction=transaction, **archive)
            made.ledger.append(session)
            save_baseline(made, audit_since_baseline(made, "append")[1])
        yield made


def borg(site: Site, monkeypatch: pytest.MonkeyPatch, code: int = 0) -> None:
    """Have `borg check` make the index anew, as it does after a rollback, or end with a code."""

    def run(_site: Site, *_words: str) -> tuple[int, str]:
        path = Path(site.client.repository)
        for old in [*path.glob("index.*"), *path.glob("hints.*")]:
            old.unlink()
        again = FakeRepository(path.parent / "again")
        again.session([(key(1), b"archive")])
        for made in [*again.path.glob("index.*"), *again.path.glob("hints.*")]:
            made.rename(path / made.name)
        return code, "said"

    monkeypatch.setattr(rollback, "run_borg", run)


def go_back(site: Site, transaction: int = 2) -> str:
    target = target_transaction(site, transaction)
    return roll_back(site, target, plan_rollback(site, target, "an attack"), "20261126T120000Z")


@pytest.mark.parametrize(
    ("now", "baseline", "highest", "carried"),
    [(50, 40, 30, 50), (40, 50, 30, 50), (30, 40, 50, 50), (2**28, None, None, 2**28), (None, 40, 50, 50)],
    ids=["as it is", "as it was", "as it ever was", "nothing else known", "an attacker took it away"],
)
def test_no_nonce_is_used_twice_after_a_rollback(
    site: Site,
    monkeypatch: pytest.MonkeyPatch,
    now: int | None,
    baseline: int | None,
    highest: int | None,
    carried: int,
) -> None:
    """A nonce of what was rolled back was used, too: the highest that anybody knows of is where it goes on."""
    nonce = Path(site.client.repository) / "nonce"
    nonce.write_text("rubbish" if now is None else f"{now:016x}")
    save_baseline(site, replace(last_baseline(site), nonce=baseline, highest_nonce=highest))
    borg(site, monkeypatch)
    go_back(site)
    assert int(nonce.read_text(), 16) == carried
    assert last_baseline(site).nonce == carried


def test_what_a_rollback_leaves(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    borg(site, monkeypatch)
    lists = Path(site.state_file("lists"))
    assert sorted(path.name for path in lists.iterdir()) == ["2", "5"]
    evidence = Path(go_back(site))
    assert sorted(path.name for path in (evidence / "data/0").iterdir()) == [str(number) for number in range(6)]
    assert sorted(path.name for path in (Path(site.client.repository) / "data/0").iterdir()) == ["0", "1", "2"]
    assert [path.name for path in lists.iterdir()] == ["2"], "the numbers of later lists come again"
    assert last_baseline(site).transaction == 2
    entry = site.ledger.entries("rollback")[-1].entry
    assert (entry.lost, entry.transaction) == ((SECOND,), 2)  # type: ignore[union-attr]
    assert [one.id for one in site.ledger.history("web1").archives] == [FIRST]


def test_what_was_begun_and_cut_off_is_over_after_a_rollback(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the next session would conclude it, of a repository that it never was of."""
    notes = [Path(site.state_file(name)) for name in ("underway.json", "compacting.json")]
    for note in notes:
        note.write_text("{}")
    borg(site, monkeypatch)
    go_back(site)
    assert not any(note.exists() for note in notes)


def test_a_copy_takes_the_place_of_what_becomes_evidence(
    site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The copy has an older nonce than what was attacked since; what lies in the snapshot itself stays as it is."""
    repository, snapshot = Path(site.client.repository), tmp_path / "snapshot"
    shutil.copytree(repository, snapshot)
    for number in (3, 4, 5):
        (snapshot / f"data/0/{number}").unlink()
    (snapshot / "nonce").write_text(f"{7:016x}")
    (repository / "nonce").write_text(f"{2**40:016x}")
    borg(site, monkeypatch)
    target = target_snapshot(site, str(snapshot))
    evidence = Path(roll_back(site, target, plan_rollback(site, target, "an attack"), "20261126T120000Z"))
    assert sorted(path.name for path in (repository / "data/0").iterdir()) == ["0", "1", "2"]
    assert int((repository / "nonce").read_text(), 16) == 2**40 and last_baseline(site).nonce == 2**40
    assert int((snapshot / "nonce").read_text(), 16) == 7 and not Path(f"{repository}.new").exists()
    assert len(list((evidence / "data/0").iterdir())) == 6


def test_a_rollback_whose_result_is_not_sound_is_not_recorded(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    before = Path(baseline_path(site)).read_bytes()
    borg(site, monkeypatch, code=1)
    with pytest.raises(SessionError, match="damaged after the rollback: said; evidence is in") as caught:
        go_back(site)
    assert caught.value.code == "server_error" and not site.ledger.entries("rollback")
    assert Path(baseline_path(site)).read_bytes() == before


def test_nobody_goes_back_behind_a_compaction_but_to_where_it_is(site: Site) -> None:
    site.ledger.append(CompactionEntry("web1", 9, 5, 5))
    with pytest.raises(SessionError, match="freed what transaction 2 needs: use a snapshot") as caught:
        target_transaction(site, 2)
    assert caught.value.code == "refused"
    assert target_transaction(site, 5).transaction == 5


@pytest.mark.parametrize("transaction", [-1, 0, 1, 3, 4, 6])
def test_only_a_transaction_of_the_repository_can_be_gone_back_to(site: Site, transaction: int) -> None:
    with pytest.raises(SessionError, match=f"web1 has no transaction {transaction}: ledger_info lists them"):
        target_transaction(site, transaction)


def test_a_copy_of_another_repository_is_none(site: Site, tmp_path: Path) -> None:
    copy = FakeRepository(tmp_path / "copy")
    with pytest.raises(SessionError, match="has no transaction"):
        target_snapshot(site, str(copy.path))
    copy.session([(key(1), b"archive")])
    assert target_snapshot(site, str(copy.path)).transaction == 2
    (copy.path / "config").write_text((copy.path / "config").read_text().replace("ab" * 32, "cd" * 32))
    with pytest.raises(SessionError, match="holds no copy of web1's repository"):
        target_snapshot(site, str(copy.path))
    with pytest.raises(SessionError, match="holds no copy"):
        target_snapshot(site, str(tmp_path / "nowhere"))


def test_an_older_copy_of_the_disk_is_not_taken_for_the_present(site: Site) -> None:
    refuse_older_state(site)
    for number in (3, 4, 5):
        (Path(site.client.repository) / f"data/0/{number}").unlink()
    with pytest.raises(SessionError, match="it ends with transaction 2, and there was 5") as caught:
        refuse_older_state(site)
    assert "backup_rollback_transaction=2" in caught.value.reason
