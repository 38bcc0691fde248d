# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What counts as restored already: by content, whatever size and time say; and that no link leads away."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from borg.item import ChunkListEntry, Item
from paranoid_restore.errors import RestoreError
from paranoid_restore.planning import ATTRIBUTES, NEW, REPLACE, SAME, Step, plan_steps, require_space, summarize
from paranoid_restore.selection import Wanted
from paranoid_restore.tree import Tree

REGULAR = stat.S_IFREG | 0o644


def digest(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


def saved(*parts: bytes, mode: int = REGULAR, **fields: Any) -> Any:
    """Return an entry of an archive, of a file in these chunks."""
    chunks = [ChunkListEntry(digest(part), len(part), 0) for part in parts]
    own = {"uid": os.getuid(), "gid": os.getgid(), "user": None, "group": None}
    content = {"chunks": chunks} if stat.S_ISREG(mode) else {}
    return Item(path="etc/conf", mode=mode, mtime=1_000_000_000, **own, **content, **fields)


def planned(place: Path, item: Any) -> Step:
    (step,) = plan_steps([item], Wanted([]), Tree(str(place)), digest)
    return step


def lay_down(place: Path, content: bytes) -> Path:
    (place / "etc").mkdir()
    (place / "etc/conf").write_bytes(content)
    (place / "etc/conf").chmod(0o644)
    os.utime(place / "etc/conf", ns=(0, 1_000_000_000))
    return place / "etc/conf"


@pytest.mark.parametrize(
    ("there", "action", "have"),
    [
        (b"aabb", SAME, (True, True)),
        (b"aaXb", REPLACE, (True, False)),  # of the same size and time
        (b"XXbb", REPLACE, (False, True)),
        (b"aabbc", REPLACE, (True, True)),
        (b"aab", REPLACE, (True, False)),
        (b"", REPLACE, (False, False)),
    ],
)
def test_a_file_is_the_same_by_its_content_alone(
    tmp_path: Path, there: bytes, action: str, have: tuple[bool, ...]
) -> None:
    path = lay_down(tmp_path, there)
    step = planned(tmp_path, saved(b"aa", b"bb"))
    assert (step.action, step.have, step.newer) == (action, have, False)
    assert len(step.missing) == (0 if action == SAME else have.count(False))
    os.utime(path, ns=(0, 2_000_000_000))
    later = planned(tmp_path, saved(b"aa", b"bb"))
    assert (later.action, later.newer) == (ATTRIBUTES if action == SAME else REPLACE, action != SAME)
    assert summarize([later])["newer"] == (action != SAME)


def test_what_is_not_there_is_new_and_fetched_whole(tmp_path: Path) -> None:
    step = planned(tmp_path, saved(b"aa", b"bb"))
    assert (step.action, len(step.missing), step.size) == (NEW, 2, 4)


def test_an_empty_file_is_there_only_if_it_is_empty(tmp_path: Path) -> None:
    path = lay_down(tmp_path, b"")
    assert planned(tmp_path, saved()).action == SAME
    path.write_bytes(b"x")
    assert planned(tmp_path, saved()).action == REPLACE


def test_another_kind_of_thing_is_replaced(tmp_path: Path) -> None:
    path = lay_down(tmp_path, b"aa")
    link = saved(mode=stat.S_IFLNK | 0o777, source="there")
    assert planned(tmp_path, link).action == REPLACE
    path.unlink()
    path.symlink_to("elsewhere")
    assert planned(tmp_path, link).action == REPLACE and planned(tmp_path, saved(b"aa")).action == REPLACE
    path.unlink()
    path.symlink_to("there")
    assert planned(tmp_path, link).action in (SAME, ATTRIBUTES)
    path.unlink()
    path.mkdir()
    assert planned(tmp_path, saved(b"aa")).missing and planned(tmp_path, saved(b"aa")).action == REPLACE


def test_a_directory_that_is_a_link_is_not_entered(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "root").mkdir()
    (tmp_path / "root/etc").symlink_to(tmp_path / "elsewhere")
    tree, made = Tree(str(tmp_path / "root")), list[str]()
    for missing in (None, made):
        with pytest.raises(OSError, match="is no directory, but a link or a file"), tree.parent("etc/conf", missing):
            pytest.fail("not reached")
    with pytest.raises(OSError, match="but a link"):
        tree.look("etc/below/conf")
    assert made == [] and list((tmp_path / "elsewhere").iterdir()) == []
    (tmp_path / "root/link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"), tree.reading("link"):
        pytest.fail("not reached")


@pytest.mark.parametrize(
    ("wanted", "fits"),
    [
        ([("a/1", NEW, 6), ("b/2", REPLACE, 4)], True),
        ([("a/1", NEW, 6), ("b/2", REPLACE, 5)], False),  # two directories of one file system
        ([("a/1", NEW, 10), ("c/2", NEW, 4)], True),
        ([("a/1", NEW, 1), ("c/2", NEW, 5)], False),
        ([("c/1", SAME, 50), ("c/2", ATTRIBUTES, 50)], True),
    ],
)
def test_there_must_be_room_for_all_that_is_written(wanted: list[tuple[str, str, int]], fits: bool) -> None:
    rooms = {"a": (1, 10), "b": (1, 10), "c": (2, 4)}  # a file system, and bytes that are free on it
    tree = cast(Tree, SimpleNamespace(free_bytes=lambda path: rooms[path[0]]))
    steps = [Step(path, saved(b"x" * size), action) for path, action, size in wanted]
    if fits:
        require_space(steps, tree)
    else:
        with pytest.raises(RestoreError, match=r"there is no room: .*; nothing was written"):
            require_space(steps, tree)


@pytest.mark.parametrize(("number", "actions"), [(5, (SAME, ATTRIBUTES)), (6, (REPLACE,))])
@pytest.mark.parametrize("kind", [stat.S_IFCHR, stat.S_IFBLK])
def test_a_device_is_the_same_by_its_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: int, number: int, actions: tuple[str, ...]
) -> None:
    found = lay_down(tmp_path, b"").lstat()
    fields = {name: getattr(found, name) for name in dir(found) if name.startswith("st_")}
    device = SimpleNamespace(**fields | {"st_mode": kind | 0o600, "st_rdev": number})
    monkeypatch.setattr(Tree, "look", lambda _tree, _path: device)
    assert planned(tmp_path, saved(mode=kind | 0o600, rdev=5)).action in actions


@pytest.mark.parametrize(
    ("uid", "mode", "action"), [(1234, 0o4755, REPLACE), (0, 0o4755, ATTRIBUTES), (1234, 0o755, ATTRIBUTES)]
)
def test_a_program_that_lends_rights_is_made_anew_where_somebody_else_could_write_into_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uid: int, mode: int, action: str
) -> None:
    lay_down(tmp_path, b"aa")
    look = Tree.look

    def owned(tree: Tree, path: str) -> Any:
        found = look(tree, path)
        fields = {name: getattr(found, name) for name in dir(found) if name.startswith("st_")}
        return SimpleNamespace(**fields | {"st_uid": uid})

    monkeypatch.setattr(Tree, "look", owned)
    assert planned(tmp_path, saved(b"aa", mode=stat.S_IFREG | mode)).action == action
