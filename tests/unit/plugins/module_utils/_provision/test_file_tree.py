# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What provisioning lays down: as wanted, told truly, whole or not at all."""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._provision.file_tree import (
    Change,
    Desired,
    TreeError,
    ensure,
    list_diffs,
)

USER, GROUP = pwd.getpwuid(os.geteuid()).pw_name, grp.getgrgid(os.getegid()).gr_name


def agree(_command: str) -> str | None:
    return None


def directory(path: Path, mode: int = 0o755, only: bool = False) -> Desired:
    return Desired(str(path), "directory", USER, GROUP, mode, only=only)


def file(path: Path, content: str = "new\n", mode: int = 0o644, validate: str = "") -> Desired:
    return Desired(str(path), "file", USER, GROUP, mode, content.encode(), validate)


def change(*tree: Desired) -> list[Change]:
    """Put it right, and see that check mode foretold it without doing it, and that nothing is left to do."""
    foretold = ensure(tree, True, agree)
    changes = ensure(tree, False, agree)
    assert changes == foretold
    assert ensure(tree, False, agree) == []
    return changes


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_tree_grows_with_its_modes_whatever_the_umask_is(tmp_path: Path) -> None:
    deep = tmp_path / "on/the/way"
    before = os.umask(0o077)
    try:
        changes = change(directory(deep, 0o750), file(deep / "record.json", "{}\n", 0o640))
    finally:
        os.umask(before)
    assert [one.path for one in changes] == [str(deep), str(deep / "record.json")]
    assert (mode(deep.parent), mode(deep), mode(deep / "record.json")) == (0o755, 0o750, 0o640)
    assert (deep / "record.json").read_text() == "{}\n"


@pytest.mark.parametrize(("content", "bits"), [("old\n", 0o644), ("new\n", 0o600)])
def test_a_file_that_differs_is_replaced_by_a_whole_one(tmp_path: Path, content: str, bits: int) -> None:
    path = tmp_path / "file"
    path.write_text(content)
    path.chmod(bits)
    with path.open() as reading:
        assert len(change(file(path))) == 1
        assert reading.read() == content, "who reads the old one goes on to do so"
    assert (path.read_text(), mode(path)) == ("new\n", 0o644)


def test_the_diff_shows_what_differs_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old\n")
    path.chmod(0o644)
    named = {"before_header": str(path), "after_header": str(path)}
    assert list_diffs(ensure([file(path)], True, agree)) == [{**named, "before": "old\n", "after": "new\n"}]
    (other_mode,) = list_diffs(ensure([file(path, "old\n", 0o600)], True, agree))
    about = f"{path}: file {USER}:{GROUP}"
    assert (other_mode["before"], other_mode["after"]) == (f"{about} 0644\n", f"{about} 0600\n")
    (gone,) = list_diffs(ensure([Desired(str(path), "absent")], True, agree))
    assert (gone["before"], gone["after"]) == (f"{about} 0644\n", "")


def test_the_diff_of_a_program_is_a_line_for_each_directory(tmp_path: Path) -> None:
    short, long = "line\n" * 10, "line\n" * 11
    tree = [
        replace(directory(tmp_path / "lib", 0o755), only=True),
        file(tmp_path / "lib/one", long), file(tmp_path / "lib/two", short),
        file(tmp_path / "long", long), file(tmp_path / "short", short),
    ]  # fmt: skip
    paths, content = list_diffs(ensure(tree, True, agree))
    who = f"{USER}:{GROUP}"
    assert (paths["before"], paths["after"].splitlines()) == ("", [
        f"{tmp_path}/lib: directory {who} 0755", f"{tmp_path}/lib/: 2 × file {who} 0644",
        f"{tmp_path}/long: file {who} 0644, 11 lines", f"{tmp_path}/short: file {who} 0644",
    ])  # fmt: skip
    assert (content["before"], content["after"]) == ("", short)
    change(*tree)
    (changed,) = list_diffs(ensure([file(tmp_path / "lib/one", long + "more\n")], True, agree))
    assert (changed["before"], changed["after"]) == (long, long + "more\n"), "what replaces another is shown"


