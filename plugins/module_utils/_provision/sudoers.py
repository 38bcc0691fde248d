# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""sudo's rules as they are written, to name the line that stands in the way of the server's login.

sudoers(5): the last rule that matches counts; a Defaults entry for a command counts after all others.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from ansible_collections.paranoid.backup.plugins.module_utils._provision.sshd_config import read_lines

MAIN = ("/etc/sudoers", "/usr/local/etc/sudoers", "/usr/etc/sudoers")
_DEPTH = 16
_NO_RULE = re.compile(r"Defaults|(User|Runas|Host|Cmnd|Cmd)_Alias\b")

Reader = Callable[[str], Iterable[str]]
Lister = Callable[[str], Iterable[str]]


@dataclass(frozen=True)
class Rule:
    """One line that says something, continued lines joined."""

    text: str
    path: str
    line: int

    @property
    def place(self) -> str:
        """Where it is written, and what, for a person."""
        return f"{self.path} line {self.line} ({self.text})"


def main_file() -> str:
    """Return the path of sudo's configuration on this platform."""
    return next((path for path in MAIN if os.path.exists(path)), MAIN[0])


def list_names(folder: str) -> list[str]:
    """Return the names in a folder, none if there is no such folder."""
    try:
        return os.listdir(folder)
    except OSError:
        return []


def rules(path: str, read: Reader = read_lines, names: Lister = list_names, depth: int = 0) -> Iterator[Rule]:
    """Yield all lines in the order in which sudo reads them, those of included files in their place."""
    for number, text in _joined(read(path)):
        include = re.match(r"[@#](include|includedir)\s+\"?(.+?)\"?$", text)
        if include and depth < _DEPTH:
            target = os.path.join(os.path.dirname(path), include[2])
            for found in [target] if include[1] == "include" else _of_folder(target, names):
                yield from rules(found, read, names, depth + 1)
        elif not text.startswith("#"):
            yield Rule(text, path, number)


def _of_folder(folder: str, names: Lister) -> list[str]:
    return [os.path.join(folder, name) for name in sorted(names(folder)) if "." not in name and not name.endswith("~")]


def _joined(lines: Iterable[str]) -> Iterator[tuple[int, str]]:
    begun, text = 0, ""
    for number, line in enumerate(lines, 1):
        begun, text = begun or number, text + " " + line.strip()
        if text.endswith("\\"):
            text = text[:-1]
            continue
        if text.strip():
            yield begun, " ".join(text.split())
        begun, text = 0, ""


def reads_folder(written: Iterable[str], folder: str) -> bool:
    """Tell whether sudo's main file includes the folder."""
    return any(re.match(rf"\s*[@#]includedir\s+\"?{re.escape(folder)}/?\"?\s*$", line) for line in written)


def unread(main: str, written: Iterable[str], own: str) -> str:
    """Return why sudo does not read its drop-in ``own``, empty if it does."""
    folder = os.path.dirname(own)
    if reads_folder(written, folder):
        return ""
    return f"{main} does not include {folder}: add '@includedir {folder}' as its last line"


def blame(refusal: str, own: str, login: str, written: Sequence[Rule]) -> str:
    """Return the line that lies behind what sudo said, empty if none is found."""
    if "must have a tty" in refusal:
        named = [rule for rule in written if re.search(r"^Defaults.*(?<!!)\brequiretty\b", rule.text)]
    elif "password is required" in refusal or "not allowed to execute" in refusal:
        named = _overruling(own, login, written)
    else:
        named = []
    return named[-1].place if named else ""


def _overruling(own: str, login: str, written: Sequence[Rule]) -> list[Rule]:
    """Return the rules behind the login's own one that could be meant for it and want a password, or refuse."""
    places = [number for number, rule in enumerate(written) if rule.path == own]
    behind = written[places[-1] + 1 :] if places else ()
    return [
        rule
        for rule in behind
        if not _NO_RULE.match(rule.text)
        and re.match(rf"(ALL|{re.escape(login)}|%|\+|[A-Z]|#)", rule.text)
        and ("NOPASSWD" not in rule.text or "!" in rule.text)
    ]
