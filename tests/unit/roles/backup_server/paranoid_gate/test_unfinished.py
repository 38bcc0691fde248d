# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is removed of an unfinished `create`: what lies in the directory, and nothing that it points to."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_repository import FakeRepository, key
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


@pytest.mark.parametrize("commit", [True, False])
def test_a_repository_with_a_commit_stays_and_one_without_goes(tmp_path: Path, commit: bool) -> None:
    made = FakeRepository(tmp_path / "repo")
    made.session([(key(1), b"first")], commit=commit)
    clear_unfinished(str(made.path))
    assert bool(list(made.path.iterdir())) is commit


def test_what_borg_cannot_read_is_not_taken_for_a_beginning(tmp_path: Path) -> None:
    made = FakeRepository(tmp_path / "repo")
    made.session([(key(1), b"first")])
    (made.path / "config").write_text("[repository]\nversion = 9\n")
    with pytest.raises(EndOfConnection, match="cannot be opened"):
        clear_unfinished(str(made.path))
    assert made.segment(0).exists()


@pytest.mark.parametrize(("has_config", "segments", "stays"), [(False, 1, True), (True, 8, False), (True, 9, True)])
def test_segments_that_no_beginning_has_are_left_to_a_person(
    tmp_path: Path, has_config: bool, segments: int, stays: bool
) -> None:
    made = FakeRepository(tmp_path / "repo")
    for number in range(segments):
        made.session([(key(number), b"x")], commit=False)
    if not has_config:
        (made.path / "config").unlink()
    if stays:
        with pytest.raises(EndOfConnection, match="a damaged repository lies in"):
            clear_unfinished(str(made.path))
    else:
        clear_unfinished(str(made.path))
    assert made.segment(0).exists() is stays


def test_a_config_is_read_up_to_64_kib(tmp_path: Path) -> None:
    config = f"[repository]\nid = {'ab' * 32}\n#".encode()
    (tmp_path / "config").write_bytes(config.ljust(64 * 1024, b"x"))
    assert repository_id(str(tmp_path)) == "ab" * 32
    (tmp_path / "config").write_bytes(config.ljust(64 * 1024 + 1, b"x"))
    with pytest.raises(EndOfConnection, match="config is broken"):
        repository_id(str(tmp_path))
