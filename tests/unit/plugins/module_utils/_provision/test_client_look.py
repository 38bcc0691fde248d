# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The login's account as it is: whoever compares must see each thing that somebody changed."""

from __future__ import annotations

import grp
import os
import pwd
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from ansible_collections.paranoid.backup.plugins.module_utils._provision import client_look, login_trial
from ansible_collections.paranoid.backup.plugins.module_utils._provision.client_look import (
    Question,
    describe_account,
    look,
)
from tool import ROOT

WANTED = yaml.safe_load((ROOT / "roles/backup_client/vars/main.yml").read_text())["__backup_client_account"]
WANTED |= {"group": "login"}
GROUPS = {997: "login", 27: "sudo", 100: "users"}


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The account as the role makes it, to be changed."""
    one = SimpleNamespace(
        pw_gid=997, pw_gecos=WANTED["comment"], pw_dir=WANTED["home"], pw_shell=WANTED["shell"], numbers=[997]
    )
    monkeypatch.setattr(pwd, "getpwnam", {"login": one}.__getitem__)
    monkeypatch.setattr(os, "getgrouplist", lambda _name, _number: one.numbers)
    monkeypatch.setattr(grp, "getgrgid", lambda number: SimpleNamespace(gr_name=GROUPS[number]))
    return one


SHADOW = ["root:$6$x:1::::::", "login:*:20000:0:99999:7:::", "login2:!:1::::::"]


def test_it_is_as_the_role_wants_it(account: SimpleNamespace) -> None:
    assert account and describe_account("login", SHADOW) == WANTED
    assert describe_account("nobody-such", SHADOW) == {}


@pytest.mark.parametrize(
    ("name", "value"),
    [("pw_gid", 100), ("numbers", [997, 27]), ("pw_gecos", ""), ("pw_dir", "/root"), ("pw_shell", "/bin/bash")],
)
def test_what_somebody_changed_is_seen(account: SimpleNamespace, name: str, value: object) -> None:
    setattr(account, name, value)
    assert describe_account("login", SHADOW) != WANTED


@pytest.mark.parametrize("field", ["", "!", "!*", "$6$salt$hash", "x"])
def test_a_password_is_seen_and_not_shown(account: SimpleNamespace, field: str) -> None:
    assert account and describe_account("login", [f"login:{field}:20000::::::"])["password"] == "another"
    assert describe_account("login", [])["password"] == "another"


def test_two_lines_of_one_account_are_not_the_roles() -> None:
    """Which of them counts, only the system knows."""
    me = pwd.getpwuid(os.geteuid()).pw_name
    assert describe_account(me, [f"{me}:*:1::::::", f"{me}:$6$x:1::::::"])["password"] == "another"


ASKED = Question("paranoid-backup", "", "/drop-in", "", "/etc/sudoers.d/x", "192.0.2.7", 2222, "", "/nowhere")


class Host:
    """What its programs answer: sshd by the port that it is asked for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, programs: str, **printed: str) -> None:
        self.asked: list[list[str]] = []
        self.printed, self.code = printed, 0
        monkeypatch.setattr(client_look, "_program", lambda name: f"/bin/{name}" if name in programs.split() else "")
        monkeypatch.setattr(client_look, "run_program", self.run)

    def run(self, argv: list[str]) -> Any:
        self.asked.append(argv)
        port = argv[-1].rpartition("lport=")[2]
        return SimpleNamespace(
            returncode=self.code, said=self.printed.get(f"port{port}", ""), complaint="line 7: bad word\n"
        )


def test_sshd_behind_a_translation_of_ports_is_asked_for_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    host = Host(monkeypatch, "sshd", port2222="port 22\npermittty yes\n", port22="port 22\npermittty no\nx y\n")
    assert look(ASKED)["sshd_keywords"] == ["permittty", "port", "x"]
    assert [argv[-1].rpartition("lport=")[2] for argv in host.asked] == ["2222", "22"]


def test_an_sshd_that_refuses_its_configuration_is_named_and_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    host = Host(monkeypatch, "sshd", port2222="port 2222\npermittty yes\n")
    host.code = 255
    seen = look(ASKED)
    assert seen["sshd_keywords"] == []
    assert seen["obstacles"] == ["sshd does not take its own configuration (line 7: bad word): mend that file"]


