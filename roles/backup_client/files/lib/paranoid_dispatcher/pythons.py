# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which Python runs a program."""

from __future__ import annotations

from pathlib import Path


def python_of(program: Path) -> str:
    """Return the Python that runs a program, empty if that is no Python program."""
    beside = program.with_name("python3")
    with program.open("rb") as handle:
        first = handle.readline(4096).decode("utf-8", "replace")
    if not first.startswith("#!"):
        return ""
    named = first[2:].strip().split(" ")[0]
    if Path(named).name.startswith("python"):
        return named
    return str(beside) if beside.exists() else ""  # pip starts a Python with a long path by way of a shell
