# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What recovery saves of a damaged ledger, by the engine and by its module; it overwrites nothing."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.chain import ChainHead
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import FreezeEntry, LedgerError
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.ledger import Ledger
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.recovery import recover_ledger
from ansible_collections.paranoid.backup.plugins.modules import ledger_recover
from module_call import call


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "ledger.sqlite")


@pytest.fixture
def target(tmp_path: Path) -> str:
    return str(tmp_path / "whole.sqlite")


@pytest.fixture
def heads(path: str) -> list[ChainHead]:
    """The heads of a ledger of five entries, of which the fourth was altered since."""
    with Ledger.open(path) as ledger:
        made = [ledger.append(FreezeEntry("web1", f"reason {number}")) for number in range(5)]
    with closing(sqlite3.connect(path)) as database:
        database.execute("DROP TRIGGER entries_unchanged")
        database.execute("UPDATE entries SET client = 'x' WHERE seq = 4")
        database.commit()
    return made


def test_recovery_keeps_what_is_before_the_damage(heads: list[ChainHead], path: str, target: str) -> None:
    before = Path(path).read_bytes()
    assert recover_ledger(path, target, check=True) == heads[2]
    assert not os.path.exists(target)
    assert recover_ledger(path, target) == heads[2]
    assert os.stat(target).st_mode & 0o777 == 0o600
    with Ledger.open(target) as whole:
        assert whole.verify(heads[2]).ok
        assert whole.append(FreezeEntry("web1", "goes on")).seq == 4
    assert Path(path).read_bytes() == before


@pytest.mark.parametrize("check", [False, True])
def test_recovery_never_writes_to_a_file_that_exists(
    heads: list[ChainHead], path: str, target: str, check: bool, tmp_path: Path
) -> None:
    os.symlink(tmp_path / "elsewhere", target)
    for existing in (path, target):
        with pytest.raises(LedgerError, match="exists already, recover into a new file"):
            recover_ledger(path, existing, check)
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("check", [False, True])
def test_recovery_of_nothing_leaves_nothing(path: str, target: str, check: bool) -> None:
    Ledger.open(path).close()
    with pytest.raises(LedgerError, match="nothing whole is left of it: take it from a snapshot"):
        recover_ledger(path, target, check)
    Path(path).write_bytes(b"not a database, " * 1000)
    with pytest.raises(LedgerError, match="it is damaged"):
        recover_ledger(path, target, check)
    with pytest.raises(LedgerError, match="there is none yet"):
        recover_ledger(path + "x", target, check)
    assert not os.path.exists(target)


def test_the_module_says_how_far_and_what_comes_next(
    heads: list[ChainHead], path: str, target: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    options: dict[str, Any] = {"path": path, "target": target}
    told = call(ledger_recover, {**options, "_ansible_check_mode": True}, capsys, monkeypatch)
    assert (told["changed"], told["head"], told["entries"]) == (True, str(heads[2]), 3)
    assert not os.path.exists(target)
    told = call(ledger_recover, options, capsys, monkeypatch)
    assert (told["changed"], told["head"], told["entries"]) == (True, str(heads[2]), 3)
    assert f"move {target} to its place, and remove {path}.head" in told["next"] and "\n" not in told["next"]
    told = call(ledger_recover, options, capsys, monkeypatch)
    assert told["failed"] and told["msg"] == f"ledger {target}: it exists already, recover into a new file"


def test_documentation_and_arguments_say_the_same() -> None:
    options = yaml.safe_load(ledger_recover.DOCUMENTATION)["options"]
    keys = ("type", "default", "required")
    assert {
        name: {key: option[key] for key in keys if key in option} for name, option in options.items()
    } == ledger_recover.ARGUMENTS
