# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text from a client cannot act on a terminal, a log or a mail."""

from __future__ import annotations

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._common.text import decode, one_line, printable
from hypothesis import given, settings
from hypothesis import strategies as st

SHOWN = [
    ("plain ä 漢 🙂", "plain ä 漢 🙂"),
    ("\x1b[2J", "\\x1b[2J"),
    ("a\x00b\r\n", "a\\x00b\\r\\n"),
    ("\u202etxt", "\\u202etxt"),
    ("\u200b\ufeff", "\\u200b\\ufeff"),
    ("\ud800", "\\ud800"),
    ("\u2028", "\\u2028"),
]


@pytest.mark.parametrize(("text", "shown"), SHOWN)
def test_printable(text: str, shown: str) -> None:
    assert printable(text) == shown


@settings(derandomize=True, max_examples=200)
@given(st.text(st.characters(), max_size=300), st.integers(1, 80))
def test_one_line_is_one_printable_line_within_its_limit(text: str, limit: int) -> None:
    line = one_line(text, limit)
    assert line.isprintable() and len(line) <= limit
    line.encode()


@settings(derandomize=True, max_examples=100)
@given(st.binary(max_size=200))
def test_decode_takes_all_bytes(raw: bytes) -> None:
    printable(decode(raw)).encode()


def test_one_line_marks_what_it_cut() -> None:
    assert one_line("a" * 9, 5) == "aaaa…"
    assert one_line(" a \n b\t", 5) == "a b"
