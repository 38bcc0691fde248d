# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Provisioning looks at sources and excludes on the client, before it changes anything."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tool import ROOT

BIN = Path(sys.executable).parent
# What each host has, and what is said of it; {0} is a directory with a link, a file and a tree.
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "link": ({"backup_client_sources": ["{0}/link"]}, "is a link to tree: name {0}/tree"),
    "way": (
        {"backup_client_sources_more": ["{0}/link/deep"]},
        "leads through {0}/link, a link to tree: name {0}/tree/deep",
    ),
    "glob": ({"backup_client_sources": ["/home/*"]}, "backup_client_excludes"),
    "blank": ({"backup_client_sources": ["{0}/tree "]}, "begins or ends with a blank"),
    "relative": ({"backup_client_sources": ["~/tree"]}, "is not an absolute path"),
    "newline": ({"backup_client_sources": ["{0}/a\nb"]}, "holds a line end"),
    "number": ({"backup_client_sources": [7]}, "a source in backup_client_sources is a path, or"),
    "nowish": ({"backup_client_sources": [{"path": "{0}/tree", "mounted": True}]}, "a source in backup_client_sources"),
    "nopath": ({"backup_client_sources": [{"mount": True}]}, "a source in backup_client_sources is a path, or"),
    "perhaps": ({"backup_client_sources": [{"path": "/", "mount": "perhaps"}]}, "a source in backup_client_sources"),
    "empty": ({"backup_client_sources": [{"path": "/", "empty": "perhaps"}]}, "a source in backup_client_sources"),
    "whole": ({"backup_client_excludes_x": ["{0}/tree/*"]}, "left out as a whole by the exclude {0}/tree/*"),
    "kernel": ({"backup_client_sources": ["/", "/proc"]}, "/proc is left out as a whole by the exclude pp:/proc"),
    "style": ({"backup_client_excludes": ["rx:a"]}, "exclude rx:a begins with 'rx:', which is no style"),
    "regex": ({"backup_client_excludes": ["re:("]}, "exclude re:( is no regular expression"),
    "nothing": ({"backup_client_excludes": [""]}, "exclude '' is no text, or an empty one"),
}
TAKEN: dict[str, tuple[dict[str, Any], str]] = {
    "plain": ({}, ""),
    "slash": ({"backup_client_sources": ["{0}/tree/", "{0}/file"]}, ""),
    "absent": ({"backup_client_sources": ["{0}/later"]}, "{0}/later is not there"),
    "unmounted": ({"backup_client_sources": [{"path": "{0}/tree", "mount": True}]}, "{0}/tree is not mounted"),
    "outbox": ({"backup_client_sources": [{"path": "{0}/tree", "empty": True}]}, ""),
    "moved": ({"backup_client_sources": [{"path": "{0}/tree", "mount": False}]}, ""),
    "typo": ({"backup_client_excludes_x": ["*.oops", "*/deep", "re:[.]pyc$"]}, "excludes *.oops, re:[.]pyc$"),
}


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[bool, str]]:
    """Of each host: whether it was refused, and all that was said; every one is this machine, in check mode."""
    path = tmp_path_factory.mktemp("sources")
    (path / "tree/deep").mkdir(parents=True)
    (path / "file").write_text("x")
    (path / "link").symlink_to("tree")
    shared = {"ansible_connection": "local", "backup_client_sources": [f"{path}/tree"], "backup_client_excludes": []}
    hosts = {name: variables for name, (variables, _said) in (REFUSED | TAKEN).items()}
    inventory = json.dumps({"backup_clients": {"hosts": hosts, "vars": shared}})
    (path / "hosts.json").write_text(inventory.replace("{0}", str(path)))
    role = "paranoid.backup.backup_client"
    steps = ("lists", "validate_sources")
    tasks = [{"ansible.builtin.include_role": {"name": role, "tasks_from": step}} for step in steps]
    play = {"hosts": "backup_clients", "gather_facts": False, "tasks": tasks}
    (path / "play.yml").write_text(json.dumps([play]))
    settings = {"ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".cache/collections"), "ANSIBLE_CONFIG": "/none"}
    settings |= {"ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default", "ANSIBLE_NOCOLOR": "1"}
    argv: list[str | Path] = [
        BIN / "ansible-playbook",
        "-i",
        path / "hosts.json",
        path / "play.yml",
        "--check",
        "-f",
        "4",
    ]
    argv += ["-e", f"ansible_python_interpreter={sys.executable}"]
    done = subprocess.run(argv, env={**os.environ, **settings}, capture_output=True, text=True, check=False)
    parts = re.split(r"^(?:ok|fatal|skipping|changed|failed): \[", done.stdout, flags=re.MULTILINE)
    recap = done.stdout.split("PLAY RECAP")[1]
    told = {name: "".join(part for part in parts if part.startswith(f"{name}]")) for name in hosts}
    failed = {name: bool(re.search(rf"^{name} .*failed=1", recap, re.MULTILINE)) for name in hosts}
    return {name: (failed[name], told[name].replace(str(path), "{0}")) for name in hosts}


@pytest.mark.parametrize("name", REFUSED)
def test_it_refuses_what_would_not_be_saved_as_it_is_meant(said: dict[str, tuple[bool, str]], name: str) -> None:
    failed, words = said[name]
    assert failed and REFUSED[name][1] in words, words


@pytest.mark.parametrize("name", TAKEN)
def test_it_takes_the_rest_and_tells_what_is_not_there(said: dict[str, tuple[bool, str]], name: str) -> None:
    failed, words = said[name]
    assert not failed and TAKEN[name][1] in words, words
    assert TAKEN[name][1] or "msg" not in words, words
