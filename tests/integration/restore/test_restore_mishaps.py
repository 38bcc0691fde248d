# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What comes between: links in the way, no room, a tunnel that dies, two at once. Each is a line, and mends."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from restore_world import MEGABYTES, Restoring, chattr, describe, fresh_name
from waiting import wait_until

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="NOT TESTED: only root mounts and makes files immutable")


def test_nothing_is_written_through_a_link(restoring: Restoring, source: Path, tmp_path: Path) -> None:
    """Whoever owns a directory could let root write anywhere."""
    shutil.rmtree(source / "data")
    (source / "data").symlink_to(tmp_path)
    done = restoring.run(restoring.path("data/deep"))
    assert done.returncode == 1 and "is no directory, but a link or a file" in done.stderr, done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_link_where_a_directory_was_is_kept_and_replaced(restoring: Restoring, source: Path, tmp_path: Path) -> None:
    shutil.rmtree(source / "data")
    (source / "data").symlink_to(tmp_path)
    done = restoring.run(restoring.path("data"))
    assert done.returncode == 0, done.stderr
    assert describe(source / "data") == describe(restoring.saved / "data")
    assert list(tmp_path.iterdir()) == []
    assert restoring.run("--undo").returncode == 0
    assert (source / "data").is_symlink()


@contextmanager
def small_disk(place: Path, size: str) -> Iterator[Path]:
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)


@needs_root
def test_no_room_is_told_before_anything_is_written(restoring: Restoring, source: Path, tmp_path: Path) -> None:
    with small_disk(tmp_path / "small", "4m") as place:
        done = restoring.run("--to", place, restoring.path())
        assert done.returncode == 2 and "there is no room" in done.stderr, done.stderr
        assert list(place.iterdir()) == []


@needs_root
def test_a_disk_that_fills_up_meanwhile_costs_only_what_had_no_room(
    restoring: Restoring, source: Path, tmp_path: Path
) -> None:
    """The directories and small files take more room than their bytes."""
    with small_disk(tmp_path / "small", f"{MEGABYTES * 1024 + 400}k") as place:
        done = restoring.run("--to", place, "--connections", "1", restoring.path())
        assert done.returncode == 1 and "the disk is full" in done.stderr, done.stderr
        assert not list(place.rglob(".paranoid-restore-*"))
        subprocess.run(["mount", "-o", "remount,size=64m", place], check=True)
        again = restoring.run("--to", place, restoring.path())
        assert again.returncode == 0, again.stderr
        assert describe(place / restoring.path()) == describe(restoring.saved)


@needs_root
def test_an_immutable_file_is_named_and_the_others_come(restoring: Restoring, source: Path) -> None:
    (source / "etc/conf").write_text("mine\n")
    (source / "etc/new").unlink()
    if subprocess.run(["chattr", "+i", source / "etc/conf"], capture_output=True, check=False).returncode:
        pytest.skip("NOT TESTED: this file system knows no immutable files")
    try:
        done = restoring.run(restoring.path("etc"))
        assert done.returncode == 1 and "is it immutable?" in done.stderr, done.stderr
        assert (source / "etc/new").exists() and (source / "etc/conf").read_text() == "mine\n"
    finally:
        subprocess.run(["chattr", "-i", source / "etc/conf"], check=True)


def test_what_a_killed_restore_has_left_goes_with_the_next(restoring: Restoring, source: Path) -> None:
    (source / "etc/new").unlink()
    left = source / "etc" / fresh_name("new")
    left.write_text("half")
    assert restoring.run(restoring.path("etc/new")).returncode == 0
    assert not left.exists() and (source / "etc/new").read_text() == "new\n"


def test_no_name_of_a_file_writes_to_the_terminal(restoring: Restoring, source: Path, tmp_path: Path) -> None:
    """Whoever may name a file chooses its characters, and root reads them."""
    shutil.rmtree(source / "data")
    foretold = restoring.run("--check", restoring.path("data/?]0*"))
    (source / "data").symlink_to(tmp_path)
    refused = restoring.run(restoring.path("data/?]0*"))
    assert foretold.returncode == 0 and "?]0;x?" in foretold.stdout
    assert refused.returncode == 1 and "?]0;x?" in refused.stderr
    assert "\x1b" not in foretold.stdout + refused.stderr + refused.stdout


