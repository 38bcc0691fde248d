# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Of the end of a log the report shows only what is new."""

from __future__ import annotations

import pytest
from ansible_collections.paranoid.backup.plugins.plugin_utils._report.log_excerpt import pick_new_lines
from hypothesis import given
from hypothesis import strategies as st

HOOK = "Error running before action hook: Command 'echo 'no such device' >&2; exit 1' returned non-zero exit status 1."
REASON = f"broken1: {HOOK}"
BORGMATIC = (
    "no such device",
    "server: Error running actions for repository",
    f"server: {HOOK}",
    "/etc/paranoid-backup/borgmatic.yaml: Error running configuration",
    "/etc/paranoid-backup/borgmatic.yaml: An error occurred",
    "summary:",
    "An error occurred",
    "Error running actions for repository",
    HOOK,
    "Error running configuration",
    "Need some help? https://torsion.org/borgmatic/#issues",
    f"server: failed {REASON}",
)


def test_what_borgmatic_says_four_times_is_said_once() -> None:
    assert pick_new_lines(BORGMATIC, REASON) == ("no such device",)


def test_without_the_reason_one_of_the_repetitions_stays() -> None:
    assert pick_new_lines(BORGMATIC, "the connection was lost") == ("no such device", f"server: {HOOK}", BORGMATIC[-1])


def test_what_a_hook_did_is_said_once() -> None:
    reason = 'the before create action hook "pause" failed with exit code 1: no such device'
    lines = ("hook: before create action: pause", "hook: no such device", f"hook: {reason}")
    assert pick_new_lines(lines, f"broken1: {reason}") == lines[:2]


@pytest.mark.parametrize(
    "line",
    [
        "web2: Connection refused after 25 s",  # who it was is new
        "Connection refused",  # the reason may quote the command that printed it
        "error 40",
        "Connection refused by 192.0.2.7",
        "connection refuse",
        "used after 25 s",
        "2",
    ],
)
def test_what_is_new_stays(line: str) -> None:
    assert pick_new_lines([line], "web1: Connection refused after 25 s") == (line,)


@pytest.mark.parametrize(
    "line",
    ["Connection refused after 25 s", "  Connection   refused after 25 s ", "Connection ref…", "web1: Conn…", "", " "],
)
def test_what_the_reason_says_goes(line: str) -> None:
    assert pick_new_lines([line], "web1: Connection refused after 25 s") == ()


def test_repeated_lines_go_and_the_order_stays() -> None:
    assert pick_new_lines(["b", "a", "b", "server: b", "  a"], "") == ("b", "a")


@given(st.lists(st.text(max_size=20)), st.text(max_size=40))
def test_lines_are_only_left_out(lines: list[str], reason: str) -> None:
    rest = iter(lines)
    assert all(line in rest for line in pick_new_lines(lines, reason))
