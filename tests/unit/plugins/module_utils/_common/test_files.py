# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file of state is replaced as a whole or not at all, and is nobody else's to read."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._common.files import save_json


def test_it_is_replaced_and_private(tmp_path: Path) -> None:
    path = tmp_path / "web1" / "baseline.json"
    for content in ({"a": 1}, {"b": "ü"}):
        save_json(str(path), content)
        assert json.loads(path.read_text()) == content
    assert [stat.S_IMODE(one.stat().st_mode) for one in (path, path.parent)] == [0o600, 0o700]
    assert [one.name for one in path.parent.iterdir()] == ["baseline.json"]


def test_a_write_that_fails_leaves_the_old_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "baseline.json"
    save_json(str(path), {"a": 1})

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        save_json(str(path), {"b": 2})
    assert json.loads(path.read_text()) == {"a": 1}


def test_a_link_where_it_writes_is_refused(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    (tmp_path / "baseline.json.new").symlink_to(victim)
    with pytest.raises(OSError, match="symbolic links"):
        save_json(str(tmp_path / "baseline.json"), {"a": 1})
    assert victim.read_text() == "untouched"
