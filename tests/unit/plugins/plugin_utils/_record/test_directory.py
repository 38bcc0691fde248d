# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The directory of a run: its files are whole, and one run's alone."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.directory import RecordExistsError, RunDir
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.model import Run


def full(_descriptor: int) -> None:
    raise OSError(28, "No space left on device")


def test_a_record_is_private_json(tmp_path: Path, bad_run: Run) -> None:
    directory = RunDir.create(tmp_path / "reports", "r1")
    directory.save(bad_run)
    assert json.loads(directory.record.read_text()) == json.loads(json.dumps(bad_run.to_dict()))
    assert stat.S_IMODE(directory.record.stat().st_mode) == 0o600
    assert stat.S_IMODE(directory.path.stat().st_mode) == 0o700


def test_a_record_is_never_overwritten_by_another_run(tmp_path: Path) -> None:
    """Not by one that begins at the same moment either, before the first one has written anything."""
    RunDir.create(tmp_path, "r1")
    with pytest.raises(RecordExistsError, match="r1 already has a record"):
        RunDir.create(tmp_path, "r1")


def test_a_run_that_cannot_begin_leaves_nothing(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = RunDir.create(tmp_path, "r1")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        directory.begin(run)
    assert list(tmp_path.iterdir()) == []


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = RunDir.create(tmp_path, "r1")
    directory.save(run)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        directory.write("record.json", b"half")
    assert json.loads(directory.record.read_text())["run_id"] == run.run_id
    assert [path.name for path in directory.path.iterdir()] == ["record.json"]
