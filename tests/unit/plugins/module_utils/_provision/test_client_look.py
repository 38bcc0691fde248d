# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The login's account as it is: whoever compares must see each thing that somebody changed."""

from __future__ import annotations

import grp
import os
import pwd
from types import SimpleNamespace

import pytest
import yaml
from ansible_collections.paranoid.backup.plugins.module_utils._provision.client_look import describe_account
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
