# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why nothing can be rebuilt."""

from __future__ import annotations


class RebuildError(Exception):
    """The message is one line: what is wrong, and what to do."""


def printable(text: str) -> str:
    """Return a text for a terminal: an archive may hold any character."""
    return "".join(c if c.isprintable() else "?" for c in text.encode("utf-8", "replace").decode())
