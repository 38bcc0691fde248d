# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""paranoid-backup-restore, as the owner of a host types it: through a real tunnel and a gate that only reads."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from restore_world import ACL, GAMES_READ, Restoring, describe


def everything(restoring: Restoring) -> dict[str, tuple[object, ...]]:
    return describe(restoring.source)


def test_all_that_was_deleted_comes_back_as_it_was(restoring: Restoring, source: Path) -> None:
    before = everything(restoring)
    shutil.rmtree(source)
    done = restoring.run(restoring.path())
    assert done.returncode == 0, done.stderr
    assert everything(restoring) == before


@pytest.mark.parametrize("connections", ["1", "3"])
def test_elsewhere_it_is_the_same(restoring: Restoring, source: Path, tmp_path: Path, connections: str) -> None:
    done = restoring.run("--to", tmp_path, "--connections", connections, restoring.path())
    assert done.returncode == 0, done.stderr
    assert describe(tmp_path / restoring.path()) == everything(restoring)


def test_what_is_there_is_not_fetched(restoring: Restoring, source: Path) -> None:
    done = restoring.run(restoring.path())
    assert done.returncode == 0 and "are there already" in done.stdout, done.stdout + done.stderr


def test_only_what_differs_of_a_file_is_fetched(restoring: Restoring, source: Path) -> None:
    big = source / "data/big"
    content = bytearray(big.read_bytes())
    content[5_000_000] ^= 1
    big.write_bytes(content)
    (source / "many/7").unlink()
    done = restoring.run(restoring.path())
    assert done.returncode == 0, done.stderr
    size, unit = restoring.fetched(done).split()
    assert unit == "KiB" or float(size) < 9, "of twelve, at most one chunk of eight"
    assert big.read_bytes() == (restoring.saved / "data/big").read_bytes()


def test_one_file_of_an_earlier_time(restoring: Restoring, source: Path) -> None:
    first, second = restoring.archives
    assert restoring.run("--archive", first, restoring.path("etc/conf")).returncode == 0
    assert (source / "etc/conf").read_text() == "first\n"
    assert (source / "etc/conf").stat().st_mtime_ns // 1000 == (10**18 + 123_456_000) // 1000
    assert restoring.run(restoring.path("etc/conf")).returncode == 0
    assert (source / "etc/conf").read_text() == "second\n"
    assert second in restoring.run("--list").stdout


def test_what_is_replaced_is_kept_and_comes_back(restoring: Restoring, source: Path) -> None:
    (source / "etc/conf").write_text("mine\n")
    shutil.rmtree(source / "data/deep")
    (source / "data/deep").write_text("a file where a directory was")
    before = everything(restoring)
    done = restoring.run(restoring.path("etc/conf"), restoring.path("data"))
    assert done.returncode == 0, done.stderr
    assert (source / "data/deep/er/file").read_text() == "deep\n"
    taken = restoring.run("--undo", restoring.undo_id(done))
    assert taken.returncode == 0, taken.stderr
    after = everything(restoring)
    changed = {name for name in before.keys() | after.keys() if without_time(before, name) != without_time(after, name)}
    assert changed == set()


def without_time(tree: dict[str, tuple[object, ...]], name: str) -> object:
    """What a tree has of a name; the times of directories change with what is in them."""
    found = tree.get(name)
    return (*found[:3], *found[4:]) if found else None


def test_forgetting_leaves_what_came_and_nothing_else(restoring: Restoring, source: Path) -> None:
    (source / "etc/conf").write_text("mine\n")
    done = restoring.run(restoring.path("etc"))
    assert [name for name in os.listdir(source / "etc") if name.startswith(".paranoid")]
    assert restoring.run("--forget").returncode == 0
    assert not [name for name in os.listdir(source / "etc") if name.startswith(".paranoid")]
    assert (source / "etc/conf").read_text() == "second\n"
    assert restoring.run("--undo", restoring.undo_id(done)).returncode == 2


def test_check_writes_nothing_and_says_what_would_be(restoring: Restoring, source: Path) -> None:
    (source / "etc/new").unlink()
    (source / "etc/conf").write_text("newer\n")
    before = everything(restoring)
    done = restoring.run("--check", restoring.path("etc"))
    assert done.returncode == 0 and everything(restoring) == before
    assert "1 new, 1 to replace (1 of them newer here)" in done.stdout
    assert not (restoring.base_dir / "undo").exists()