@needs_root
@pytest.mark.parametrize("connections", ["1", "3"])
def test_a_file_that_was_immutable_comes_back_immutable(
    restoring: Restoring, source: Path, tmp_path: Path, connections: str
) -> None:
    """Were it so before it has its place, nobody could put it there."""
    first = restoring.archives[0]
    done = restoring.run("--archive", first, "--to", tmp_path, "--connections", connections, restoring.path("etc"))
    came = tmp_path / restoring.path("etc/fixed")
    if not chattr("+i", source / "etc/conf"):
        pytest.skip("NOT TESTED: this file system knows no immutable files")
    chattr("-i", source / "etc/conf")
    try:
        assert done.returncode == 0 and came.read_text() == "nobody changes it\n", done.stderr
        with pytest.raises(PermissionError):
            came.write_text("changed")
    finally:
        chattr("-i", came)


def test_two_at_once_do_not_work(restoring: Restoring, source: Path) -> None:
    with (restoring.base_dir / "restore.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = restoring.run(restoring.path("etc"))
    assert done.returncode == 2 and "another restore is at work" in done.stderr


@pytest.mark.parametrize("connections", ["1", "3"])
def test_a_tunnel_that_dies_is_one_line_and_the_same_command_goes_on(
    restoring: Restoring, source: Path, tmp_path: Path, connections: str
) -> None:
    words = ("--to", tmp_path, "--connections", connections, restoring.path())
    process = restoring.start(*words)
    some = tmp_path / restoring.path("etc/conf")
    assert wait_until(lambda: some.exists() or process.poll() is not None, 60)
    for pid in restoring.relays():
        os.kill(pid, signal.SIGKILL)
    _out, said = process.communicate(timeout=300)
    if process.returncode:
        assert process.returncode in (1, 2) and "Traceback" not in said, said
    done = restoring.run(*words)
    assert done.returncode == 0, done.stderr
    assert describe(tmp_path / restoring.path()) == describe(restoring.saved)


def test_what_a_killed_restore_did_is_taken_back(restoring: Restoring, source: Path) -> None:
    before = set(describe(source))
    for path in (source / "many").iterdir():
        path.write_text("mine\n")
    mine = (source / "many/0").read_text()
    process = restoring.start("--connections", "1", restoring.path("many"))
    assert wait_until(lambda: any((source / "many").glob(".paranoid-before-*")) or process.poll() is not None, 60)
    process.kill()
    process.communicate()
    assert restoring.run("--undo").returncode == 0
    assert {path.read_text() for path in (source / "many").iterdir() if path.name.isdigit()} == {mine}
    assert describe(source).keys() >= before


def test_an_archive_of_the_whole_disk_is_no_crafted_one(tmp_path: Path) -> None:
    """Borg names the directory / itself as a dot (helpers/parseformat.py, `make_path_safe`)."""
    from borg.item import Item
    from paranoid_restore.errors import RestoreError
    from paranoid_restore.planning import NEW, plan_steps
    from paranoid_restore.selection import Wanted
    from paranoid_restore.tree import Tree

    def plan(*items: Item) -> list[tuple[str, str]]:
        return [(step.path, step.action) for step in plan_steps(items, Wanted([]), Tree(str(tmp_path)), bytes)]

    root, etc = Item(path=".", mode=stat.S_IFDIR | 0o755), Item(path="etc", mode=stat.S_IFDIR | 0o755)
    assert plan(root, etc) == [("etc", NEW)]
    for crafted in (Item(path=".", mode=stat.S_IFLNK | 0o777, source="/"), Item(path="./etc", mode=etc.mode)):
        with pytest.raises(RestoreError, match="somebody crafted it"):
            plan(crafted)
