# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the server runs with Borg's own python: ``python -I <lib_dir> <command> …``.

The command ``watch`` is the engine's own and needs no Borg; the role lays its packages here only where a watch asks.
"""

from __future__ import annotations

import sys

_COMMANDS = ("gate", "restore-list", "watch")


def main(argv: list[str]) -> int:
    """Run one command and return its exit code."""
    if not argv or argv[0] not in _COMMANDS:
        sys.stderr.write(f"usage: <lib_dir> {'|'.join(_COMMANDS)} [options]\n")
        return 2
    if argv[0] == "watch":
        from ansible_collections.paranoid.backup.plugins.module_utils._watch import command

        return command.main(argv[1:])
    from paranoid_gate import main as gate
    from paranoid_gate import restore_list

    commands = {"gate": gate.main, "restore-list": restore_list.main}
    return commands[argv[0]](argv[1:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
