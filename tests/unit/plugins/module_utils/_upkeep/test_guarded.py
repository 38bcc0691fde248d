# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An audit outside a session: what it says in check mode, and that it leaves nothing behind there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._audit.stored import audit_since_baseline, save_baseline
from ansible_collections.paranoid.backup.plugins.module_utils._common.files import save_json
from ansible_collections.paranoid.backup.plugins.module_utils._config.site import Site
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.rebuilt import Rebuilt, read_mark, write_mark
from ansible_collections.paranoid.backup.plugins.module_utils._upkeep.guarded import audit_and_record
from fake_repository import FakeRepository, key


@pytest.fixture
def repository(tmp_path: Path) -> FakeRepository:
    made = FakeRepository(tmp_path / "repo")
    made.session([(key(1), b"x" * 100)])
    return made


@pytest.fixture
def site(tmp_path: Path, repository: FakeRepository) -> Iterator[Site]:
    """A client that is held, audited once."""
    server: Any = SimpleNamespace(state_dir=str(tmp_path / "state"))
    client: Any = SimpleNamespace(client="web1", repository=str(repository.path), compression="", hold_days=14)
    save_json(str(tmp_path / "state/web1/repository.json"), {"schema": 1, "id": "ab" * 32})
    with closing(Site(server, client)) as site:
        save_baseline(site, audit_since_baseline(site, "create")[1])
        yield site


@pytest.mark.parametrize("check", [False, True])
def test_a_baseline_that_cannot_be_read_is_an_alarm(site: Site, tmp_path: Path, check: bool) -> None:
    (tmp_path / "state/web1/baseline.json").write_text("{")
    found = audit_and_record(site, check=check)
    assert found.verdict == "alarm"
    assert "baseline.json cannot be read, so nothing can be compared" in found.findings[0]
    assert [record.kind for record in site.ledger.entries()] == ([] if check else ["audit", "freeze"])


def test_check_mode_compares_and_writes_nothing(site: Site, tmp_path: Path, repository: FakeRepository) -> None:
    repository.session([(key(2), b"x")], deletes=[key(1)])
    before = (tmp_path / "state/web1/baseline.json").read_bytes()
    assert audit_and_record(site, check=True).findings == audit_and_record(site, check=True).findings != ()
    assert (tmp_path / "state/web1/baseline.json").read_bytes() == before
    assert site.ledger.entries() == []


@pytest.mark.parametrize("check", [False, True])
def test_a_full_audit_is_an_alarm_when_either_half_of_it_is_one(
    site: Site, repository: FakeRepository, check: bool
) -> None:
    """What a session deleted is sound by itself, and damage changes nothing that a session is compared by."""
    assert audit_and_record(site, full=True, check=True).verdict == "clean"
    first = repository.segment(0).read_bytes()
    repository.segment(0).write_bytes(first.replace(b"x" * 9, b"y" * 9, 1))
    assert audit_and_record(site, check=True).verdict == "clean"
    assert audit_and_record(site, full=True, check=True).verdict == "alarm"
    repository.segment(0).write_bytes(first)
    repository.session(deletes=[key(1)])
    found = audit_and_record(site, full=True, check=check)
    assert found.verdict == "alarm" and "1 stored objects were deleted, 0 were allowed" in found.findings[0]
    assert [record.kind for record in site.ledger.entries()] == ([] if check else ["audit", "freeze"])


@pytest.mark.parametrize(("full", "check", "lifted"), [(False, False, False), (True, True, False), (True, False, True)])
def test_only_a_full_audit_that_is_recorded_lifts_the_mark_of_a_server_that_was_made_again(
    site: Site, full: bool, check: bool, lifted: bool
) -> None:
    write_mark(site.server.state_dir, site.name, Rebuilt(("its clock is not known",)))
    audit_and_record(site, full=full, check=check)
    assert (read_mark(site.server.state_dir, site.name) is None) is lifted
