# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text from a client, made safe to show: on a terminal, in a log, in one line."""

from __future__ import annotations


def printable(text: str) -> str:
    """Return ``text`` with everything a terminal could act on replaced by its escape, such as ``\\x1b``.

    Covers control characters, line ends, bidirectional overrides, zero-width characters and lone surrogates:
    all that ``str.isprintable`` denies, but not the space.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escape(char) for char in text)


def one_line(text: str, limit: int) -> str:
    """Return the printable form of ``text`` in one line of at most ``limit`` characters."""
    line = printable(" ".join(text[: 4 * limit].split()))
    return line if len(line) <= limit else line[: limit - 1] + "…"


def decode(raw: bytes) -> str:
    """Decode bytes of unknown origin as UTF-8; what is not UTF-8 becomes its escape."""
    return raw.decode("utf-8", "backslashreplace")


def _escape(char: str) -> str:
    return char.encode("unicode_escape", "backslashreplace").decode("ascii")
