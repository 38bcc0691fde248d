# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is concluded of work that was cut off, by what Borg's check says and by what lies there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._audit.owners import keep_index
from ansible_collections.paranoid.backup.plugins.module_utils._audit.stored import (
    audit_since_baseline,
    last_baseline,
    save_baseline,
)
from ansible_collections.paranoid.backup.plugins.module_utils._audit.verdict import Budget
from ansible_collections.paranoid.backup.plugins.module_utils._common.errors import SessionError
from ansible_collections.paranoid.backup.plugins.module_utils._common.files import save_json
from ansible_collections.paranoid.backup.plugins.module_utils._config.site import Site
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import (
    CompactionEntry,
    ReportedArchive,
    SessionEntry,
)
from ansible_collections.paranoid.backup.plugins.module_utils._outcome import crash_recovery
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.crash_recovery import begin_compaction, recover
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.intent import Intent, read_intent, write_intent
from fake_repository import FakeRepository, key
from made_site import make_site


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A compaction has begun, of a repository whose newest transaction is 2."""
    made = make_site(tmp_path)
    FakeRepository(Path(made.client.repository)).session([(key(1), b"archive")])
    save_json(made.state_file("repository.json"), {"schema": 1, "id": "ab" * 32})
    with closing(made):
        save_baseline(made, audit_since_baseline(made, "create")[1])
        begin_compaction(made, last_baseline(made))
        yield made


def is_begun(site: Site) -> bool:
    return os.path.exists(site.state_file("compacting.json"))


def check_says(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    monkeypatch.setattr(crash_recovery, "run_borg", lambda *_words: (code, "said"))


def commit_again(site: Site) -> None:
    """Leave what a compaction leaves that had committed: the same objects, one transaction later."""
    path = Path(site.client.repository)
    for old in [*path.glob("index.*"), *path.glob("hints.*"), *path.glob("data/0/*")]:
        old.unlink()
    moved = FakeRepository(path.parent / "moved")
    moved.last = 2
    moved.session([(key(1), b"archive")])
    for part in (*moved.path.glob("index.*"), *moved.path.glob("hints.*")):
        part.rename(path / part.name)
    for part in (moved.path / "data/0").iterdir():
        part.rename(path / "data/0" / part.name)


@pytest.mark.parametrize("committed", [False, True])
def test_what_is_sound_is_recorded_if_it_was_done_and_is_the_next_baseline(
    site: Site, monkeypatch: pytest.MonkeyPatch, committed: bool
) -> None:
    if committed:
        commit_again(site)
    check_says(monkeypatch, 0)
    recover(site)
    assert [row.kind for row in site.ledger.entries()] == (["compaction"] if committed else [])
    assert last_baseline(site).transaction == (5 if committed else 2) and not is_begun(site)
    if committed:
        entry = site.ledger.entries()[0].entry
        assert isinstance(entry, CompactionEntry) and entry.transaction == 5
    recover(site)
    assert len(site.ledger.entries()) == committed, "it is concluded once"


def test_what_the_check_finds_is_an_alarm_and_freezes(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    check_says(monkeypatch, 1)
    recover(site)
    alarm = site.ledger.frozen_by("web1")
    assert alarm is not None and "borg check after a compaction: said" in alarm.findings
    assert not is_begun(site)


def test_what_is_not_as_it_was_is_an_alarm_though_the_check_finds_nothing(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = replace(last_baseline(site), objects=9)
    save_baseline(site, before)
    begin_compaction(site, before)
    check_says(monkeypatch, 0)
    recover(site)
    alarm = site.ledger.frozen_by("web1")
    assert alarm is not None and alarm.findings == ("the compaction changed objects from 9 to 2",)
    assert last_baseline(site) == before, "after an alarm the next audit compares with the same"


@pytest.mark.parametrize("code", [2, 100, -9])
def test_a_check_that_did_not_end_concludes_nothing(site: Site, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    """Not run to its end, it has found nothing; the next one begins again with the same note."""
    check_says(monkeypatch, code)
    for _again in range(2):
        with pytest.raises(SessionError, match=f"borg check ended with {code}: said") as caught:
            recover(site)
        assert caught.value.code == "check_failed"
    assert is_begun(site) and site.ledger.entries() == []


def test_another_repository_in_its_place_is_left_alone(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    check_says(monkeypatch, 0)
    config = Path(site.client.repository) / "config"
    config.write_text(config.read_text().replace("ab" * 32, "cd" * 32))
    with pytest.raises(SessionError) as caught:
        recover(site)
    assert caught.value.code == "wrong_repository" and is_begun(site)


def test_a_note_that_cannot_be_read_concludes_nothing(site: Site) -> None:
    Path(site.state_file("compacting.json")).write_text("{")
    with pytest.raises(SessionError, match=r"compacting\.json cannot be read") as caught:
        recover(site)
    assert caught.value.code == "server_error"


@pytest.mark.parametrize(
    ("policy", "named", "budget", "deletes", "kinds", "is_frozen"),
    [
        ("trim", (1,), Budget(10, 10**6, 1), (1,), ["session", "audit", "trim"], False),
        ("trim", (), Budget(10, 10**6, 1), (1,), ["session", "audit", "freeze"], True),
        ("append", (), Budget(), (1,), ["session", "audit", "freeze"], True),
        ("append", (), Budget(), (), ["session"], False),
        ("append", (), Budget(), None, ["session"], False),
    ],
    ids=["what it was to delete", "what nobody named", "in a backup", "nothing went", "nothing was committed"],
)
def test_a_session_that_was_cut_off_is_judged_by_what_it_was_to_do(
    tmp_path: Path,
    policy: str,
    named: tuple[int, ...],
    budget: Budget,
    deletes: tuple[int, ...] | None,
    kinds: list[str],
    is_frozen: bool,
) -> None:
    with closing(make_site(tmp_path)) as site:
        repository = FakeRepository(Path(site.client.repository))
        made = repository.session([(key(1), b"archive"), (key(2), b"archive")])
        save_json(site.state_file("repository.json"), {"schema": 1, "id": "ab" * 32})
        came = ReportedArchive(key(1).hex(), "one")
        site.ledger.append(
            SessionEntry(
                site.name, "backup", "1" * 32, "r", "ok", commits=1, manifests=1, transaction=made, archive=came
            )
        )
        save_baseline(site, audit_since_baseline(site, "append")[1])
        ids = tuple(key(one).hex() for one in named)
        keep_index(site)
        verb = "maintain" if policy == "trim" else "backup"
        write_intent(site, Intent("2" * 32, verb, "r", "2026-11-26T01:00:00Z", policy, budget, ids))
        if deletes is not None:
            repository.session(deletes=[key(one) for one in deletes])
        recover(site)
        rows = site.ledger.entries()[1:]
        assert [row.kind for row in rows] == kinds and (site.ledger.frozen_by(site.name) is not None) is is_frozen
        entry = rows[0].entry
        assert isinstance(entry, SessionEntry) and (entry.status, entry.code) == (
            "failed",
            "alarm" if is_frozen else "server_error",
        )
        assert entry.transaction == (None if deletes is None else repository.last)
        assert read_intent(site) is None and last_baseline(site).transaction == repository.last
