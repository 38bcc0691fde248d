# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A copy of the ledger is a true beginning of it at any time, and only ever grows."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._ledger import copying
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.chain import Link
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.copying import extend_copy
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import FreezeEntry, LedgerError
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.ledger import Ledger


@pytest.fixture
def ledger(tmp_path: Path) -> Any:
    with Ledger.open(str(tmp_path / "ledger.sqlite")) as opened:
        grow(opened, 5)
        yield opened


@pytest.fixture
def copy(tmp_path: Path) -> str:
    return str(tmp_path / "copy.sqlite")


def grow(ledger: Ledger, count: int) -> None:
    for number in range(count):
        ledger.append(FreezeEntry(f"web{number}", "why"))


def whole_head(path: str) -> str:
    with Ledger.read(path) as copy:
        assert copy.verify().ok
        return str(copy.head())


def test_it_grows_with_the_ledger(ledger: Ledger, copy: str) -> None:
    for _round in range(3):
        assert extend_copy(ledger, copy) == ""
        assert whole_head(copy) == str(ledger.head())
        assert extend_copy(ledger, copy) == ""
        grow(ledger, 2)


def test_a_session_copies_no_more_than_it_has_time_for(
    ledger: Ledger, copy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "STEP", 3)
    assert "lacks the newest 2 entries" in extend_copy(ledger, copy)
    assert whole_head(copy).startswith("3:")
    assert extend_copy(ledger, copy) == ""
    assert whole_head(copy) == str(ledger.head())


def test_a_ledger_that_was_cut_off_takes_nothing_from_its_copy(ledger: Ledger, copy: str, tmp_path: Path) -> None:
    extend_copy(ledger, copy)
    with Ledger.open(str(tmp_path / "shorter.sqlite")) as shorter:
        shorter.take_over(list(ledger.links(0))[:3])
        assert "has an entry 5 that the ledger" in extend_copy(shorter, copy)
        grow(shorter, 9)  # longer than the copy, and another one
        assert "has an entry 5 that the ledger" in extend_copy(shorter, copy)
    assert whole_head(copy) == str(ledger.head())


def test_a_damaged_copy_is_told_and_left_alone(ledger: Ledger, copy: str) -> None:
    Path(copy).write_bytes(b"not a database" * 100)
    with pytest.raises(LedgerError, match="damaged"):
        extend_copy(ledger, copy)


def test_killed_in_the_middle_it_is_as_it_was(ledger: Ledger, copy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    extend_copy(ledger, copy)
    before = whole_head(copy)
    grow(ledger, 4)
    links = Ledger.links

    def killed(self: Ledger, after: int) -> Iterator[Link]:
        for number, link in enumerate(links(self, after)):
            if number == 2:
                os.kill(os.getpid(), signal.SIGKILL)
            yield link

    monkeypatch.setattr(Ledger, "links", killed)
    child = os.fork()
    if child == 0:
        with closing(Ledger.read(ledger.path)) as own:
            extend_copy(own, copy)
        os._exit(0)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    monkeypatch.undo()
    assert whole_head(copy) == before
    assert extend_copy(ledger, copy) == ""
    assert whole_head(copy) == str(ledger.head())
