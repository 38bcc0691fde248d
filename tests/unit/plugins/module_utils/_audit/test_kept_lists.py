# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which lists of archives the server keeps, and that it keeps each as it was stored."""

from __future__ import annotations

import os
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._audit import kept_lists as _kept_lists
from ansible_collections.paranoid.backup.plugins.module_utils._audit.kept_lists import (
    KeptList,
    choose_superseded,
    forget_lists,
    keep_list,
    kept_lists,
    load_list,
    read_list,
)
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.clock_watch import ClockState, Reading
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import SessionEntry
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.ledger import NAME, Ledger
from fake_repository import FakeRepository

DAY = 86_400


def nights(count: int, size: int = 1000) -> list[KeptList]:
    return [KeptList(3 * night, night * DAY, size) for night in range(count)]


def test_a_list_goes_when_it_was_superseded_long_ago() -> None:
    kept = nights(100)
    assert choose_superseded(kept, 50 * DAY) == tuple(kept[:49]), "until night 50 the list of night 49 was the list"
    assert choose_superseded(kept, 0) == ()


@pytest.mark.parametrize("count", [0, 1, 9, 10, 11, 12])
def test_the_newest_ten_stay_however_old(count: int) -> None:
    kept = nights(count)
    assert choose_superseded(kept, 1000 * DAY) == tuple(kept[:-10])


def test_an_old_list_that_was_in_place_until_yesterday_stays() -> None:
    """A client that was away for long comes back, and brings a list an hour."""
    kept = [KeptList(1, 0, 1000), *(KeptList(number, 500 * DAY + number, 1000) for number in range(2, 50))]
    assert choose_superseded(kept, 499 * DAY) == ()


def test_a_client_that_pads_its_lists_does_not_fill_the_disk() -> None:
    kept = nights(1000, size=4 * 2**20)
    going = choose_superseded(kept, 0)
    assert kept[: len(going)] == list(going)
    assert sum(one.size for one in kept[len(going) : -10]) == 256 * 2**20


@pytest.fixture
def site(tmp_path: Path) -> Any:
    def state_file(name: str) -> str:
        return str(tmp_path / "state/web1" / name)

    client = SimpleNamespace(repository=str(tmp_path / "repo"), hold_days=14)
    with Ledger.open(str(tmp_path / NAME)) as ledger:
        yield SimpleNamespace(name="web1", client=client, state_file=state_file, ledger=ledger)


def test_each_new_list_is_kept_as_it_was_stored(site: Any, tmp_path: Path) -> None:
    repository = FakeRepository(tmp_path / "repo")
    stored = {}
    for _ in range(3):
        repository.session()
        stored[repository.last] = read_list(str(repository.path))
        keep_list(site, repository.last)
        keep_list(site, repository.last + 1)
    assert {one.transaction: load_list(site, one) for one in kept_lists(site)} == stored
    assert [len(data or b"") for data in stored.values()] == [500] * 3
    paths = [tmp_path / "state/web1/lists", *(tmp_path / "state/web1/lists").iterdir()]
    assert [path.stat().st_mode & 0o777 for path in paths] == [0o700] + [0o600] * 3


def test_what_is_superseded_is_removed(site: Any, tmp_path: Path) -> None:
    repository = FakeRepository(tmp_path / "repo")
    for number in range(12):
        repository.session()
        keep_list(site, repository.last)
        old = time.time() - (100 - number) * DAY
        os.utime(site.state_file(f"lists/{repository.last}"), (old, old))
    assert len(kept_lists(site)) == 10
    forget_lists(site, after=kept_lists(site)[3].transaction)
    assert len(kept_lists(site)) == 4


def test_while_the_clock_may_be_wrong_none_grows_old(site: Any, tmp_path: Path) -> None:
    doubted = ClockState(Reading(time.time() - 400 * DAY, "an earlier boot", 0.0), "a year passed").to_dict()
    site.ledger.append(SessionEntry("web1", "backup", "1" * 32, "", "ok", clock=doubted))
    repository = FakeRepository(tmp_path / "repo")
    for number in range(12):
        repository.session()
        keep_list(site, repository.last)
        old = time.time() - (500 - number) * DAY
        os.utime(site.state_file(f"lists/{repository.last}"), (old, old))
    assert len(kept_lists(site)) == 12


def test_lists_outlive_the_hold_by_thirty_days(site: Any, tmp_path: Path) -> None:
    """Of old ones beside the newest ten, what was superseded 44 days ago goes, and what was 43 days ago stays."""
    repository = FakeRepository(tmp_path / "repo")
    for number in range(13):
        repository.session()
        keep_list(site, repository.last)
        old = time.time() - (45 - min(number, 2)) * DAY
        os.utime(site.state_file(f"lists/{repository.last}"), (old, old))
    repository.session()
    keep_list(site, repository.last)
    assert len(kept_lists(site)) == 13


def test_what_cannot_be_read_or_is_too_large_is_not_kept(
    site: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_list(site, 1)
    repository = FakeRepository(tmp_path / "repo")
    repository.session(manifest=500)
    monkeypatch.setattr(_kept_lists, "_SIZE_LIMIT", 499)
    keep_list(site, repository.last)
    monkeypatch.undo()
    path = repository.segment(repository.last - 1)
    content = path.read_bytes()
    for broken in (b"", content[:60], content[:60] + b"?" + content[61:]):
        path.write_bytes(broken)
        keep_list(site, repository.last)
    path.unlink()
    path.symlink_to("/etc/passwd")
    keep_list(site, repository.last)
    assert kept_lists(site) == []
    path.unlink()
    path.write_bytes(content)
    keep_list(site, repository.last)
    assert len(kept_lists(site)) == 1
