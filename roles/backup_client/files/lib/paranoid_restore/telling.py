# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the command says at its end."""

from __future__ import annotations

import sys

from paranoid_restore.errors import printable

EXIT_INCOMPLETE = 1
ERRORS_SHOWN = 20


def end(errors: list[tuple[str, str]], done: str) -> int:
    """Print what could not be done, or that all is."""
    for path, why in errors[:ERRORS_SHOWN]:
        sys.stderr.write(f"{printable(path)}: {printable(why)}\n")
    if len(errors) > ERRORS_SHOWN:
        sys.stderr.write(f"and {len(errors) - ERRORS_SHOWN} more\n")
    sys.stdout.write(f"{done}\n" if not errors else f"{len(errors)} entries failed; {done}\n")
    return EXIT_INCOMPLETE if errors else 0
