# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit in its place: what it takes from the ledger and from the last audit, and what it does without them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._audit.owners import keep_index
from ansible_collections.paranoid.backup.plugins.module_utils._audit.presence import Presence
from ansible_collections.paranoid.backup.plugins.module_utils._audit.stored import (
    audit_since_baseline,
    baseline_path,
    last_baseline,
    load_baseline,
    save_baseline,
)
from ansible_collections.paranoid.backup.plugins.module_utils._audit.verdict import AuditVerdict, Budget
from ansible_collections.paranoid.backup.plugins.module_utils._common.errors import SessionError
from ansible_collections.paranoid.backup.plugins.module_utils._config.site import Site
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import (
    ReportedArchive,
    RollbackEntry,
    SessionEntry,
)
from fake_repository import FakeRepository, key
from made_site import make_site

FIRST, SECOND, LATER = (key(number).hex() for number in (10, 20, 30))
AMPLE = Budget(objects=99, bytes=10**6, archives=9)


def enter(site: Site, number: int, transaction: int, status: str = "ok") -> None:
    """Have the ledger know archive ``number`` as one that came with this transaction."""
    archive = ReportedArchive(key(number).hex(), f"name {number}")
    seen: dict[str, Any] = {
        "commits": 1,
        "manifests": 1,
        "transaction": transaction,
        "archive": archive,
        "came": archive.id,
    }
    site.ledger.append(SessionEntry(site.name, "backup", f"{number:032x}", "run", status, **seen))


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Two backups, each with its archive and a chunk, in the ledger and in the baseline."""
    with closing(make_site(tmp_path)) as made:
        repository = FakeRepository(Path(made.client.repository))
        for number in (10, 20):
            enter(made, number, repository.session([(key(number), b"archive"), (key(number + 1), b"chunk")]))
        save_baseline(made, audit_since_baseline(made, "append", archive=SECOND)[1])
        made.__dict__["written"] = repository
        yield made


def repository(site: Site) -> FakeRepository:
    found: FakeRepository = site.__dict__["written"]
    return found


def words(verdict: AuditVerdict) -> str:
    return " / ".join(verdict.findings)


def test_a_backup_brings_what_it_names_and_takes_nothing(site: Site) -> None:
    repository(site).session([(key(30), b"archive")])
    verdict, baseline = audit_since_baseline(site, "append", archive=LATER)
    assert (verdict.verdict, verdict.presence) == ("clean", Presence(brought=True))
    assert baseline is not None and baseline.transaction == repository(site).last


def test_an_archive_that_was_there_before_is_not_brought_again(site: Site) -> None:
    """A client that names yesterday's archive, and stores some rubbish, has made no backup today."""
    repository(site).session([(key(99), b"rubbish")])
    assert not audit_since_baseline(site, "append", archive=SECOND)[0].presence.brought


def test_an_archive_that_the_ledger_knows_must_be_there_and_one_that_may_go_need_not(site: Site) -> None:
    keep_index(site)
    repository(site).session(deletes=[key(10)], manifest=450)
    for going, missing, gone in (({FIRST}, (), (FIRST,)), ({SECOND}, (FIRST,), ()), (set(), (FIRST,), ())):
        presence = audit_since_baseline(site, "trim", AMPLE, frozenset(going))[0].presence
        assert (presence.missing, presence.gone) == (missing, gone)
    verdict, _baseline = audit_since_baseline(site, "trim", AMPLE, frozenset({FIRST}))
    assert verdict.verdict == "expected"


def test_an_archive_of_a_session_that_failed_must_be_there_as_well(site: Site) -> None:
    enter(site, 30, repository(site).session([(key(30), b"archive")]), "failed")
    save_baseline(site, audit_since_baseline(site, "append")[1])
    keep_index(site)
    repository(site).session(deletes=[key(30)], manifest=450)
    for going, missing in ((set(), (LATER,)), ({LATER}, ())):
        assert audit_since_baseline(site, "trim", AMPLE, frozenset(going))[0].presence.missing == missing


def test_a_trim_takes_nothing_that_came_with_what_stays(site: Site) -> None:
    """The budget allows it, and the archive that goes has it in common with nobody: still it is another one's."""
    keep_index(site)
    repository(site).session(deletes=[key(10), key(21)], manifest=450)
    verdict, _baseline = audit_since_baseline(site, "trim", AMPLE, frozenset({FIRST}))
    assert verdict.verdict == "alarm" and "1 deleted objects came with archives that stay" in words(verdict)


