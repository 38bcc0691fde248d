# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What somebody types for a run, and nobody reads, is found; whatever has an effect is left alone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml
from ansible_collections.paranoid.backup.plugins.filter import words

PLAYBOOKS = Path(__file__).resolve().parents[4] / "playbooks"
GROUPS = {"all": ["vault", "web1", "web2"], "backup_clients": ["web1", "web2"], "backup_servers": ["vault"]}


@pytest.mark.parametrize(
    ("typed", "playbooks", "said"),
    [
        ("backup_restore_pahts", ["restore"], "no variable backup_restore_pahts (is it backup_restore_paths?)"),
        ("backup_restore_too", ["restore"], "(is it backup_restore_to?)"),
        ("backup_audit_ful", ["audit"], "(is it backup_audit_full?)"),
        ("backup_quite_another", ["audit"], "there is no variable backup_quite_another;"),
        ("backup_resaon", [], "(is it backup_reason?)"),
        ("backup_audit_full", ["audit"], ""),
        ("backup_drill_paths", ["restore"], ""),
        ("backup_escrow_dir", ["backup"], ""),
        ("backup_client_quota", ["backup"], ""),
        ("backup_quite_another", [], ""),
        ("backup_reason", [], ""),
        ("web_root", ["restore"], ""),
    ],
)
def test_a_variable_of_the_command_line(typed: str, playbooks: Sequence[str], said: str) -> None:
    found = words.list_ineffective_variables([typed], [typed], playbooks)
    assert (said in "; ".join(found)) if said else not found
    assert not words.list_ineffective_variables([typed], [typed], playbooks, [typed])


def test_a_variable_for_another_playbook() -> None:
    (line,) = words.list_idle_variables(["backup_drill_paths", "backup_restore_to", "backup_by"], ["restore"])
    assert line == "backup_drill_paths has no effect here: it is for drill.yml"
    assert not words.list_idle_variables(["backup_drill_paths"], ["restore", "drill"])
    assert not words.list_idle_variables(["backup_drill_paths"], [])


@pytest.mark.parametrize(
    ("name", "is_told"),
    [("backup_fail_fst", True), ("backup_escrow_dri", True), ("backup_window", False), ("backup_drill_paths", False)],
)
def test_a_variable_of_the_inventory(name: str, is_told: bool) -> None:
    """There it may be somebody else's, or for another playbook."""
    assert bool(words.list_ineffective_variables([name], [], ["backup"])) is is_told


def test_tags_that_no_task_has() -> None:
    assert words.list_ineffective_tags(["prov", "all"], ["escrow"]) == [
        "no task has the tag prov (is it prove?): there are collect, forget, prove"
    ]
    assert words.list_ineffective_tags(["prove"], ["backup"]) == ["no task has the tag prove: there are none"]
    assert not words.list_ineffective_tags(["prove", "collect", "never"], ["escrow"])
    assert not words.list_ineffective_tags(["mine"], [])


@pytest.mark.parametrize(
    ("limit", "missing"),
    [
        ("web1,wb2", ["wb2"]),
        ("all:!wb1", ["wb1"]),
        ("backup_clients:&backup_sevrers", ["backup_sevrers"]),
        ("web*[0:1],web9*,~db.*", ["web9*", "~db.*"]),
        ("web1,web*,~we.1,backup_clients[0],!web2,&backup_clients,localhost", []),
        ("", []),
    ],
)
def test_names_in_a_limit(limit: str, missing: list[str]) -> None:
    match = words._make_match(GROUPS)
    found = words.list_ineffective_limits(limit, GROUPS, match)
    assert [line.partition(",")[0].removeprefix("no host or group is ") for line in found] == missing


def test_a_limit_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "limit"
    path.write_text("web1\nwb2\n\n")
    (line,) = words.list_ineffective_limits(f"@{path}", GROUPS, words._make_match(GROUPS))
    assert line.startswith("no host or group is wb2") and "is it web2?" in line


def test_only_our_playbooks_are_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody's own playbook may import ours, bear its name, and read what it likes."""
    monkeypatch.chdir(PLAYBOOKS.parent)
    assert words._find_playbooks(["playbooks/restore.yml", "paranoid.backup.drill"]) == ["restore", "drill"]
    assert words._find_playbooks(["playbooks/restore.yml", str(tmp_path / "restore.yml")]) == []
    assert words._find_playbooks(["mine.backup.restore"]) == words._find_playbooks(["paranoid.backup"]) == []


def test_the_lists_say_what_the_playbooks_read() -> None:
    """Whatever a playbook reads and does not make itself."""
    shared = ("preflight", "require_hosts", "require_words")
    paths = [path for path in PLAYBOOKS.glob("*.yml") if path.stem not in shared]
    assert {path.stem for path in paths} == set(words.ORDERS)
    for path in paths:
        text = path.read_text()
        read = {name for name in NAME.findall(text) if not name.removeprefix("backup_").startswith(words._ROLES)}
        mine = {name.removeprefix("backup_") for name in read - set(MADE.findall(text)) - NO_VARIABLES}
        assert mine - words.SETTINGS - words._OWN == words.ORDERS[path.stem], path.stem
        tags = {tag for play in yaml.safe_load(text) for task in play.get("tasks", ()) for tag in task.get("tags", ())}
        assert tags - words._ANY_TAGS == words.TAGS.get(path.stem, frozenset()), path.stem


NAME = re.compile(r"(?<![\w.])(?<!-e )backup_[a-z_]+")
MADE = re.compile(r"(?:register: |^ +)(backup_[a-z_]+)(?:$|:)", re.MULTILINE)
NO_VARIABLES = {"backup_clients", "backup_servers", "backup_nas", "backup_runners", "backup_watches", "backup_builders"}
