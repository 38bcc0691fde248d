# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is not as Borg writes it: each exception's message is one line."""

from __future__ import annotations


class Broken(Exception):
    """A segment that is not what Borg writes; ``offset`` is the entry's place in it, in bytes."""

    def __init__(self, segment: int, offset: int, problem: str) -> None:
        super().__init__(f"segment {segment}, offset {offset}: {problem}")
        self.segment = segment
        self.offset = offset
        self.problem = problem


class Unreadable(Exception):
    """An index or hints that are not what Borg writes."""
