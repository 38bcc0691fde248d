# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A role's variables held against its specification: types, shapes, names."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.paranoid.backup.plugins.filter.variables import FilterModule

FILTERS = FilterModule().filters()
OPTIONS: dict[str, dict[str, Any]] = {
    "role_slots": {"type": "int"},
    "role_sshd": {"type": "bool"},
    "role_ratio": {"type": "float"},
    "role_name": {"type": "str"},
    "role_from": {"type": "list"},
    "role_from_keys": {"type": "dict"},
    "role_rules": {"type": "dict", "options": {"daily": {"type": "int"}, "within": {"type": "str"}}},
    "role_extra": {"type": "dict"},
}


@pytest.mark.parametrize(
    ("reader", "name", "value", "read"),
    [
        ("server", "slots", "4", 4),
        ("server", "slots", 4, 4),
        ("server", "require_mount", "false", False),
        ("server", "require_mount", "no", False),
        ("server", "require_mount", "True", True),
        ("server", "require_mount", True, True),
        ("server", "host_id", "12", "12"),
        ("client", "quota", "30000000000000", 30000000000000),
        ("client", "quota", None, None),
        ("client", "port", "2222", 2222),
        ("client", "trim_max_objects", "5000", 5000),
        (
            "client",
            "retention",
            {"daily": "-1", "hourly": 3, "within": "2d"},
            {"daily": -1, "hourly": 3, "within": "2d"},
        ),
        ("client", "client", "12", "12"),
        ("client", "host", 12, "12"),
        ("client", "schema", 1, 1),
    ],
)
def test_values_have_the_types_that_the_engine_reads(reader: str, name: str, value: object, read: object) -> None:
    result = FILTERS["as_read"]({name: value}, reader)
    assert result == {name: read} and type(result[name]) is type(read)


@pytest.mark.parametrize("values", [{"slots": "hush"}, {"slots": ["hush"]}, {"slots": ""}, {"require_mount": "hush"}])
def test_what_cannot_be_converted_is_named_and_not_quoted(values: dict[str, Any]) -> None:
    with pytest.raises(AnsibleFilterError, match=r"(slots|require_mount) must be of the type (int|bool)") as caught:
        FILTERS["as_read"](values, "server")
    assert "hush" not in str(caught.value)


def test_text_is_no_list_and_no_dictionary() -> None:
    values: dict[str, Any] = {
        "role_from": "192.0.2.1",
        "role_rules": "daily=1",
        "role_from_web": "x",
        "role_from_keys_web": [],
        "role_slots": "4",
        "other": "x",
    }
    sentences = ["role_from must be a list", "role_from_keys_web must be a dictionary", "role_from_web must be a list"]
    assert FILTERS["misshapen"](values, OPTIONS) == [*sentences, "role_rules must be a dictionary"]
    assert FILTERS["misshapen"]({"role_from": [], "role_from_web": ["x"], "role_rules": {}}, OPTIONS) == []


def test_a_misspelt_name_leads_to_the_right_one() -> None:
    unknown = ["role_slot", "role_fron", "role_ip"]
    assert FILTERS["similar"](unknown, OPTIONS, "role_") == [
        "role_slot may be meant to be role_slots",
        "role_fron may be meant to be role_from",
    ]
