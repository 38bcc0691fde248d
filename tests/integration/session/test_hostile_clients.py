# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients that lie, hang, flood or die: each gets its own word, shows nothing raw, and leaves nothing behind."""

from __future__ import annotations

from pathlib import Path

import pytest
from session_world import World, assert_next_session_works

# Behaviour, code, words of the reason, deadlines that are shortened for it.
FAULTS = [
    ("silent", "no_dispatcher", "did not start (exit code 0)", {}),
    ("hang_before_hello", "connect_timeout", "did not start its work within 2 s", {"connect_timeout": 2}),
    ("hello_of_another_session", "no_dispatcher", "not as the dispatcher: the first line is not a hello", {}),
    ("gigabyte_instead_of_hello", "no_dispatcher", "more than 256 KiB", {}),
    ("dies_before_hello", "no_dispatcher", "did not start (exit code 255)", {}),
    ("exits_127", "no_dispatcher", "did not start (sh: 1: dispatch: not found)", {}),
    ("exits_255", "no_dispatcher", "did not start (sudo: a password is required)", {}),
    ("hang_after_hello", "idle_timeout", "moved no byte and wrote no log line for 2 s", {"idle_timeout": 2}),
    ("hang_in_transfer", "idle_timeout", "moved no byte and wrote no log line for 2 s", {"idle_timeout": 2}),
    ("chatter_forever", "total_timeout", "was not done after 3 s", {"idle_timeout": 2, "total_timeout": 3}),
    ("heartbeats_forever", "total_timeout", "was not done after 5 s", {"idle_timeout": 2, "total_timeout": 5}),
    ("hang_after_result", "close_timeout", "did not end the session within 1 s", {"close_timeout": 1}),
    ("closes_its_output", "idle_timeout", "it hangs", {"idle_timeout": 2}),
    ("gigabyte_instead_of_result", "bad_result", "more than 256 KiB", {}),
    ("binary_result", "bad_result", "is not JSON: \\x00\\x01", {}),
    ("ten_megabytes_of_json", "bad_result", "more than 256 KiB", {}),
    ("nested_json", "bad_result", "the answer is not JSON: [[[", {}),
    ("half_a_result", "bad_result", "broke off in the middle of a line", {}),
    ("result_of_another_session", "bad_result", "the result is of another session", {}),
    ("result_of_another_verb", "bad_result", "the result is of another session", {}),
    ("goes_on_after_result", "bad_result", "it went on after its result", {}),
    ("gigabyte_of_log", "bad_result", "it logged more than 64 MiB", {}),
    ("dies_by_signal", "connection_lost", "or its dispatcher was killed (about to die)", {}),
    ("ok_without_archive", "no_archive", "said ok, but named no archive", {}),
    ("archive_never_written", "no_archive", "the server saw no archive being written", {}),
    ("connected_but_wrote_nothing", "no_archive", "the server saw no archive being written", {}),
    ("rubbish_through_the_tunnel", "client_failed", "sent what is not Borg's protocol", {}),
]


@pytest.mark.parametrize(("behaviour", "code", "words", "deadlines"), FAULTS, ids=[row[0] for row in FAULTS])
def test_fault_has_its_name_and_leaves_nothing(
    world: World, behaviour: str, code: str, words: str, deadlines: dict[str, int]
) -> None:
    world.dispatch(behaviour)
    if "close_timeout" in deadlines:  # Only the configuration sets this one.
        world.write(**deadlines)
    outcome = world.session("backup", **{key: value for key, value in deadlines.items() if key != "close_timeout"})
    assert (outcome.conclusion.status, outcome.conclusion.code) == ("failed", code), outcome.conclusion.reason
    assert words in outcome.conclusion.reason
    assert outcome.conclusion.reason.isprintable() and len(outcome.conclusion.reason) < 1000
    assert outcome.archive is None and not outcome.changed
    assert world.leftovers() == []
    assert_next_session_works(world)


def test_a_reason_cannot_act_on_a_terminal(world: World) -> None:
    world.dispatch("escapes_in_reason")
    outcome = world.session("backup")
    assert outcome.conclusion.code == "client_failed"
    assert outcome.conclusion.reason == (
        r"web1: \x1b]0;owned\x07\x1b[2J\x1b[32mok <script>alert(1)</script>\u202etxt.exe\x00\ud800"
    )


def test_a_log_cannot_act_on_a_terminal(world: World) -> None:
    world.dispatch("escapes_in_log")
    outcome = world.session("backup")
    shown = r"\x1b[2J\x1b]52;c;cm0gLXJm\x07\xff\xfe\x00 bad \u202e\rline"
    assert Path(outcome.log).read_text().splitlines()[0].replace("\\\\", "\\") == shown
    assert all(line.isprintable() and len(line) <= 300 for line in outcome.log_tail)


def test_an_endless_log_line_is_cut(world: World) -> None:
    world.dispatch("one_endless_log_line")
    outcome = world.session("backup")
    assert outcome.conclusion.reason == "web1: talked too long"
    assert max(len(line) for line in Path(outcome.log).read_text().splitlines()) <= 4096


def test_a_log_that_grows_when_it_is_shown_fills_no_more_of_the_disk(world: World) -> None:
    world.dispatch("log_of_bytes_to_escape")
    outcome = world.session("backup")
    assert outcome.conclusion.reason.endswith("it logged more than 64 MiB")
    assert Path(outcome.log).stat().st_size <= 65 * 1024**2


def test_a_deaf_client_cannot_hold_a_slot_with_a_gigabyte_of_log(world: World) -> None:
    world.dispatch("gigabyte_of_log")
    outcome = world.session("backup")
    assert Path(outcome.log).stat().st_size <= 65 * 1024**2
    assert outcome.conclusion.code == "bad_result" and outcome.duration < 60, "it ended by a deadline"
