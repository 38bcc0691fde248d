# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An error that the person at the keyboard can do something about, and text that does nothing to a terminal."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UsageError(Exception):
    """The message is one line: what is wrong, and what to do."""


def printable(text: str) -> str:
    """Return one line for a terminal or a mail: names, reasons and output of runs may come from anywhere."""
    return "".join(c if c.isprintable() else "?" for c in text)


def guess(name: str, known: Iterable[str]) -> str:
    """Return the question which known name is meant, in brackets; empty if none is near."""
    near = difflib.get_close_matches(name, list(known), 1, 0.7)
    return f" (is it {near[0]}?)" if near else ""
