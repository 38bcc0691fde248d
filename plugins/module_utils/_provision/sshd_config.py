# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""sshd's configuration as it is written: every setting with its file, its line and the Match block around it.

sshd_config(5): a setting in a Match block that applies overrides one outside, and of several the first counts.
"""

from __future__ import annotations

import glob
import os
import re
import shlex
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Optional

MAIN = ("/etc/ssh/sshd_config", "/usr/local/etc/ssh/sshd_config", "/usr/etc/ssh/sshd_config")
_DEPTH = 16  # SERVCONF_MAX_DEPTH of OpenSSH's servconf.c
# Names that sshd still takes, and the ones that `sshd -T` prints for them (servconf.c, keywords).
_ALIASES = {
    "challengeresponseauthentication": "kbdinteractiveauthentication",
    "skeyauthentication": "kbdinteractiveauthentication",
    "pubkeyacceptedkeytypes": "pubkeyacceptedalgorithms",
    "keepalive": "tcpkeepalive",
}

Reader = Callable[[str], Iterable[str]]


@dataclass(frozen=True)
class Setting:
    """One line; ``match`` is the condition of the Match block around it, empty outside of one."""

    keyword: str  # in small letters, as `sshd -T` prints it
    value: str
    path: str
    line: int
    match: str = ""

    @property
    def place(self) -> str:
        """Where it is written, and what, for a person."""
        around = f", in 'Match {self.match}'" if self.match else ""
        return f"{self.path} line {self.line} ({self.keyword} {self.value}{around})"


def main_file() -> str:
    """Return the path of sshd's configuration on this platform."""
    return next((path for path in MAIN if os.path.exists(path)), MAIN[0])


def read_lines(path: str) -> list[str]:
    """Return a file's lines, none if it cannot be read: sshd itself complains of that."""
    try:
        with open(path, encoding="utf-8", errors="replace") as handle:
            return handle.read().splitlines()
    except OSError:
        return []


def settings(path: str, read: Reader = read_lines) -> list[Setting]:
    """Return all settings in the order in which sshd reads them, those of included files in the place of Include.

    An Include is a setting, too, and one whose file holds nothing is followed by nothing.
    """
    return list(_walk(path, "", os.path.dirname(path), read, 0))


def _walk(path: str, match: str, base: str, read: Reader, depth: int) -> Iterator[Setting]:
    around = match
    for number, line in enumerate(read(path), 1):
        parsed = parse_line(line)
        if parsed is None:
            continue
        keyword, value = parsed
        if keyword == "match":
            # What a Match block includes is read only when the block applies.
            inner = "" if value.lower() == "all" else value
            around = " + ".join(part for part in (match, inner) if part)
            continue
        yield Setting(keyword, value, path, number, around)
        if keyword == "include" and depth < _DEPTH:
            for pattern in patterns(value, base):
                for found in sorted(glob.glob(pattern)):
                    yield from _walk(found, around, base, read, depth + 1)


def patterns(value: str, base: str) -> list[str]:
    """Return the patterns of files that an Include names; relative ones begin beside the main file."""
    return [os.path.join(base, pattern) for pattern in _words(value)]


def parse_line(line: str) -> Optional[tuple[str, str]]:
    """Return (keyword, value) of one line, None if it sets nothing."""
    parsed = re.match(r"\s*([A-Za-z0-9]+)(?:\s*=\s*|\s+)(.*?)\s*$", line)
    if not parsed:
        return None
    keyword = parsed[1].lower()
    value = re.sub(r"(?:^|\s+)#.*$", "", parsed[2]) if '"' not in parsed[2] else parsed[2]
    return _ALIASES.get(keyword, keyword), value.strip()


def _words(value: str) -> list[str]:
    try:
        return shlex.split(value)
    except ValueError:
        return value.split()
