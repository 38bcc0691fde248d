# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Extract results from what borgmatic and Borg print."""

from __future__ import annotations

import json
import re
from datetime import datetime, timezone
from typing import Any

from paranoid_dispatcher.errors import Failed

Record = dict[str, Any]


def parse_borgmatic_json(stdout: str) -> Record:
    """Return the only element of borgmatic's JSON array, which may follow the output of hooks; Failed without one."""
    for start in (match.start() for match in re.finditer(r"^\[", stdout, re.MULTILINE)):
        try:
            array = json.loads(stdout[start:])
        except (ValueError, RecursionError):
            continue
        if isinstance(array, list) and len(array) == 1 and isinstance(array[0], dict):
            return array[0]
    raise Failed("borgmatic ended well but printed no result")


def describe_archive(archive: Record) -> Record:
    """Return what the answer tells of an archive that Borg's JSON has: its name and sizes (bytes, seconds)."""
    sizes = ("original_size", "compressed_size", "deduplicated_size", "nfiles")
    return {
        "name": archive["name"],
        "id": archive["id"],
        "start": to_utc(archive["start"]),
        "end": to_utc(archive["end"]),
        "duration": archive["duration"],
        **{size: archive["stats"][size] for size in sizes},
    }


def to_utc(moment: str) -> str:
    """Convert Borg's time, which is this host's local time without a zone, to UTC."""
    return datetime.fromisoformat(moment).astimezone(timezone.utc).isoformat()


def printable(text: str, limit: int) -> str:
    """Return the beginning of TEXT as one line without control characters; the server escapes what else may mislead."""
    return "".join(c if c.isprintable() else "?" for c in " ".join(text.split())[:limit])
