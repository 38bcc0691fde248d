# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the server runs with Borg's own python: ``python -I <lib_dir> <command> …``."""

from __future__ import annotations

import sys

_COMMANDS = ("gate", "restore-list")


def main(argv: list[str]) -> int:
    """Run one command and return its exit code."""
    if not argv or argv[0] not in _COMMANDS:
        sys.stderr.write(f"usage: <lib_dir> {'|'.join(_COMMANDS)} [options]\n")
        return 2
    from paranoid_gate import main as gate
    from paranoid_gate import restore_list

    commands = {"gate": gate.main, "restore-list": restore_list.main}
    return commands[argv[0]](argv[1:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