@pytest.mark.parametrize("policy", ["append", "read", "create"])
def test_only_a_trim_has_a_budget(site: Site, policy: str) -> None:
    repository(site).session(deletes=[key(11)])
    verdict, _baseline = audit_since_baseline(site, policy, AMPLE, frozenset({FIRST}))
    assert verdict.verdict == "alarm" and "1 stored objects were deleted, 0 were allowed" in words(verdict)


@pytest.mark.parametrize("index", ["of before", "of now"])
def test_what_went_is_missing_although_an_index_still_has_it(site: Site, index: str) -> None:
    """After a cut the index may be the one from before the session."""
    path = Path(site.client.repository)
    (old,) = path.glob("index.*")
    kept = old.read_bytes()
    repository(site).session(deletes=[key(10)])
    if index == "of before":
        for newer in path.glob("index.*"):
            newer.unlink()
        old.write_bytes(kept)
    verdict, _baseline = audit_since_baseline(site, "append")
    assert verdict.verdict == "alarm" and verdict.presence.missing == (FIRST,)
    assert f"1 archives that nobody let go are not in the repository: {FIRST[:12]}" in words(verdict)


def test_a_repository_that_was_never_made_is_no_alarm_and_one_that_is_gone_is(site: Site, tmp_path: Path) -> None:
    shutil.rmtree(site.client.repository)
    assert audit_since_baseline(site, "append")[0].verdict == "alarm"
    with closing(make_site(tmp_path / "other")) as other:
        assert audit_since_baseline(other, "create") == (AuditVerdict("clean", ()), None)


def test_without_a_baseline_the_ledgers_archives_must_be_there(site: Site) -> None:
    repository(site).session(deletes=[key(10)])
    Path(baseline_path(site)).unlink()
    verdict, baseline = audit_since_baseline(site, "append", archive=SECOND)
    assert verdict.verdict == "alarm" and verdict.presence.missing == (FIRST,)
    assert not verdict.presence.brought, "the ledger's last transaction is newer"
    assert baseline is not None and baseline.transaction == repository(site).last
    made, _baseline = audit_since_baseline(site, "create")
    assert made.verdict == "clean", "what is made now is another repository than the ledger's"


def test_without_a_baseline_what_came_after_the_ledgers_last_word_was_brought(site: Site) -> None:
    Path(baseline_path(site)).unlink()
    repository(site).session([(key(30), b"archive")])
    assert audit_since_baseline(site, "append", archive=LATER)[0].presence.brought
    site.ledger.append(RollbackEntry(site.name, "all of it", (FIRST, SECOND), -1))
    verdict, _baseline = audit_since_baseline(site, "append", archive=FIRST)
    assert verdict.presence == Presence(brought=True), "after a rollback to nothing all of it is new"


@pytest.mark.parametrize("content", ["", "{", "[]", "7", "null", "{}", '{"transaction": "x"}'])
def test_a_baseline_that_says_nothing_is_an_alarm_and_never_a_first_one(site: Site, content: str) -> None:
    Path(baseline_path(site)).write_text(content)
    verdict, baseline = audit_since_baseline(site, "append")
    assert (verdict.verdict, baseline) == ("alarm", None)
    assert "so nothing can be compared" in words(verdict)
    with pytest.raises(SessionError, match=r"the baseline .* cannot be read") as caught:
        last_baseline(site)
    assert caught.value.code == "server_error"
    save_baseline(site, baseline)
    assert Path(baseline_path(site)).read_text() == content, "no new one takes its place"


def test_the_last_baseline_is_what_was_saved_or_says_what_to_do(site: Site) -> None:
    saved = load_baseline(baseline_path(site))
    assert saved is not None and last_baseline(site) == saved
    assert json.loads(Path(baseline_path(site)).read_text()) == json.loads(json.dumps(saved.to_dict()))
    Path(baseline_path(site)).unlink()
    with pytest.raises(SessionError, match=r"web1 was never audited: run audit\.yml"):
        last_baseline(site)


def test_a_baseline_keeps_the_list_of_archives_of_its_day(site: Site) -> None:
    lists = Path(site.state_file("lists"))
    assert [path.name for path in lists.iterdir()] == [str(repository(site).last)]
