# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is removed of an unfinished `create`: what lies in the directory, and nothing that it points to."""

from __future__ import annotations

from pathlib import Path

import pytest
from paranoid_gate.errors import EndOfConnection
from paranoid_gate.guarded import repository_id
from paranoid_gate.unfinished import clear_unfinished


def test_a_link_is_removed_and_not_followed(tmp_path: Path) -> None:
    elsewhere, place = tmp_path / "elsewhere", tmp_path / "repo"
    for directory in (elsewhere, place):
        directory.mkdir()
    (elsewhere / "file").write_text("x")
    (place / "README").write_text("x")
    (place / "config.old").symlink_to(elsewhere)
    clear_unfinished(str(place))
    assert not list(place.iterdir())
    assert (elsewhere / "file").exists()


def test_a_config_is_read_up_to_64_kib(tmp_path: Path) -> None:
    config = f"[repository]\nid = {'ab' * 32}\n#".encode()
    (tmp_path / "config").write_bytes(config.ljust(64 * 1024, b"x"))
    assert repository_id(str(tmp_path)) == "ab" * 32
    (tmp_path / "config").write_bytes(config.ljust(64 * 1024 + 1, b"x"))
    with pytest.raises(EndOfConnection, match="config is broken"):
        repository_id(str(tmp_path))
