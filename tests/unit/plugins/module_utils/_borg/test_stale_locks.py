# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Only locks of our own host id go, and no link of the repository's user is followed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._borg.stale_locks import free_locks

OURS = "server@paranoid"


def lock(directory: Path, *names: str) -> Path:
    directory.mkdir()
    for name in names:
        (directory / name).touch()
    return directory


@pytest.mark.parametrize(
    ("name", "goes"),
    [
        (f"{OURS}.1-0", True),
        (f"{OURS}.4194303-7f3a", True),
        (f"{OURS}.example.org.1-0", False),
        ("someone@elsewhere.1-0", False),
    ],
)
def test_an_exclusive_lock(tmp_path: Path, name: str, goes: bool) -> None:
    path = lock(tmp_path / "lock.exclusive", name)
    free_locks(str(tmp_path), OURS)
    assert path.exists() is not goes


@pytest.mark.parametrize(
    ("content", "goes"),
    [
        ({"shared": [[OURS, 1, 0], [OURS, 2, 0]], "exclusive": []}, True),
        ({"shared": [[OURS, 1, 0], ["someone", 2, 0]]}, False),
        ({"shared": 5}, False),
        ([[OURS]], False),
    ],
)
def test_a_roster(tmp_path: Path, content: Any, goes: bool) -> None:
    path = tmp_path / "lock.roster"
    path.write_text(json.dumps(content))
    free_locks(str(tmp_path), OURS)
    assert path.exists() is not goes


def test_links_are_not_followed(tmp_path: Path) -> None:
    elsewhere = lock(tmp_path / "elsewhere", f"{OURS}.1-0")
    repository = lock(tmp_path / "repo")
    (repository / "lock.exclusive").symlink_to(elsewhere)
    (repository / "lock.roster").symlink_to(elsewhere / f"{OURS}.1-0")
    free_locks(str(repository), OURS)
    (tmp_path / "link").symlink_to(repository)
    free_locks(str(tmp_path / "link"), OURS)
    assert [path.name for path in elsewhere.iterdir()] == [f"{OURS}.1-0"]


def test_no_repository_has_no_locks(tmp_path: Path) -> None:
    free_locks(str(tmp_path / "none"), OURS)


def test_a_host_id_is_no_pattern(tmp_path: Path) -> None:
    path = lock(tmp_path / "lock.exclusive", "aXb@host.1-0")
    free_locks(str(tmp_path), "a.b@host")
    assert path.exists()
