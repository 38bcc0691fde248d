# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The accounts that roles make on FreeBSD, by Ansible's own classes, against a strict fake of pw(8) and chpass(1)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pytest
import yaml
from ansible.modules.group import FreeBsdGroup
from ansible.modules.user import FreeBsdUser
from ansible_collections.paranoid.backup.plugins.module_utils._common.names import repository_user
from tool import ROOT

TASKS = (
    "backup_server/tasks/directories.yml",
    "backup_server/tasks/client_user.yml",
    "backup_server/tasks/watch.yml",
    "backup_client/tasks/account.yml",
)
VARIABLES = {
    name: value
    for role in ("backup_server", "backup_client")
    for name, value in yaml.safe_load((ROOT / f"roles/{role}/vars/main.yml").read_text()).items()
    if name in ("__backup_client_account", "__backup_server_client_shell", "__backup_server_client_comment")
}
LONGEST = repository_user("a" * 60)  # of a client's name that is long


class FakePw:
    """The databases of users and groups. It knows the options that are used, and what pw refuses of their values."""

    def __init__(self) -> None:
        self.groups: set[str] = set()
        self.users: dict[str, dict[str, str]] = {}
        self.calls = 0

    def run(self, argv: Sequence[str], **_ignored: Any) -> tuple[int, str, str]:
        """Run a command."""
        self.calls += 1
        match list(argv):
            case ["pw", "groupadd", name]:
                self.check_name(name)
                assert name not in self.groups, f"pw: group name `{name}' already exists"
                self.groups.add(name)
            case ["pw", "useradd", "-n", name, *words]:
                self.check_name(name)
                given = dict(zip(words[::2], words[1::2], strict=True))
                assert given.keys() - {"-G"} == {"-c", "-d", "-g", "-s"} and given["-g"] in self.groups
                assert given.get("-G", "") == "", "of no other group"
                assert not re.search("[:,]", given["-c"]) and given["-s"] in ("/usr/sbin/nologin", "/bin/sh")
                assert name not in self.users, f"pw: login name `{name}' already exists"
                self.users[name] = {**given, "password": ""}
            case ["chpass", "-p", "*", name]:
                self.users[name]["password"] = "*"
            case _:
                raise AssertionError(f"not as pw and chpass are called: {argv}")
        return 0, "", ""

    @staticmethod
    def check_name(name: str) -> None:
        assert re.fullmatch(r"[A-Za-z0-9_.][A-Za-z0-9_.-]{0,31}", name), (
            f"pw: name `{name}': illegal, or longer than 32"
        )


class Module:
    """As much of AnsibleModule as these classes use."""

    check_mode = False

    def __init__(self, pw: FakePw, arguments: dict[str, Any]) -> None:
        never = {"state": "present", "update_password": "always", "create_home": True, "home": None}
        self.params = Parameters({**never, **arguments})
        self.run_command = pw.run

    @staticmethod
    def get_bin_path(program: str, *_ignored: Any) -> str:
        return program

    @staticmethod
    def debug(text: str) -> None:
        """Nobody reads that."""


class Parameters(dict[str, Any]):
    """What was not given is None."""

    def __missing__(self, key: str) -> None:
        return None


def accounts() -> list[tuple[str, dict[str, Any]]]:
    """Groups and users as the tasks ask for them, with the longest name that a client's user can have."""
    tasks = [task for name in TASKS for task in yaml.safe_load((ROOT / "roles" / name).read_text())]
    asked = [(kind, task.get(f"ansible.builtin.{kind}")) for task in tasks for kind in ("group", "user")]
    return [(kind, {key: plain(value) for key, value in given.items()}) for kind, given in asked if given]


def plain(value: Any) -> Any:
    """A value without templates: a name for each account, and what FreeBSD's variables say."""
    if not isinstance(value, str) or "{{" not in value:
        return value
    named = re.fullmatch(r"\{\{ (\w+)(?:\.(\w+))? \}\}", value)
    if named and named[1] in VARIABLES:
        found = VARIABLES[named[1]]
        return plain(found[named[2]] if named[2] else found)
    if "nologin" in value:
        return "/usr/sbin/nologin"
    return re.sub(r"\{\{ *_*backup_(\w+) *\}\}", r"\1", value.replace("{{ __backup_server_client_user }}", LONGEST))


def test_there_is_something_to_make() -> None:
    assert [kind for kind, _ in accounts()].count("user") >= 4 and len(LONGEST) <= 32


def test_accounts_are_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    pw = FakePw()
    monkeypatch.setattr(FreeBsdGroup, "__new__", lambda kind, *_: object.__new__(kind))
    monkeypatch.setattr(FreeBsdUser, "__new__", lambda kind, *_: object.__new__(kind))
    for again in (False, True):
        for kind, arguments in accounts():
            before, name = pw.calls, arguments["name"]
            if kind == "group":
                group = FreeBsdGroup(Module(pw, arguments))
                if name not in pw.groups:
                    group.group_add()
                monkeypatch.setattr(group, "group_info", lambda name=name: [name, "*", 900, []])
                group.group_mod()
            else:
                make_user(pw, Module(pw, arguments), monkeypatch)
            assert not again or pw.calls == before, f"{kind} {name} is made again"
    assert {one["password"] for one in pw.users.values()} == {"*"}, "no password opens them, and keys do"


def make_user(pw: FakePw, module: Module, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make or change a user as Ansible's module does."""
    user = FreeBsdUser(module)
    monkeypatch.setattr(user, "group_exists", lambda name: name in pw.groups)
    monkeypatch.setattr(user, "group_info", lambda name: [name, "*", 900, []])

    def info() -> Any:
        one = pw.users.get(user.name)
        return one is not None and [user.name, one["password"], 900, 900, one["-c"], one["-d"], one["-s"]]

    monkeypatch.setattr(user, "user_info", info)
    monkeypatch.setattr(user, "user_group_membership", lambda *_: [])
    _done = user.modify_user() if user.name in pw.users else user.create_user()
