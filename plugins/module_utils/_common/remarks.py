# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Remarks: what Borg and borgmatic warn of during a backup, by kind, and which of it makes an archive incomplete.

They are a mapping of kinds to ``{"count": n, "accepted": n, "paths": [...]}``: how many there were, how many of
them are of paths that the operator accepts, and the first paths that he does not. A kind without any is left out.
Of directories that a tag left out, the paths are those that were not told before.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PATHS_LIMIT = 10  # paths of one kind
PATH_LENGTH = 200
# What is said of the files, and whether they are in the archive in spite of it.
CHANGED = "changed"
VANISHED = "vanished"
UNREADABLE = "unreadable"
IO_ERROR = "io_error"
NOT_SUPPORTED = "not_supported"
EXCLUDED_BY_TAG = "excluded_by_tag"
HOOKS = "hooks"
OTHER = "other"
REMARK_WORDS = {
    CHANGED: "changed while they were read",
    VANISHED: "vanished before they were read",
    UNREADABLE: "could not be read",
    IO_ERROR: "could not be read for an I/O error",
    NOT_SUPPORTED: "are of a kind that Borg does not save",
    EXCLUDED_BY_TAG: "are left out by a tag",
    HOOKS: "hooks did not run, or failed, after an earlier session was cut off",
    OTHER: "other warnings",
}
# What nobody knows is not green.
INCOMPLETE = (UNREADABLE, IO_ERROR, NOT_SUPPORTED, OTHER)


def count_incomplete(remarks: Mapping[str, Any]) -> int:
    """Return how many remarks say that something is not in the archive, which nobody accepted."""
    return sum(remarks[kind]["count"] - remarks[kind]["accepted"] for kind in INCOMPLETE if kind in remarks)


def describe_incomplete(remarks: Mapping[str, Any], most: int = 3) -> str:
    """Return ``2 could not be read: /a, /b``, one part for each kind that makes an archive incomplete."""
    parts = [
        _describe(kind, remarks[kind]["count"] - remarks[kind]["accepted"], remarks[kind]["paths"][:most])
        for kind in INCOMPLETE
        if kind in remarks and remarks[kind]["count"] > remarks[kind]["accepted"]
    ]
    return "; ".join(parts)


def describe_remarks(remarks: Mapping[str, Any], most: int = 3) -> tuple[str, ...]:
    """Return one line for each kind, with the number of those that are accepted."""
    lines = []
    for kind in REMARK_WORDS:
        if kind in remarks:
            found = remarks[kind]
            accepted = f" ({found['accepted']} of them accepted)" if found["accepted"] else ""
            lines.append(_describe(kind, found["count"], found["paths"][:most], accepted))
    return tuple(lines)


def _describe(kind: str, count: int, paths: list[str], accepted: str = "") -> str:
    told = f"{count} {REMARK_WORDS[kind]}{accepted}"
    more = ", …" if paths and count > len(paths) else ""
    return f"{told}: {', '.join(paths)}{more}" if paths else told
