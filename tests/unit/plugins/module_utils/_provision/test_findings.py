# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host is told about itself: decided from what was seen, each with a cure."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._provision.findings import (
    Finding,
    judge_borg,
    judge_client,
    judge_clock,
    judge_disk,
    judge_login,
    judge_ports,
    judge_quotas,
    judge_user,
    read_ports,
)

GIB = 1024**3
WELL = {"free": GIB, "place": "/var/lib", "noexec_tmp": False, "is_binary": False, "python": True}


@pytest.mark.parametrize(
    ("found", "states", "said"),
    [
        ([judge_clock(1000, 1059, True)], "ok", "within 60 s"),
        ([judge_clock(1000, 1061, True)], "bad", "61 s behind"),
        ([judge_clock(90000, 1000, False)], "bad", "89000 s ahead of"),
        ([judge_clock(1000, 1000, False)], "odd", "no time service"),
        ([judge_clock(1000, 1000, None)], "ok", "within"),
        ([judge_borg(None, False)], "ok", "not there yet"),
        ([judge_borg(None, True)], "bad", "does not start"),
        ([judge_borg("1.4.5", True)], "ok", "Borg 1.4.5"),
        ([judge_borg("1.4.0", True)], "ok", "Borg 1.4.0"),
        ([judge_borg("1.4.4", True, least=5)], "bad", "only 1.4 from 1.4.5 on"),
        ([judge_borg("1.4.5", True, least=5)], "ok", "Borg 1.4.5"),
        ([judge_borg("1.4.10", True, least=5)], "ok", "Borg 1.4.10"),
        ([judge_borg("1.2.8", False)], "bad", "1.2.8"),
        ([judge_borg("2.0.0b20", True)], "bad", "2.0.0b20"),
        ([judge_borg("11.4.5", True)], "bad", "11.4.5"),
        (judge_login([], ["port"], True), "ok", "nothing keeps"),
        (judge_login([], [], True), "bad", "no sshd"),
        (judge_login([], ["port"], False), "bad", "sudo is not installed"),
        (judge_login(["one", "two"], [], True), "bad bad", "one"),
        (judge_client(WELL), "", ""),
        (judge_client({**WELL, "free": GIB // 4}), "bad", "0.25 GiB"),
        (judge_client({**WELL, "python": False}), "bad", "python3"),
        (judge_client({**WELL, "noexec_tmp": True}), "odd", "noexec"),
        (judge_client({**WELL, "noexec_tmp": True, "is_binary": True}), "bad", "noexec"),
        ([judge_disk("/srv", False, False, False, 0, 0)], "bad", "/srv is not there"),
        ([judge_disk("/srv", True, False, True, 100 * GIB, 90 * GIB)], "bad", "nothing is mounted"),
        ([judge_disk("/srv", True, True, True, 100 * GIB, 9 * GIB)], "odd", "only 9.0 of 100.0 GiB"),
        ([judge_disk("/srv", True, False, False, 100 * GIB, 10 * GIB)], "ok", "10.0 of 100.0 GiB"),
        ([judge_disk("/srv", True, False, False, 0, 0)], "odd", "only 0.0"),
        (judge_quotas({"web1": 2 * GIB, "db1": GIB, "new": None}, GIB), "odd", "quota of web1"),
        (judge_quotas({"web1": GIB}, 0), "", ""),
        ([judge_ports([])], "ok", "nothing"),
        ([judge_ports(None)], "odd", "nothing here tells"),
        ([judge_ports([22, 22, 443])], "odd", "22, 443"),
        (judge_user(0), "", ""),
        (judge_user(1000), "bad", "nobody looked"),
    ],
)
def test_what_is_said(found: list[Finding], states: str, said: str) -> None:
    assert " ".join(one.state for one in found) == states
    assert said in "".join(one.line for one in found[:1])
    assert all(one.cure or one.check == "login" for one in found if one.state != "ok"), "a line without a cure"


def table(*rows: str) -> str:
    return "sl local_address rem_address st\n" + "".join(f" {place}: {row} x x\n" for place, row in enumerate(rows))


@pytest.mark.parametrize(
    ("row", "ports"),
    [
        ("00000000:0016 00000000:0000 0A", [22]),
        ("0100007F:0016 00000000:0000 0A", []),
        ("3500007F:0035 00000000:0000 0A", []),
        ("0A00A8C0:0016 0B00A8C0:1234 01", []),
        ("00000000000000000000000000000000:01BB 00000000000000000000000000000000:0000 0A", [443]),
        ("00000000000000000000000001000000:01BB 00000000000000000000000000000000:0000 0A", []),
        ("0000000000000000FFFF00000100007F:01BB 00000000000000000000000000000000:0000 0A", []),
        ("0000000000000000FFFF00000A00A8C0:01BB 00000000000000000000000000000000:0000 0A", [443]),
        ("", []),
    ],
)
def test_ports_that_listen_to_the_network(row: str, ports: list[Any]) -> None:
    assert read_ports(table(row)) == ports
