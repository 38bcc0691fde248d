# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names: what is accepted, what a user is called."""

from __future__ import annotations

import re

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._common.names import (
    is_run_id,
    repository_user,
    valid_client_name,
    valid_id,
)
from hypothesis import given
from hypothesis import strategies as st

GOOD = ["web1", "web1.example.org", "Web_1", "0", "a" * 63]
BAD = ["", ".", "..", "a..b", "-a", "_a", "a/b", "a b", "a\n", "a" * 64, "ä", "a\0", "../x", "a:b"]


@pytest.mark.parametrize("name", GOOD)
def test_accepts(name: str) -> None:
    assert valid_client_name(name)


@pytest.mark.parametrize("name", BAD)
def test_refuses(name: str) -> None:
    assert not valid_client_name(name)
    with pytest.raises(ValueError, match="cannot name a client"):
        repository_user(name)


@pytest.mark.parametrize(
    ("client", "user"),
    [
        ("web1", "bk-web1"),
        ("db-1_a", "bk-db-1_a"),
        ("a" * 28, "bk-" + "a" * 28),
        ("a" * 29, "bk-" + "a" * 18 + "-6913c9c7"),
        ("web1.example.org", "bk-web1exampleorg-9e018a83"),
        ("Web1", "bk-web1-fbb6f4c5"),
    ],
)
def test_user(client: str, user: str) -> None:
    assert repository_user(client) == user


@given(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", fullmatch=True).filter(lambda name: ".." not in name))
def test_every_client_has_a_user_that_useradd_accepts(client: str) -> None:
    assert re.fullmatch(r"bk-[a-z0-9_-]{1,28}", repository_user(client))


def test_no_client_can_be_called_like_the_user_of_another() -> None:
    user = repository_user("Web1")
    assert repository_user(user.removeprefix("bk-")) != user


def test_names_that_differ_only_in_case_have_different_users() -> None:
    assert len({repository_user(name) for name in ("web.1", "Web.1", "web1", "WEB1", "we.b1")}) == 5


@pytest.mark.parametrize("text", ["", ".", "..", "a/b", "-a", "a b", "a\n", "é", "x" * 65])
def test_no_run_id(text: str) -> None:
    assert not is_run_id(text)
    assert is_run_id("20261121T063000Z-1a2b3c4d")


def test_an_id_is_64_small_hex_digits() -> None:
    """Two ways to write one would be two archives."""
    assert valid_id("0123456789abcdef" * 4)
    for wrong in ("A" * 64, "a" * 63, "a" * 65, "g" * 64, "a" * 64 + "\n", "", "\u0663" * 64):
        assert not valid_id(wrong)
