# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Start Borg behind its guard, in whichever Python has it; a Borg that is no Python program can have none.

Such a program is Borg's own standalone binary. It runs without tags, which any user could set, and refuses to make
an archive with dumps, beside which it would read every pipe of every user.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Sequence

ASK = "--guarded"  # the role asks; borgmatic never does
UNGUARDED = 3  # the answer to that, as an exit code
_REFUSED = """\
borg: {} is no Python program, so nothing can stand before it: it would read pipes of any user beside a dump. \
Set backup_borg_source to "venv", or leave backup_borg_binary empty for the archive that playbooks/wheelhouse.yml makes\
"""


def start(program: str) -> None:
    """Start the Borg that PROGRAM is, with this program's arguments."""
    if importlib.util.find_spec("borg"):
        if sys.argv[1:] != [ASK]:
            from paranoid_borg.main import main

            main()
        return
    python = python_of(program)
    if python and sys.prefix != sys.base_prefix:  # The platform's Borg has the platform's Python, not this venv's.
        os.execv(python, [python, "-I", *sys.argv])
    if sys.argv[1:] == [ASK]:
        sys.exit(UNGUARDED)
    if "--read-special" in sys.argv:
        sys.exit(_REFUSED.format(program))
    os.execv(program, [program, *without_tags(sys.argv[1:])])


def python_of(program: str) -> str:
    """Return the Python that a script names in its first line, empty for what is none."""
    with open(program, "rb") as file:
        first = os.fsdecode(file.readline(4096)).strip()
    name = first.removeprefix("#!").strip().partition(" ")[0]
    return name if first.startswith("#!") and os.path.basename(name).startswith("python") else ""


def without_tags(arguments: Sequence[str]) -> list[str]:
    """Return Borg's ARGUMENTS without those by which a tag leaves something out (borgmatic/borg/flags.py)."""
    kept: list[str] = []
    for before, argument in zip(("", *arguments), arguments):
        if "--exclude-if-present" not in (before, argument) and argument != "--exclude-caches":
            kept.append(argument)
    return kept
