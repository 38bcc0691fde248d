# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What starts at boot."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

from paranoid_system.asking import Asker, NoAnswer

UNITS_MAX = 5_000
KINDS = ("service", "socket", "timer", "path", "mount", "target")
_UNIT = re.compile(rf"[A-Za-z0-9:_.\\@-]{{1,200}}\.({'|'.join(KINDS)})", re.ASCII)
_WANTED = "/etc/systemd/system"


def ask_boot(asker: Asker) -> tuple[list[str], list[str]]:
    """Return what starts at boot and what must not (masked), as units of systemd; NoAnswer if that is not known."""
    if os.path.exists("/bin/freebsd-version"):
        return sorted(os.path.basename(line.strip()) for line in asker.ask(["service", "-e"])), []
    try:
        listed = asker.ask(["systemctl", "list-unit-files", "--no-legend", "--no-pager", "--plain"])
    except NoAnswer:
        return list_wanted(_WANTED), []
    return parse_unit_files(listed, "enabled"), parse_unit_files(listed, "masked")


def parse_unit_files(lines: Iterable[str], state: str) -> list[str]:
    """Parse ``systemctl list-unit-files``: unit, state, and what its vendor meant."""
    fields = (line.split() for line in lines)
    return _units(words[0] for words in fields if len(words) >= 2 and words[1] == state)


def list_wanted(directory: str) -> list[str]:
    """Return the units that links in DIRECTORY/*.wants start, where systemd does not answer."""
    found: set[str] = set()
    try:
        places = [name for name in os.listdir(directory) if name.endswith((".wants", ".requires"))]
        for place in places:
            found.update(os.listdir(os.path.join(directory, place)))
    except OSError as exc:
        raise NoAnswer(f"what starts at boot is not known: {exc.strerror}") from exc
    return _units(found)


def _units(names: Iterable[str]) -> list[str]:
    return sorted({name for name in names if _UNIT.fullmatch(name)})[:UNITS_MAX]
