# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What no sshd is needed for: lines, lists, patterns. tests/integration/provisioning/test_hosts.py asks a real one."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._provision.client_look import is_ageing, open_directory
from ansible_collections.paranoid.backup.plugins.module_utils._provision.login_trial import Trial, trial_obstacle
from ansible_collections.paranoid.backup.plugins.module_utils._provision.sshd_check import Login, matches, obstacles
from ansible_collections.paranoid.backup.plugins.module_utils._provision.sshd_config import parse_line, settings
from ansible_collections.paranoid.backup.plugins.module_utils._provision.sudoers import Rule, blame, rules

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


def found(*lines: str, wanted: dict[str, str] | None = None, **effective: list[str]) -> list[str]:
    """What is said of a host whose main file has these lines, and whose sshd prints this."""
    written = settings("main", lambda path: lines if path == "main" else [])
    return obstacles(LOGIN, wanted or {}, effective, written)


INCLUDE = "Include /etc/ssh/sshd_config.d/*.conf"


def test_what_does_no_harm_is_no_obstacle() -> None:
    assert found(INCLUDE, wanted={"banner": "none", "maxauthtries": "6"}, banner=["/x"], maxauthtries=["3"]) == []
    (line,) = found(INCLUDE, wanted={"permittty": "no"}, permittty=["yes"])
    assert "permittty yes" in line


def test_drop_ins_that_some_logins_read_are_not_enough() -> None:
    (line,) = found("Match User admin", INCLUDE)
    assert "holds for some logins only" in line
    assert found("Match all", INCLUDE) == []


def test_before_the_drop_in_is_there_only_a_denial_is_told() -> None:
    """It has an AllowUsers of its own, which is in force as soon as it lies there."""
    assert found(INCLUDE, allowusers=["admin"], allowgroups=["staff"]) == []
    assert len(found(INCLUDE, denyusers=["paranoid-backup"])) == 1


@pytest.mark.parametrize(
    ("effective", "told"),
    [
        ({"logingracetime": ["0"]}, 0),  # none: for ever
        ({"logingracetime": ["4"]}, 1),
        ({"logingracetime": ["5"]}, 0),
        ({"persourcemaxstartups": ["0"]}, 1),
        ({"persourcemaxstartups": ["none"]}, 0),
        ({"persourcemaxstartups": ["1"]}, 0),
        ({"denyusers": ["paranoid-backup@192.0.2.0/24"]}, 1),  # it may be meant
        ({"denyusers": ["!paranoid-backup"]}, 0),
        ({"allowusers": ["!paranoid-backup"]}, 1),
    ],
)
def test_what_no_match_block_can_set(effective: dict[str, list[str]], told: int) -> None:
    wanted = {"allowusers": LOGIN.name} if "allowusers" in effective else {}
    assert len(found(INCLUDE, wanted=wanted, **effective)) == told


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (["ChannelTimeout session:*=5m"], 1),
        (["ChannelTimeout *=0"], 0),
        (["ChannelTimeout agent-connection=5m"], 0),
        (["Match User admin", "ChannelTimeout session:*=5m"], 0),
    ],
)
def test_a_session_that_is_quiet_goes_on(lines: list[str], told: int) -> None:
    assert len(found(INCLUDE, *lines)) == told


OWN = "/etc/sudoers.d/paranoid-backup"
GRANT = Rule("paranoid-backup ALL=(root) NOPASSWD: /x", OWN, 3)


@pytest.mark.parametrize(
    ("rule", "is_named"),
    [
        ("ALL ALL=(ALL) ALL", True),
        ("ALL ALL=(ALL) NOPASSWD: ALL", False),
        ("%ops ALL=(ALL) NOPASSWD: ALL, !/x", True),
        ("admin ALL=(ALL) ALL", False),
        ("Cmnd_Alias LS = /bin/ls", False),
    ],
)
def test_only_a_rule_that_can_be_meant_is_blamed(rule: str, is_named: bool) -> None:
    behind = Rule(rule, "/etc/sudoers", 30)
    assert blame("sudo: a password is required", OWN, "paranoid-backup", [GRANT, behind]) == (
        behind.place if is_named else ""
    )
    assert blame("sudo: a password is required", OWN, "paranoid-backup", [behind, GRANT]) == ""


def test_a_terminal_that_nobody_wants_is_not_blamed() -> None:
    wanted, not_wanted = Rule("Defaults requiretty", "/a", 1), Rule("Defaults !requiretty", "/b", 2)
    refusal = "sudo: sorry, you must have a tty to run sudo"
    assert blame(refusal, OWN, "paranoid-backup", [wanted, not_wanted]) == wanted.place


@pytest.mark.parametrize(
    ("trial", "words"),
    [
        (Trial(2, "", "dispatch: no request\n"), ""),
        (Trial(2, "", "a banner of sudo\ndispatch: no request\n"), ""),
        (Trial(1, "", "dispatch: no request\n"), "cannot start the dispatcher"),  # as where it crashes afterwards
        (Trial(2, "", "sh: dispatch: not found\n"), "cannot start the dispatcher"),
        (Trial(2, "", ""), "exit code 2"),
        (Trial(2, "\n", "dispatch: no request\n"), "something prints"),  # the server reads the first line, empty or not
        (Trial(2, "Welcome\n", "dispatch: no request\n"), "prints 'Welcome'"),
        (Trial(None, "", ""), "does not answer"),
    ],
)
def test_only_the_dispatchers_own_word_is_believed(trial: Trial, words: str) -> None:
    line = trial_obstacle(trial, LOGIN.name, OWN, [GRANT])
    assert words in line if words else line == ""


def test_a_file_that_includes_itself_is_read_to_an_end(tmp_path: Path) -> None:
    (tmp_path / "main").write_text(f"Port 1\nInclude {tmp_path}/main\n")
    assert {one.value for one in settings(str(tmp_path / "main")) if one.keyword == "port"} == {"1"}
    assert "a ALL=ALL" in {rule.text for rule in rules("/a", lambda _path: ["a ALL=ALL", "@include /a"])}
