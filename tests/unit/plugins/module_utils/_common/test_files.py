# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file of state is replaced as a whole or not at all, and is nobody else's to read."""

from __future__ import annotations

import json
import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._common.files import (
    atomic_write,
    atomic_write_beneath,
    create_beneath,
    directory_beneath,
    open_beneath,
    read_beneath,
    save_json,
    sync_directory,
)
from disk_order import DiskOrder


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


@pytest.mark.parametrize("place", ["baseline.json", ".baseline.json.aa.new"])
def test_no_link_is_followed_where_it_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    monkeypatch.setattr(secrets, "token_hex", lambda _bytes: "aa")
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    (tmp_path / place).symlink_to(victim)
    with suppress(FileExistsError):
        save_json(str(tmp_path / "baseline.json"), {"a": 1})
    assert victim.read_text() == "untouched"
    assert (tmp_path / "baseline.json").is_symlink() is False


def test_a_check_sees_the_new_file_before_it_takes_its_place(tmp_path: Path) -> None:
    path = tmp_path / "sudoers"
    atomic_write(str(path), b"old")
    seen = []

    def check(fresh: str) -> None:
        seen.append(Path(fresh).read_bytes())
        raise ValueError("wrong")

    with pytest.raises(ValueError, match="wrong"):
        atomic_write(str(path), b"new", check=check)
    assert (seen, path.read_bytes(), [one.name for one in tmp_path.iterdir()]) == ([b"new"], b"old", ["sudoers"])


def test_the_mode_is_what_was_asked_whatever_the_umask_is(tmp_path: Path) -> None:
    mask = os.umask(0o777)
    try:
        atomic_write(str(tmp_path / "file"), b"", mode=0o644)
    finally:
        os.umask(mask)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o644


@pytest.mark.parametrize("writer", ["own", "beneath"])
def test_a_new_file_is_on_disk_before_it_takes_the_place_and_so_is_its_name(
    tmp_path: Path, disk_order: DiskOrder, writer: str
) -> None:
    if writer == "own":
        atomic_write(str(tmp_path / "file"), b"content")
    else:
        atomic_write_beneath(str(tmp_path), "file", b"content")
    (fresh,) = [path for what, path in disk_order.events if what == "sync" and path.name != tmp_path.name]
    assert disk_order.events == [("sync", fresh), ("replace", tmp_path / "file"), ("sync", tmp_path)]
    assert fresh.parent == tmp_path


@pytest.mark.skipif(os.geteuid() != 0, reason="NOT TESTED: only root gives files away")
@pytest.mark.parametrize("writer", ["own", "beneath"])
def test_the_new_file_has_its_owner(tmp_path: Path, writer: str) -> None:
    path = tmp_path / "file"
    if writer == "own":
        atomic_write(str(path), b"", owner=(12345, 12346))
    else:
        atomic_write_beneath(str(tmp_path), "file", b"", owner=(12345, 12346))
    assert (path.stat().st_uid, path.stat().st_gid) == (12345, 12346)


def test_two_writers_at_once_share_no_file(tmp_path: Path) -> None:
    path, fresh = tmp_path / "head", []

    def check(name: str) -> None:
        fresh.append(name)
        if len(fresh) == 1:
            atomic_write(str(path), b"second", check=check)

    atomic_write(str(path), b"first", check=check)
    assert len(set(fresh)) == 2
    assert path.read_bytes() == b"first"
    assert [one.name for one in tmp_path.iterdir()] == ["head"]


def test_what_is_beneath_is_private_whatever_the_umask_is(tmp_path: Path) -> None:
    mask = os.umask(0)
    try:
        atomic_write_beneath(str(tmp_path), "nonce", b"0")
    finally:
        os.umask(mask)
    assert stat.S_IMODE((tmp_path / "nonce").stat().st_mode) == 0o600


def test_no_more_than_its_limit_is_read(tmp_path: Path) -> None:
    """The file is a hostile user's, and may be as large as the disk."""
    (tmp_path / "hints").write_bytes(b"x" * 100)
    assert read_beneath(str(tmp_path), "hints", limit=10) == b"x" * 10


def test_a_pipe_is_no_directory_and_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "data")
    with pytest.raises(NotADirectoryError, match="data"), directory_beneath(str(tmp_path), "data"):
        pass


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    """A repository has thousands of files, and a session a thousand descriptors."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data/17").write_bytes(b"x")
    os.mkfifo(tmp_path / "data/pipe")
    before = os.listdir("/proc/self/fd")
    atomic_write(str(tmp_path / "own"), b"")
    atomic_write_beneath(str(tmp_path), "nonce", b"")
    sync_directory(str(tmp_path))
    read_beneath(str(tmp_path), "data", "17", limit=1)
    for name, error in (("pipe", "regular"), ("absent", "absent")):
        with pytest.raises(OSError, match=error):
            open_beneath(str(tmp_path), "data", name)
    assert len(os.listdir("/proc/self/fd")) == len(before)


@pytest.mark.parametrize("place", ["repo", "repo/data", "repo/data/17"])
def test_no_link_is_followed_where_it_reads_or_creates(tmp_path: Path, place: str) -> None:
    """Each name on the way is somebody's who could have it lead to another client's, or to /etc/shadow."""
    (tmp_path / "repo/data").mkdir(parents=True)
    (tmp_path / "repo/data/17").write_bytes(b"x")
    assert read_beneath(str(tmp_path / "repo"), "data", "17", limit=1) == b"x"
    (tmp_path / place).rename(tmp_path / "real")
    (tmp_path / place).symlink_to(tmp_path / "real")
    root = str(tmp_path / "repo")
    with pytest.raises(OSError, match="repo"):
        read_beneath(root, "data", "17", limit=1)
    with pytest.raises(OSError, match="repo"):
        os.close(create_beneath(root, "data", "18" if place != "repo/data/17" else "17"))
    if place != "repo/data/17":
        with pytest.raises(OSError, match="repo"), directory_beneath(root, "data"):
            pass
    assert not (tmp_path / "real/18").exists() and not (tmp_path / "real/data/18").exists()
