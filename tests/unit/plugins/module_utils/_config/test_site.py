# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A site's ledger: opened when it is needed, once, and closed with the site."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._config.site import Site
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import LedgerError, UnfreezeEntry
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.ledger import NAME


@pytest.fixture
def site(tmp_path: Path) -> Site:
    server: Any = SimpleNamespace(state_dir=str(tmp_path))
    client: Any = SimpleNamespace(client="web1")
    return Site(server, client)


def test_the_ledger_is_opened_when_it_is_used_and_only_once(site: Site, tmp_path: Path) -> None:
    with closing(site):
        assert not (tmp_path / NAME).exists()
        assert site.ledger is site.ledger
    assert (tmp_path / NAME).exists()


def test_a_closed_ledger_is_opened_again(site: Site) -> None:
    with closing(site):
        first = site.ledger
        site.close()
        with pytest.raises(LedgerError, match="closed"):
            first.append(UnfreezeEntry("web1", "looked"))
        assert site.ledger.append(UnfreezeEntry("web1", "looked")).seq == 1


def test_a_ledger_that_cannot_be_opened_is_an_error_only_where_it_is_needed(site: Site, tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(b"not a database" * 100)
    with closing(site):
        assert site.state_file("baseline.json") == str(tmp_path / "web1/baseline.json")
        with pytest.raises(LedgerError):
            _ = site.ledger
