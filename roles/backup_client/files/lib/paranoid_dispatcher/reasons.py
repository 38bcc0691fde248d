# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why borgmatic or Borg failed, as one sentence: the last cause, without tracebacks, JSON and frames."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Sequence
from typing import Any

COMMAND_MAX = 120
SAID_MAX = 200
BROKEN_PIPE = 141  # what a shell returns for a dump whose reader is gone

Record = dict[str, Any]

_UNKNOWN = "borgmatic failed and did not say why"
_ERRNO = re.compile(r"\[Errno \d+\] ")
_FULL = "No space left on device"  # strerror(ENOSPC), as Borg and borgmatic say it
_ROOM = 4 << 20  # what failed may have freed what it had written
_TRACEBACK = "Traceback (most recent call last):"
_EXCEPTION = re.compile(r"[\w.]+: (?:\[Errno \d+\] )?(.+)")
# Borgmatic's frame around the real cause, ssh's around its warnings, and Python's last words.
_FRAME = re.compile(
    r"(.*: )?(An error occurred|Error running (actions for repository|configuration)|Error|@+)|Local Exception|\{.*\}"
    r"|Exception ignored in.*"
)
_COMMAND = re.compile(
    r"(?:Error running (?P<hook>(?:before|after) \w+ hook): )?Command '(?P<command>.*)' "
    r"(?:returned non-zero exit status (?P<code>-?\d+)|died with (?P<signal>.*))\."
)


def describe_failure(failures: Sequence[Record], errors: Sequence[str]) -> str:
    """Return why the first command failed that did, by what the launcher tells; empty if it tells of none.

    A dump ends because Borg does, so Borg's own word goes first. ``errors`` are Borg's messages.
    """
    if not failures:
        return ""
    first = failures[0]
    if errors and (first["borg"] or first["code"] == BROKEN_PIPE):
        return find_cause("\n".join(errors)) or f"Borg ended with {first['code']}"
    said = find_cause(str(first["output"]))[:SAID_MAX]
    name = "Borg" if first["borg"] else str(first["command"]).partition(" ")[0]  # The rest may hold a password.
    return f"{name} ended with {first['code']}{f': {said}' if said else ' and said nothing'}"


def find_cause(text: str) -> str:
    """Return the last line that says something: of a traceback the exception, without its class."""
    lines = [line.removeprefix("Remote: ") for line in text.splitlines() if line.strip()]
    raised = _find_exceptions(lines)
    if raised:
        found = _EXCEPTION.fullmatch(raised[-1])
        return found[1] if found else raised[-1]
    told = [line.strip() for line in lines if not _FRAME.fullmatch(line.strip())]
    return told[-1] if told else ""


def failure_reason(log: str) -> str:
    """Return the lines that matter of borgmatic's closing summary, or else the last line of the log, as one line."""
    lines = [line.strip() for line in log.splitlines()]
    if "summary:" not in lines:
        return find_cause(log) or _UNKNOWN
    first = len(lines) - lines[::-1].index("summary:")
    summary = lines[first : lines.index("", first) if "" in lines[first:] else None]
    if _TRACEBACK in summary:
        return find_cause("\n".join(log.splitlines()[first : first + len(summary)])) or _UNKNOWN
    causes = [line for line in summary if not _FRAME.fullmatch(line)]
    plain = [line for line in causes if not _COMMAND.fullmatch(line)] or [_reword(line) for line in causes]
    return _ERRNO.sub("", "; ".join(dict.fromkeys(plain))) or _UNKNOWN


def name_full_disk(reason: str, places: Iterable[str]) -> str:
    """Return REASON and, when it is that a disk is full, at which of these directories nothing is left of one."""
    if _FULL not in reason:
        return reason
    full = [place for place in dict.fromkeys(places) if place not in reason and _is_full(place)]
    return f"{reason} ({' and '.join(full)}: make room there)" if full else reason


def _is_full(place: str) -> bool:
    with contextlib.suppress(OSError):
        found = os.statvfs(place)
        return found.f_bavail * found.f_frsize < _ROOM or (found.f_files > 0 and found.f_favail == 0)
    return False


def _find_exceptions(lines: Sequence[str]) -> list[str]:
    """Return the line that ends each traceback, but for those that Python ignored."""
    found = []
    for place, line in enumerate(lines):
        if line.strip() == _TRACEBACK and not (place and lines[place - 1].startswith("Exception ignored")):
            rest = [after for after in lines[place + 1 :] if not after.startswith((" ", "\t"))]
            found += rest[:1]
    return found


def _reword(line: str) -> str:
    """Return what a CalledProcessError says, without Python's frame."""
    match = _COMMAND.fullmatch(line)
    if match is None:
        return line
    ended = f"ended with {match['code']}" if match["code"] else f"died with {match['signal']}"
    return f"{'the ' + match['hook'] + ' ' if match['hook'] else ''}{_quote(match['command'])} {ended}"


def _quote(command: str) -> str:
    line = " ".join(command.split())
    return f"`{line if len(line) <= COMMAND_MAX else line[: COMMAND_MAX - 1] + '…'}`"