def test_without_sudo_nobody_asks_what_it_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    Host(monkeypatch, "")
    assert look(ASKED)["obstacles"] == []


def test_a_host_key_is_told_without_its_comment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "key").touch()
    (tmp_path / "key.pub").write_text("ssh-ed25519 AAAA root@somewhere, a comment\n")
    Host(monkeypatch, "sshd", port2222=f"port 2222\nhostkey {tmp_path}/key\nhostkey {tmp_path}/none\n")
    assert look(ASKED)["host_keys"] == ["ssh-ed25519 AAAA"]


@pytest.mark.parametrize(("strict", "mode", "told"), [("yes", 0o775, 1), ("yes", 0o755, 0), ("no", 0o775, 0)])
def test_a_way_to_the_keys_that_others_can_write_counts_where_sshd_minds(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, strict: str, mode: int, told: int
) -> None:
    me = pwd.getpwuid(os.geteuid()).pw_name
    (tmp_path / "authorized_keys").mkdir()
    (tmp_path / "authorized_keys").chmod(mode)
    monkeypatch.setattr(login_trial, "try_command", lambda *_words: login_trial.Trial(2, "", "dispatch: nobody asks"))
    monkeypatch.setattr(client_look, "pam_refusal", lambda *_words: "")
    Host(monkeypatch, "sudo")
    asked = Question(me, "x", "/drop-in", "", "", "192.0.2.7", 22, "", str(tmp_path))
    found = client_look._login_obstacles(asked, {"usepam": ["yes"], "strictmodes": [strict]})
    assert len([line for line in found if f"chmod go-w {tmp_path}" in line]) == told


def test_pam_is_asked_where_sshd_asks_it(monkeypatch: pytest.MonkeyPatch) -> None:
    me = pwd.getpwuid(os.geteuid()).pw_name
    monkeypatch.setattr(login_trial, "try_command", lambda *_words: login_trial.Trial(2, "", "dispatch: nobody asks"))
    monkeypatch.setattr(client_look, "pam_refusal", lambda *_words: "Permission denied")
    monkeypatch.setattr(client_look, "_without_pam", lambda _login: ["it is locked"])
    asked = Question(me, "x", "/drop-in", "", "", "192.0.2.7", 22, "", "/nowhere")
    by_pam = client_look._login_obstacles(asked, {"usepam": ["yes"]})
    by_sshd = client_look._login_obstacles(asked, {"usepam": ["no"]})
    assert any("PAM refuses" in line for line in by_pam) and "it is locked" not in by_pam
    assert "it is locked" in by_sshd and not any("PAM" in line for line in by_sshd)


def test_a_rule_for_sudo_without_sudo_is_an_obstacle(monkeypatch: pytest.MonkeyPatch) -> None:
    me = pwd.getpwuid(os.geteuid())
    monkeypatch.setattr(pwd, "getpwnam", lambda _name: SimpleNamespace(pw_shell="/bin/sh", pw_gid=me.pw_gid))
    Host(monkeypatch, "")
    asked = Question(me.pw_name, "sudo -n x", "/drop-in", "", "/etc/sudoers.d/x", "192.0.2.7", 22, "", "/nowhere")
    assert "sudo is not installed" in client_look._command_obstacle(asked)


def test_a_dispatcher_that_hangs_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login_trial, "_SECONDS", 0.2)
    me = pwd.getpwuid(os.geteuid()).pw_name
    assert login_trial.try_command(me, "exec sleep 60").code is None


@pytest.mark.skipif(os.geteuid() != 0, reason="NOT TESTED: only root can try what another user may")
def test_the_login_is_tried_as_itself_and_not_as_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may start the dispatcher whatever sudo says."""
    nobody = pwd.getpwnam("nobody")
    shown = SimpleNamespace(pw_dir="/", pw_shell="/bin/sh", pw_uid=nobody.pw_uid, pw_gid=nobody.pw_gid)
    monkeypatch.setattr(pwd, "getpwnam", lambda _name: shown)
    before = os.getgroups()
    os.setgroups([0, 4, 27])
    try:
        trial = login_trial.try_command("nobody", "id -u; id -g; id -G")
    finally:
        os.setgroups(before)
    assert trial.out.split() == [str(nobody.pw_uid), *[str(nobody.pw_gid)] * 2]
