# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the controller has of escrows does not go because a server says so."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._escrow.collection import EscrowError, remove_forgotten

OLD, NEW = "0001-20261125T223346Z-5feceb66ffc8", "0002-20261126T223346Z-6b86b273ff34"


def test_a_server_cannot_have_the_newest_escrow_removed(tmp_path: Path) -> None:
    place = tmp_path / "web1"
    place.mkdir()
    for name in (OLD, NEW):
        (place / f"{name}.age").touch()
    with pytest.raises(EscrowError, match="it forgot the newest escrow of web1: it stays here"):
        remove_forgotten(str(tmp_path), "web1", [OLD, NEW])
    assert len(list(place.iterdir())) == 2
    assert remove_forgotten(str(tmp_path), "web1", [OLD, "../../etc/passwd"]) == [OLD]
    assert remove_forgotten(str(tmp_path), "web2", [OLD]) == []
    assert [path.name for path in place.iterdir()] == [f"{NEW}.age"]
