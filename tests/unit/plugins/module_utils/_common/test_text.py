# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text from a client cannot act on a terminal, a log or a mail."""

from __future__ import annotations

import re
import sys
import unicodedata

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
    ("Ελλάδα Привет 漢字 चीज़ें ไม่ได้ Vie\u0323\u0302t", "Ελλάδα Привет 漢字 चीज़ें ไม่ได้ Vie\u0323\u0302t"),
    ("12 of \u05d0 90", "12 of \\u05d0 90"),
    ("\u062a \u0661", "\\u062a \\u0661"),
    ("disk\u3164\u2800full\xad", "disk\\u3164\\u2800full\\xad"),
    ("1\ufe0f \U000e0131", "1\\ufe0f \\U000e0131"),
    ("a\u0301\u0301\u0301\u0301e\u0301", "a\u0301\u0301\u0301\\u0301e\u0301"),
    ("\u0301a \u0301", "\\u0301a \\u0301"),
    ("5\u0301\u0301", "5\\u0301\\u0301"),
    ("\x1b\u0301", "\\x1b\\u0301"),
    ("f\u0336a\u20e0", "f\\u0336a\\u20e0"),
    ("\u0915\u093e\u093e\u093e\u093e", "\u0915\u093e\u093e\u093e\\u093e"),
    ("\u1100\u1161", "\u1100\\u1161"),
]
# What its name calls unseen; those that are drawn all the same are the few that are called so for another reason.
UNSEEN = re.compile(
    r"\b(BLANK|FILLER|SELECTOR|INVISIBLE|OBJECT REPLACEMENT|GRAPHEME JOINER"
    r"|VOWEL INHERENT|NULL NOTEHEAD|J[UO]NGSEONG)\b"
)
DRAWN = re.compile(r"BLANK SYMBOL|(GAP|LINE|SPACE) FILLER")


@pytest.mark.parametrize(("text", "shown"), SHOWN)
def test_printable(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_no_character_there_is_misleads() -> None:
    """All of Unicode at once, each on a letter of its own; judged by names and properties, not the module's lists."""
    shown = printable("".join(f"a{chr(number)}" for number in range(sys.maxunicode + 1)))
    assert misleading(shown) == []
    assert {"ä", "Ω", "ж", "漢", "ก", "ᄀ", "🙂", "─", "–"} < set(shown)


@settings(derandomize=True, max_examples=300)
@given(
    st.text(st.characters() | st.sampled_from("a5 \u0301\u0323\u0336\u05d0\u3164\x1b"), max_size=300),
    st.integers(1, 80),
)
def test_what_is_shown_does_not_mislead_and_stays_as_it_is(text: str, limit: int) -> None:
    shown, line = printable(text), one_line(text, limit)
    assert misleading(shown) == misleading(line) == []
    assert not too_many_marks(shown) and not too_many_marks(line)
    assert printable(shown) == shown and one_line(line, limit) == line


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E)))
def test_plain_text_stays_as_it_is(text: str) -> None:
    assert printable(text) == text


def misleading(text: str) -> list[str]:
    """The characters in it that are not seen, or turn others around."""
    return [
        ascii(char)
        for char in sorted(set(text))
        if not char.isprintable()
        or unicodedata.bidirectional(char) not in {"L", "EN", "ES", "ET", "CS", "NSM", "ON", "WS"}
        or unicodedata.category(char) == "Me"
        or unicodedata.combining(char) == 1
        or (UNSEEN.search(unicodedata.name(char, "")) and not DRAWN.search(unicodedata.name(char, "")))
    ]


def too_many_marks(text: str) -> bool:
    """Whether a mark stands without a letter, or a letter has more than three."""
    kinds = "".join({"L": "L", "M": "M"}.get(unicodedata.category(char)[0], "-") for char in text)
    return bool(re.search(r"(^|-)M|M{4}", kinds))


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
