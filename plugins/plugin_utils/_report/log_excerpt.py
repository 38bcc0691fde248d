# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lines of a log's end that tell more than the reason does. The log itself stays whole."""

from __future__ import annotations

import re
from collections.abc import Iterable

# What borgmatic prints around the error itself, and the prefixes that it, the server and hooks have in a line.
_FRAME = re.compile(
    r"(?:.*: )?(?:An error occurred|Error running (?:actions for repository|configuration)|Error)"
    r"|summary:|Need some help\? \S+"
)
_PREFIX = re.compile(r"(?:server: failed |server: |hook: |\S+\.yaml: )")


def pick_new_lines(lines: Iterable[str], reason: str) -> tuple[str, ...]:
    """Return the lines, in their order, that repeat neither the reason nor an earlier line."""
    said = " ".join(reason.split())
    seen: set[str] = set()
    new = []
    for line in lines:
        words = " ".join(line.split())
        bare = _PREFIX.sub("", words, count=1) if _PREFIX.match(words) else words
        if bare and bare not in seen and not _FRAME.fullmatch(words) and not _repeats(bare, said):
            new.append(line)
        seen.add(bare)
    return tuple(new)


def _repeats(words: str, said: str) -> bool:
    """Whether the words are the whole reason, but for the client's name; a line that was cut, its beginning.

    A line that is only a part of the reason stays: a command may have printed it, and the reason quotes the command.
    """
    sentences = (said, said.partition(": ")[2])
    if words.endswith("…"):
        return any(sentence.startswith(words.removesuffix("…")) for sentence in sentences)
    return words in sentences
