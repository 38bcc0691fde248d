# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What borgmatic and Borg print, read by somebody in a hurry."""

from __future__ import annotations

import json
import re
from datetime import datetime, timezone
from typing import Any

from paranoid_dispatcher.errors import Failed

Record = dict[str, Any]

# Borgmatic's frame around what really happened, and ssh's around what it warns of.
_NOISE = re.compile(r"(.*: )?(An error occurred|Error running (actions for repository|configuration)|Error|@+)")


def reason_of(log: str) -> str:
    """Return the meaningful lines of borgmatic's closing summary, or else the last line of the log, as one line."""
    lines = [line.strip() for line in log.splitlines()]
    if "summary:" in lines:
        first = len(lines) - lines[::-1].index("summary:")
        summary = lines[first : lines.index("", first) if "" in lines[first:] else None]
        told = [line for line in summary if not _NOISE.fullmatch(line)]
    else:
        told = [line for line in lines if line][-1:]
    return "; ".join(dict.fromkeys(told)) or "borgmatic failed and did not say why"


def parse_answer(stdout: str) -> Record:
    """Return the only element of borgmatic's JSON array, which hooks' output may stand before; Failed when none is."""
    for start in (match.start() for match in re.finditer(r"^\[", stdout, re.MULTILINE)):
        try:
            answer = json.loads(stdout[start:])
        except (ValueError, RecursionError):
            continue
        if isinstance(answer, list) and len(answer) == 1 and isinstance(answer[0], dict):
            return answer[0]
    raise Failed("borgmatic ended well but printed no result")


def utc(moment: str) -> str:
    """Borg prints this host's local time without its zone."""
    return datetime.fromisoformat(moment).astimezone(timezone.utc).isoformat()


def printable(text: str, limit: int) -> str:
    """Return the beginning of TEXT as one line that a terminal can show."""
    return "".join(c if c.isprintable() else "?" for c in " ".join(text.split())[:limit])
