# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client takes archives off its list and pads it, unseen by any audit: all else stays, and the list comes back."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from keeper import Keeper
from list_thief import take_off_the_list
from session_world import World

MANIFEST_ID = "00" * 32


@pytest.fixture
def keeper(world: World) -> Keeper:
    """A client with three archives that share a file; of four archives the oldest may go, and its hold is over."""
    made = Keeper(world)
    made.provision()
    made.world.write(hold_days=0, retention={"daily": 1, "minimum": 3})
    (made.world.own / "source/common").write_bytes(os.urandom(300_000))
    for number in range(3):
        made.backup(number)
    return made


def test_an_honest_maintenance_destroys_nothing_while_archives_are_off_the_list(keeper: Keeper, tmp_path: Path) -> None:
    """Borg counts references by the list: it would drop what the omitted archives share with the one that goes."""
    oldest, *omitted = keeper.contents
    common = (keeper.world.own / "source/common").read_bytes()
    assert keeper.borg("debug", "get-obj", "::", MANIFEST_ID, str(tmp_path / "list")).returncode == 0
    (keeper.world.own / "source/common").unlink()
    take_off_the_list(keeper, omitted)
    outcome = keeper.maintain()
    keeper.module("compact", limit_ratio=1)

    assert keeper.borg("debug", "put-obj", "::", MANIFEST_ID, str(tmp_path / "list")).returncode == 0
    shutil.rmtree(keeper.world.path / "attacker")  # Borg there remembers the newer list.
    for one in omitted:
        assert keeper.restored(one) == keeper.contents[one]
        assert keeper.restored(one, "common") == common
    assert outcome.conclusion.code == "archives_missing"
    assert outcome.maintain and outcome.maintain["deleted"] == []
    assert outcome.maintain["missing"] == sorted(omitted) and outcome.maintain["check"] == "ok"
    assert keeper.restored(oldest) == keeper.contents[oldest] and keeper.entries("trim") == []