def test_patterns_bring_what_they_match(restoring: Restoring, source: Path, tmp_path: Path) -> None:
    assert restoring.run("--to", tmp_path, restoring.path("many/1?")).returncode == 0
    assert sorted(os.listdir(tmp_path / restoring.path("many"))) == [str(number) for number in range(10, 20)]


def test_a_link_to_what_was_not_asked_for_has_its_content(restoring: Restoring, source: Path) -> None:
    """The first name of a hard link is there and says something else now."""
    (source / "etc/third").unlink()
    (source / "data/deep/er/file").write_text("changed\n")
    assert restoring.run(restoring.path("etc/third")).returncode == 0
    assert (source / "etc/third").read_text() == "deep\n"
    assert (source / "data/deep/er/file").read_text() == "changed\n"


def test_what_a_file_has_beside_its_content_comes_back(restoring: Restoring, source: Path) -> None:
    """Its content is there already: a program that has lost its capabilities must not be called whole."""
    os.removexattr(source / "etc/tagged", "user.colour")
    os.removexattr(source / "etc/shared", ACL)
    (source / "etc/empty").chmod(0o600)
    foretold = restoring.run("--check", restoring.path("etc"))
    assert "3 with other attributes" in foretold.stdout, foretold.stdout
    done = restoring.run(restoring.path("etc"))
    assert done.returncode == 0 and "3 got their attributes" in done.stdout, done.stdout + done.stderr
    assert os.getxattr(source / "etc/tagged", "user.colour") == b"blue"
    assert os.getxattr(source / "etc/shared", ACL) == GAMES_READ
    assert "are there already" in restoring.run(restoring.path("etc")).stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "name what to bring back"),
        (["etc/../../x"], "is no path"),
        (["etc/not-there"], "has no etc/not-there"),
        (["--archive", "nobody", "--all"], "there is no archive nobody"),
        (["--as-of", "2001-01-01", "--all"], "no archive as old as that"),
        (["--as-of", "yesterday", "--all"], "is no time"),
        (["--to", "/nowhere/at/all", "--all"], "/nowhere/at/all cannot be used"),
        (["--all", "etc"], "cannot both be meant"),
        (["--undo", "x"], "no restore x to take back"),
        (["--connections", "9", "--all"], "from 1 to 3"),
    ],
)
def test_what_cannot_be_meant_is_one_line(restoring: Restoring, source: Path, words: list[str], said: str) -> None:
    done = restoring.run(*words)
    assert done.returncode == 2 and said in done.stderr and done.stderr.count("\n") == 1, done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="NOT TESTED: only root gives files to others")
@pytest.mark.parametrize(("known", "owner"), [(True, (4711, 4712)), (False, (1, 2))])
def test_owners_are_those_of_the_same_name_on_this_host(
    restoring: Restoring, source: Path, tmp_path: Path, known: bool, owner: tuple[int, int]
) -> None:
    """On a host where daemon and bin have other numbers; where nobody has the name, the number is all there is."""
    for name, number in (("passwd", "4711"), ("group", "4712")):
        lines = [line.split(":") for line in Path("/etc", name).read_text().splitlines()]
        own = [line for line in lines if line[0] not in ("daemon", "bin") and line[2] not in ("1", "2")]
        if known:
            own += [[user, "x", number, "1", "", "/", "/bin/sh"][: len(lines[0])] for user in ("daemon", "bin")]
        (tmp_path / name).write_text("".join(":".join(line) + "\n" for line in own))
    as_other = 'mount --bind "$1" /etc/passwd && mount --bind "$2" /etc/group && shift 2 && exec "$@"'
    files = (str(tmp_path / "passwd"), str(tmp_path / "group"))
    (tmp_path / "to").mkdir()
    there = replace(restoring, within=("unshare", "--mount", "sh", "-c", as_other, "sh", *files))
    done = there.run("--to", tmp_path / "to", restoring.path("etc/conf"))
    assert done.returncode == 0, done.stderr
    came = (tmp_path / "to" / restoring.path("etc/conf")).stat()
    assert (came.st_uid, came.st_gid) == owner
    again = there.run("--to", tmp_path / "to", restoring.path("etc/conf"))
    assert "are there already" in again.stdout, again.stdout + again.stderr
