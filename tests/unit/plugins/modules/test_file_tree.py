# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Ansible gives to the module file_tree, and what it gets back."""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.paranoid.backup.plugins.module_utils._provision.file_tree import Desired, TreeError
from ansible_collections.paranoid.backup.plugins.modules import file_tree
from module_call import call

USER, GROUP = pwd.getpwuid(os.geteuid()).pw_name, grp.getgrgid(os.getegid()).gr_name
FILE = {"path": "/f", "state": "file", "content": "x\n", "mode": "0640"}
NOTHING = {"content": None, "mode": None, "owner": None, "group": None, "validate": "", "only": False}


def test_an_entry_names_an_owner_or_gets_the_one_of_all() -> None:
    assert file_tree.parse_entry({**NOTHING, **FILE}, "o", "g") == Desired("/f", "file", "o", "g", 0o640, b"x\n")
    named = file_tree.parse_entry({**NOTHING, **FILE, "owner": "me", "group": "us"}, "o", "g")
    assert (named.owner, named.group) == ("me", "us")
    assert file_tree.parse_entry({**NOTHING, **FILE, "state": "absent"}, "o", "g") == Desired("/f", "absent")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"path": "etc/f"}, "a path must be absolute"),
        ({"content": None}, "a file must have a content"),
        ({"state": "directory"}, "nothing else can"),
        ({"mode": None}, "octal digits in quotes"),
        ({"mode": "420x"}, "octal digits in quotes"),
        ({"mode": "u=rw"}, "octal digits in quotes"),
    ],
)
def test_a_senseless_entry_is_refused_by_its_path(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(TreeError, match=f"^/?(etc/)?f: .*{said}"):
        file_tree.parse_entry({**NOTHING, **FILE, **wrong}, "o", "g")


def test_the_documentation_says_what_the_module_takes() -> None:
    documented = yaml.safe_load(file_tree.DOCUMENTATION)["options"]["files"]["suboptions"]
    for about in documented.values():
        del about["description"]
    assert documented == file_tree.SUBOPTIONS


Run = Callable[..., dict[str, Any]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    def with_options(entry: dict[str, str], **options: Any) -> dict[str, Any]:
        return call(file_tree, {"files": [entry], "owner": USER, "group": GROUP, **options}, capsys, monkeypatch)

    return with_options


def test_a_text_is_told_by_the_diff_alone(tmp_path: Path, run: Run) -> None:
    path = tmp_path / "database.yaml"
    entry = {"path": str(path), "content": "password: hunter2\n", "mode": "0600"}
    told = run(entry, _ansible_check_mode=True, _ansible_diff=True)
    assert told["changed"] and told["diff"][1]["after"] == "password: hunter2\n" and not path.exists()
    told = run(entry)
    assert told["changed"] and told["paths"] == [str(path)] and "hunter2" not in str(told)
    assert path.read_text() == "password: hunter2\n"
    assert run(entry)["changed"] is False


def test_what_a_check_refuses_fails_in_one_line(tmp_path: Path, run: Run) -> None:
    path = tmp_path / "sudoers"
    told = run({"path": str(path), "content": "x\n", "mode": "0440", "validate": "/bin/ls --no-such-option %s"})
    assert told["failed"] and told["msg"].startswith(f"{path} would be wrong: ") and "\n" not in told["msg"]
    assert list(tmp_path.iterdir()) == []
