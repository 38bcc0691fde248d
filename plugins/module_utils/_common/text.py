# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text from a client, made safe to show: on a terminal, in a log, in one line.

Safe is what neither acts on a terminal nor looks like something else in the line that it stands in. Each character is
shown as it is, as a mark on the letter before it, or as its escape, such as ``\\x1b``:

- what ``str.isprintable`` denies is escaped: control characters, line ends, zero-width characters, lone surrogates,
  private and unassigned code points, every space but the one of ASCII;
- so is what is printable and drawn as nothing: variation selectors, fillers, blanks;
- so are right-to-left letters and Arabic digits. They turn around the digits, slashes and commas after them, up to the
  next left-to-right letter, and a line that begins with one as a whole; that letter may be in the words around the
  text, or may be cut or folded away. So no such word is safe in plain text; isolates would be invisible characters
  themselves and are not drawn everywhere. Ledger, record, terminal, mail and page all show the same text, so the page
  needs no isolates of its own;
- combining marks stay, three on a letter: Hindi and Vietnamese need them. More would reach into the lines above and
  below. Marks that strike a letter through or enclose it, and those without a letter, are escaped: no digit changes.

Greek, Cyrillic, Chinese, Hindi or Thai stay readable. A letter that looks like one of another script is not covered.
"""

from __future__ import annotations

import unicodedata
from enum import Enum
from functools import lru_cache

_MARKS_PER_LETTER = 3
_MARKS = frozenset(("Mn", "Mc"))
_OVERLAY = 1  # the canonical combining class of marks that are drawn across their letter
_RIGHT_TO_LEFT = frozenset(("R", "AL", "AN"))
_UNSEEN_RANGES = (
    # Default_Ignorable_Code_Point in DerivedCoreProperties.txt of Unicode 14, as far as it is printable.
    range(0x034F, 0x0350),
    range(0x115F, 0x1161),
    range(0x17B4, 0x17B6),
    range(0x180B, 0x1810),
    range(0x3164, 0x3165),
    range(0xFE00, 0xFE10),
    range(0xFFA0, 0xFFA1),
    range(0xE0100, 0xE01F0),
    # Vowels and finals of Hangul in pieces: a terminal gives them no column of their own.
    range(0x1160, 0x1200),
    range(0xD7B0, 0xD800),
    # Symbols and letters that fonts draw as empty: in Braille, hieroglyphs, Khitan, Duployan and music; a placeholder.
    range(0x2800, 0x2801),
    range(0x13441, 0x13443),
    range(0x16FE4, 0x16FE5),
    range(0x1BC9D, 0x1BC9E),
    range(0x1D159, 0x1D15A),
    range(0xFFFC, 0xFFFD),
)
_UNSEEN = frozenset(chr(number) for unseen in _UNSEEN_RANGES for number in unseen)


class _Form(Enum):
    """How a character is shown."""

    ITSELF = "as it is"
    LETTER = "as it is, and marks may follow"
    MARK = "as it is on a letter, else as its escape"
    ESCAPE = "as its escape"


def printable(text: str) -> str:
    """Return ``text`` with all that is not safe to show replaced by its escape; what is safe already stays as it is."""
    if text.isascii() and text.isprintable():
        return text
    shown, room = [], 0
    for char in text:
        form = _form(char)
        if form is _Form.MARK and room:
            room -= 1
        else:
            room = _MARKS_PER_LETTER if form is _Form.LETTER else 0
            char = char if form in (_Form.ITSELF, _Form.LETTER) else _escape(char)
        shown.append(char)
    return "".join(shown)


def one_line(text: str, limit: int) -> str:
    """Return the printable form of ``text`` in one line of at most ``limit`` characters."""
    line = printable(" ".join(text[: 4 * limit].split()))
    return line if len(line) <= limit else line[: limit - 1] + "…"


def decode(raw: bytes) -> str:
    """Decode bytes of unknown origin as UTF-8; what is not UTF-8 becomes its escape."""
    return raw.decode("utf-8", "backslashreplace")


@lru_cache(maxsize=4096)
def _form(char: str) -> _Form:
    if not char.isprintable() or char in _UNSEEN:
        return _Form.ESCAPE
    if unicodedata.bidirectional(char) in _RIGHT_TO_LEFT or unicodedata.combining(char) == _OVERLAY:
        return _Form.ESCAPE
    category = unicodedata.category(char)
    if category in _MARKS:
        return _Form.MARK
    if category == "Me":
        return _Form.ESCAPE
    return _Form.LETTER if category.startswith("L") else _Form.ITSELF


def _escape(char: str) -> str:
    return char.encode("unicode_escape", "backslashreplace").decode("ascii")
