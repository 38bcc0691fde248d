# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An error that the person at the keyboard can do something about, and text that does nothing to a terminal."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable

_MARKS, _MARKS_PER_LETTER, _OVERLAY = ("Mn", "Mc"), 3, 1
_RIGHT_TO_LEFT = ("R", "AL", "AN")
_UNSEEN = (
    range(0x034F, 0x0350),
    range(0x115F, 0x1200),
    range(0x17B4, 0x17B6),
    range(0x180B, 0x1810),
    range(0x2800, 0x2801),
    range(0x3164, 0x3165),
    range(0xD7B0, 0xD800),
    range(0xFE00, 0xFE10),
    range(0xFFA0, 0xFFA1),
    range(0xFFFC, 0xFFFD),
    range(0x13441, 0x13443),
    range(0x16FE4, 0x16FE5),
    range(0x1BC9D, 0x1BC9E),
    range(0x1D159, 0x1D15A),
    range(0xE0100, 0xE01F0),
)


class UsageError(Exception):
    """The message is one line: what is wrong, and what to do."""


def printable(text: str) -> str:
    """Return one line for a terminal or a mail: names, reasons and output of runs may come from anywhere.

    The engine's `_common/text.py` says why what is not shown is not; a contract test compares the two.
    """
    if text.isascii() and text.isprintable():
        return text
    shown, marks = [], 0
    for char in text:
        marks = marks + 1 if unicodedata.category(char) in _MARKS else 0
        shown.append(char if _is_shown(char) and marks <= _MARKS_PER_LETTER else "?")
    return "".join(shown)


def _is_shown(char: str) -> bool:
    """Whether a character is seen, and stays where it stands."""
    if not char.isprintable() or any(ord(char) in unseen for unseen in _UNSEEN):
        return False
    is_across = unicodedata.combining(char) == _OVERLAY or unicodedata.category(char) == "Me"
    return not is_across and unicodedata.bidirectional(char) not in _RIGHT_TO_LEFT


def guess(name: str, known: Iterable[str]) -> str:
    """Return the question which known name is meant, in brackets; empty if none is near."""
    near = difflib.get_close_matches(name, list(known), 1, 0.7)
    return f" (is it {near[0]}?)" if near else ""
