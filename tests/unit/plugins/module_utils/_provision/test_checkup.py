# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The doctor on a system that has its files elsewhere, or no table of ports: it says nothing that it did not see."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._common import files
from ansible_collections.paranoid.backup.plugins.module_utils._provision import checkup, sudoers
from ansible_collections.paranoid.backup.plugins.module_utils._provision.client_look import Question
from ansible_collections.paranoid.backup.plugins.module_utils._provision.findings import GATE_PATCH, Finding
from paranoid_gate import main as gate


@pytest.fixture(autouse=True)
def root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(checkup, "_say", lambda argv: f"borg 1.4.{GATE_PATCH}" if "import borg" in argv[-1] else "")


def look(path: Path) -> dict[str, Finding]:
    return {one.check: one for one in checkup.look_at_server(str(path), False, str(path / "usual"), 0)}


def test_a_server_is_found_where_freebsd_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_USUAL", str(tmp_path / "usual"))
    monkeypatch.setattr(files, "_ON_FREEBSD", str(tmp_path / "local"))
    (tmp_path / "local").mkdir()
    (tmp_path / "local/server.json").write_text(json.dumps({"python": "/venv/bin/python"}))
    assert look(tmp_path)["borg"].line == f"Borg 1.4.{GATE_PATCH}"


def test_ports_that_nobody_can_see_are_not_said_to_be_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkup, "_TABLES", (str(tmp_path / "tcp"), str(tmp_path / "tcp6")))
    assert look(tmp_path)["network"].state == "odd"
    (tmp_path / "tcp").write_text("sl local_address rem_address st\n")
    assert look(tmp_path)["network"].state == "ok"


@pytest.mark.parametrize(
    ("main", "rules"),
    [
        ("/etc/sudoers", "/etc/sudoers.d/paranoid-backup"),
        ("/usr/etc/sudoers", "/etc/sudoers.d/paranoid-backup"),
        ("/usr/local/etc/sudoers", "/usr/local/etc/sudoers.d/paranoid-backup"),
    ],
)
def test_the_rule_is_looked_for_where_the_role_lays_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, main: str, rules: str
) -> None:
    asked: list[Question] = []

    def look_at(question: Question) -> dict[str, object]:
        asked.append(question)
        return {"obstacles": [], "sshd_keywords": ["port"], "sudo_version": [1, 9, 8]}

    monkeypatch.setattr(sudoers, "main_file", lambda: main)
    monkeypatch.setattr(checkup, "look", look_at)
    checkup.look_at_client("paranoid-backup", "", 22, "", str(tmp_path), 0)
    checkup.look_at_client("root", "", 22, "", str(tmp_path), 0)
    assert [question.sudoers for question in asked] == [rules, ""]


def test_the_doctor_and_the_gate_want_the_same_borg() -> None:
    assert GATE_PATCH == gate._BORG_PATCH
