# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What no sshd is needed for: lines, lists, patterns. tests/integration/provisioning/test_hosts.py asks a real one."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._provision.client_look import is_ageing, open_directory
from ansible_collections.paranoid.backup.plugins.module_utils._provision.sshd_check import Login, matches, obstacles
from ansible_collections.paranoid.backup.plugins.module_utils._provision.sshd_config import parse_line, settings
from ansible_collections.paranoid.backup.plugins.module_utils._provision.sudoers import rules

DROP_IN = "/etc/ssh/sshd_config.d/50-paranoid-backup.conf"
LOGIN = Login("paranoid-backup", ("paranoid-backup",), "192.0.2.7", DROP_IN)


@pytest.mark.parametrize(
    ("line", "parsed"),
    [
        ("  AllowUsers  a b # both", ("allowusers", "a b")),
        ("Port=22", ("port", "22")),
        ("ChallengeResponseAuthentication = no", ("kbdinteractiveauthentication", "no")),
        ('Banner "/etc/a # b"', ("banner", '"/etc/a # b"')),
        ("# Port 22", None),
        ("", None),
    ],
)
def test_lines_are_read_as_sshd_reads_them(line: str, parsed: tuple[str, str] | None) -> None:
    assert parse_line(line) == parsed


def test_settings_come_in_sshds_order_with_their_blocks(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d/b.conf").write_text("Match User x\nPort 2\n")
    (tmp_path / "d/a.conf").write_text("Port 1\n")
    (tmp_path / "main").write_text("Include d/*.conf\nPort 3\nMatch User y\nInclude d/a.conf\nMatch all\nPort 4\n")
    found = [(one.value, one.match, one.line) for one in settings(str(tmp_path / "main")) if one.keyword == "port"]
    assert found == [("1", "", 1), ("2", "User x", 2), ("3", "", 2), ("1", "User y", 1), ("4", "", 6)]


@pytest.mark.parametrize(
    ("lists", "refused"),
    [
        ({"denyusers": ["root", "paranoid-backup@10.0.0.1"]}, False),
        ({"denyusers": ["paranoid-backup@192.0.2.*"]}, True),
        ({"denyusers": ["paranoid-????up"]}, True),
        ({"denygroups": ["!paranoid-backup"]}, False),
        ({"allowusers": ["admin"]}, True),
        ({"allowusers": ["admin", "paranoid-backup"]}, False),
        ({"allowgroups": ["staff"]}, True),
        ({"allowgroups": ["*"]}, False),
    ],
)
def test_lists_of_who_may_come_in(lists: dict[str, list[str]], refused: bool) -> None:
    include = settings("main", lambda _path: ["Include /etc/ssh/sshd_config.d/*.conf"])[:1]
    assert bool(obstacles(LOGIN, {"forcecommand": "x"}, {**lists, "forcecommand": ["x"]}, include)) is refused


def test_a_pattern_takes_brackets_as_they_are() -> None:
    assert matches("a[b]", "a[b]") and not matches("a[b]", "ab") and not matches("!a", "a")


def test_rules_of_sudo_are_joined_and_included_in_order() -> None:
    files = {
        "/etc/sudoers": ["# no", "a ALL=\\", "  ALL", "@includedir sudoers.d", "last ALL=ALL"],
        "/etc/sudoers.d/b": ["b ALL=ALL"],
        "/etc/sudoers.d/a": ["#include /x", "Defaults  requiretty"],
        "/x": ["x ALL=ALL"],
    }
    found = rules("/etc/sudoers", files.__getitem__, lambda _folder: ["b", "a", "c.bak", "d~"])
    texts = ["a ALL= ALL", "x ALL=ALL", "Defaults requiretty", "b ALL=ALL", "last ALL=ALL"]
    assert [rule.text for rule in found] == texts


@pytest.mark.parametrize(
    ("fields", "ageing"),
    [
        ("*::0:::::", False),
        ("*:20000:0:99999:7:::", False),
        ("*:0:0:99999:7:::", True),
        ("*:20000:0:90:7:::", True),
        ("*:20000:0:99999:7:30::", True),
        ("*:20000:0:99999:7::1:", True),
    ],
)
def test_an_account_that_ages(fields: str, ageing: bool) -> None:
    assert is_ageing("login", ["other:*:0:0:90:7:::", f"login:{fields}"]) is ageing


def test_a_directory_of_others_is_named(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys").chmod(0o775)
    assert f"chmod go-w {tmp_path}/keys" in open_directory(str(tmp_path / "keys/login"))
