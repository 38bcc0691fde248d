# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client's account on its server is left alone only when all of it is as it should be."""

from __future__ import annotations

import re
from typing import Any

import jinja2
import pytest
import yaml
from tool import ROOT

VARIABLES = yaml.safe_load((ROOT / "roles/backup_server/vars/main.yml").read_text())
AS_IT_SHOULD_BE = {
    "Linux": "bk-web1:x:998:997:paranoid.backup client web.1:/:/usr/sbin/nologin;bk-web1:x:997:;bk-web1:*:20000::::::",
    "FreeBSD": "bk-web1:*:998:997:paranoid.backup client web.1:/:/usr/sbin/nologin;bk-web1:*:997:;",
}


def is_settled(line: str, transport: str = "socket") -> bool:
    """Tell what the role makes of that line."""
    environment = jinja2.Environment(autoescape=False)
    environment.filters |= {"regex_escape": re.escape, "ternary": lambda test, yes, no: yes if test else no}
    environment.tests["match"] = lambda text, pattern: re.match(pattern, text) is not None
    known: dict[str, Any] = {"__backup_server_client_user": "bk-web1", "backup_server_client": "web.1"}
    known |= {"backup_server_client_settings": {"transport": transport}, "backup_server_facts": {"account": line}}
    for name in ("comment", "shell", "entry", "has_account"):
        key = f"__backup_server_client_{name}"
        known[key] = environment.from_string(VARIABLES[key]).render(known)
    return bool(known["__backup_server_client_has_account"] == "True")


@pytest.mark.parametrize("system", AS_IT_SHOULD_BE)
def test_one_that_is_as_it_should_be_is_left_alone(system: str) -> None:
    assert is_settled(AS_IT_SHOULD_BE[system])
    through_the_door = AS_IT_SHOULD_BE[system].replace("/usr/sbin/nologin", "/bin/sh")
    assert is_settled(through_the_door, "ssh") and not is_settled(through_the_door)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (":*:20000", ":!:20000"),
        (":*:20000", ":$6$salt$hash:20000"),
        (";bk-web1:*:20000::::::", ";"),
        (";bk-web1:*:20000::::::", ";bk-web:*:20000::::::"),
        ("bk-web1:x:998", "bk-web1::998"),
        ("bk-web1:x:998", "bk-web:x:998"),
        (":/:", ":/srv:"),
        ("nologin;", "nologin.sh;"),
        ("/usr/sbin/nologin", "/bin/bash"),
        ("web.1", "web21"),
        ("bk-web1:x:997:", "bk-web1:x:99:"),
        ("bk-web1:x:997:", "backup:x:997:"),
        ("bk-web1:x:997:", ""),
    ],
)
def test_one_that_is_not_is_mended(old: str, new: str) -> None:
    line = AS_IT_SHOULD_BE["Linux"]
    assert old in line and not is_settled(line.replace(old, new))


def test_one_that_is_not_there_is_made() -> None:
    assert not is_settled("") and not is_settled(";;")
