# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Borg's own log, line by line: of which kind is a warning, and of which path.

Source: Borg 1.4.5, docs/internals/frontends.rst ("Message IDs"), helpers/errors.py and archive.py (BackupIO): the id
of a message is the name of the warning's class, and the message of an OSError is ``path: call: [Errno n] text`` with
the file's name behind it or not. A path may hold anything, such as the end of another message.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
from typing import Optional

CHANGED = "changed"
VANISHED = "vanished"
UNREADABLE = "unreadable"
IO_ERROR = "io_error"
NOT_SUPPORTED = "not_supported"
EXCLUDED_BY_TAG = "excluded_by_tag"
OTHER = "other"
UNREAD = (UNREADABLE, IO_ERROR, NOT_SUPPORTED)

_KINDS = {
    "FileChangedWarning": CHANGED,
    "BackupRaceConditionError": CHANGED,
    "BackupFileNotFoundError": VANISHED,
    "BackupPermissionError": UNREADABLE,
    "BackupIOError": IO_ERROR,
    "BackupOSError": UNREADABLE,
    "BackupError": UNREADABLE,
    "ExcludedByTag": EXCLUDED_BY_TAG,
}
_TAILS = (
    ": file changed while we backed it up",
    ": file type or inode changed while we backed it up (race condition, skipped file)",
    ": backup error",
)
_IO_ERRORS = frozenset((errno.EIO, errno.ESTALE, errno.ENOTCONN, errno.ETIMEDOUT, errno.EREMOTEIO, errno.EUCLEAN))
_NOT_SUPPORTED = frozenset((errno.EOPNOTSUPP, errno.ENOSYS, errno.ENODEV, errno.ENXIO))
_CALL = re.compile(r": (?:[a-z_]+2?|extended stat \([A-Za-z]+\)): \[Errno (\d+)\] ")
_TAG = re.compile(r"(.*): left out, because of [^/]*", re.DOTALL)
# What Borg says of its cache changes no archive: it reads more, or goes on without (cache.py, file_integrity.py).
_HARMLESS = ("borg.cache", "borg.crypto.file_integrity")
# What relay and gate print, and the relay's ssh: when the way breaks, Borg ends with an error (remote.py).
_REMOTE = "Remote: "
_SILENT = ("DEBUG", "INFO")


def classify(line: str) -> Optional[tuple[str, str]]:
    """Return kind and path of a line that Borg wrote to standard error; None if it is no warning.

    The path is empty where the line names none for sure. What is neither known nor known as harmless is `OTHER`, and
    in place of its path is what it says.
    """
    try:
        content = json.loads(line)
        level, message = content.get("levelname"), str(content.get("message", ""))
    except (ValueError, AttributeError, RecursionError):
        return (OTHER, line) if line.strip() and not line.startswith(_REMOTE) else None
    if content.get("type") != "log_message" or level in _SILENT:
        return None
    identifier = str(content.get("msgid", ""))
    is_harmless = content.get("name") in _HARMLESS or (not identifier and message.startswith(_REMOTE))
    return None if level == "WARNING" and is_harmless else _describe(identifier, message)


def remote_line(line: str) -> str:
    """Return what relay, ssh or gate said in a line that Borg passed on; empty for any other line."""
    with contextlib.suppress(ValueError, AttributeError, RecursionError):
        line = str(json.loads(line).get("message", ""))
    return line[len(_REMOTE) :].strip() if line.startswith(_REMOTE) else ""


def _describe(identifier: str, message: str) -> tuple[str, str]:
    kind = _KINDS.get(identifier)
    if kind is None:
        unknown = message.partition("Unknown file type: ")
        return (NOT_SUPPORTED, unknown[2]) if unknown[1] and not unknown[0] else (OTHER, message)
    if kind == EXCLUDED_BY_TAG:
        tagged = _TAG.fullmatch(message)
        return kind, tagged[1] if tagged else ""
    for tail in _TAILS:
        if message.endswith(tail):
            return kind, message[: -len(tail)]
    path, number = _split(message)
    if identifier == "BackupOSError":
        kind = IO_ERROR if number in _IO_ERRORS else NOT_SUPPORTED if number in _NOT_SUPPORTED else kind
    return kind, path


def _split(message: str) -> tuple[str, int]:
    """Return the path and the number of an error; a path that two readings of the message allow is none."""
    readings = [(message[: call.start()], int(call[1]), message[call.end() :]) for call in _CALL.finditer(message)]
    whole = [reading for reading in readings if _is_whole(*reading)] or readings
    return (whole[0][0], whole[0][1]) if len(whole) == 1 else ("", whole[0][1] if whole else 0)


def _is_whole(path: str, number: int, rest: str) -> bool:
    text = os.strerror(number)
    names = (f": {path!r}", f": {os.path.basename(path)!r}", "")
    return rest.startswith(text) and (
        rest[len(text) :] in names or re.fullmatch(r": \d+", rest[len(text) :]) is not None
    )


def escape(text: str, limit: int) -> str:
    """Return the beginning of TEXT in one line, with the escape of each character that is not printable."""
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text[:limit])
    return shown if len(shown) <= limit else f"{shown[: limit - 1]}…"