def test_a_link_is_replaced_where_a_file_is_wanted_and_followed_where_a_directory_is(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(0o755)
    (tmp_path / "victim").write_text("untouched")
    (tmp_path / "directory").symlink_to("elsewhere")
    (tmp_path / "file").symlink_to("victim")
    change(directory(tmp_path / "directory", 0o700), file(tmp_path / "file"))
    assert (tmp_path / "directory").is_symlink() and mode(tmp_path / "elsewhere") == 0o700
    assert not (tmp_path / "file").is_symlink() and (tmp_path / "victim").read_text() == "untouched"


def test_what_is_not_in_the_list_goes_after_all_else(tmp_path: Path) -> None:
    home = tmp_path / "lib"
    (home / "old/deep").mkdir(parents=True)
    (home / "__pycache__").mkdir()
    (home / "removed.py").touch()
    (home / "link").symlink_to(tmp_path)
    changes = change(directory(home, only=True), file(home / "kept.py"))
    assert [Path(one.path).name for one in changes] == ["kept.py", "link", "old", "removed.py"]
    assert sorted(path.name for path in home.iterdir()) == ["__pycache__", "kept.py"] and tmp_path.is_dir()


def test_absent_is_absent(tmp_path: Path) -> None:
    (tmp_path / "full/deep").mkdir(parents=True)
    (tmp_path / "file").touch()
    names = ("file/below", "full", "file", "never", "never/there")
    changes = change(*(Desired(str(tmp_path / name), "absent") for name in names))
    assert len(changes) == 2 and list(tmp_path.iterdir()) == []


def test_a_refused_file_leaves_the_old_one_and_no_trace(tmp_path: Path) -> None:
    path = tmp_path / "sudoers"
    path.write_text("good\n")
    seen = []

    def refuse(command: str) -> str | None:
        seen.append(Path(command.removeprefix("check ")).read_text())
        return f"{command.removeprefix('check ')}:1: syntax error"

    with pytest.raises(TreeError, match=f"^{path} would be wrong: {path}:1: syntax error$"):
        ensure([file(path, "bad\n", validate="check %s")], False, refuse)
    assert seen == ["bad\n"] and path.read_text() == "good\n" and list(tmp_path.iterdir()) == [path]
    assert len(ensure([file(path, "bad\n", validate="check %s")], True, refuse)) == 1 and len(seen) == 1


def test_nobody_else_reads_a_file_before_it_has_its_mode(tmp_path: Path) -> None:
    modes = []

    def look(command: str) -> str | None:
        modes.append(mode(Path(command)))
        return None

    ensure([file(tmp_path / "secret", validate="%s")], False, look)
    assert modes == [0o600] and mode(tmp_path / "secret") == 0o644


def test_what_cannot_be_made_is_named_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "in-the-way").touch()
    (tmp_path / "full").mkdir()
    with pytest.raises(TreeError, match=f"^{tmp_path}/in-the-way cannot become .*: File exists$"):
        ensure([directory(tmp_path / "in-the-way")], False, agree)
    with pytest.raises(TreeError, match=f"^{tmp_path}/full cannot become .*: Is a directory$"):
        ensure([file(tmp_path / "full")], False, agree)
    nobody = replace(file(tmp_path / "file"), owner="no-such-user")
    with pytest.raises(TreeError, match=f"^{tmp_path}/file cannot be given to no-such-user:{GROUP}: "):
        ensure([nobody], False, agree)
    assert len(ensure([nobody], True, agree)) == 1, "the user may be one that the same run in earnest makes"
    shutil.rmtree(tmp_path / "full")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in-the-way"]


OLD, NEW = (
    '{"password": "hush-old", "kept": ["hush"], "gone": "hush"}',
    '{"password": "hush-new", "kept": ["hush"], "more": 1}',
)


@pytest.mark.parametrize(
    ("before", "after", "shown"),
    [
        (
            OLD,
            NEW,
            (
                "gone: (not shown)\npassword: (not shown)\n",
                "more: (not shown, changed)\npassword: (not shown, changed)\n",
            ),
        ),
        ("", NEW, ("", "kept: (not shown, changed)\nmore: (not shown, changed)\npassword: (not shown, changed)\n")),
        ("password: hush-old # YAML\n", "hush-new", ("(not shown)\n", "(not shown, changed)\n")),
        ('["hush"]', '"hush"', ("(not shown)\n", "(not shown, changed)\n")),
        ('{"a": null}', "{}", ("a: (not shown)\n", "(not shown, changed)\n")),
        (OLD, OLD + "\n", ("(not shown)\n", "(not shown, changed)\n")),
    ],
)
def test_a_diff_shows_no_secret_neither_new_nor_old(
    tmp_path: Path, before: str, after: str, shown: tuple[str, str]
) -> None:
    path = tmp_path / "secret"
    path.write_text(before)
    path.chmod(0o644)
    (diff,) = list_diffs(change(replace(file(path, after), secret=True)))
    assert (diff["before"], diff["after"]) == shown and "hush" not in str(diff)
    assert path.read_text() == after


def test_attributes_of_a_secret_file_are_shown(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("hush")
    path.chmod(0o644)
    attributes, content = list_diffs(change(replace(file(path, "hush, too", 0o600), secret=True)))
    assert (attributes["before"][-5:], attributes["after"][-5:]) == ("0644\n", "0600\n") and "hush" not in str(content)


def test_a_new_directory_is_nobody_elses_before_it_is_its_owners(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who could enter it meanwhile would keep it open, and see all that comes there."""
    seen: list[int] = []
    monkeypatch.setattr(os, "chown", lambda path, *_ids: seen.append(mode(Path(path))))
    ensure([directory(tmp_path / "private", 0o755)], False, agree)
    assert (seen, mode(tmp_path / "private")) == ([0o700], 0o755)
