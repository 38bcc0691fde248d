# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Start with ``paranoid-backup``, or ``python3 -I <lib> …`` where it is not installed."""

from __future__ import annotations

import argparse
import sys

EXIT_USAGE = 2


def main(argv: list[str]) -> int:
    """Run one command; return 0, or 2 with one line of what is wrong."""
    try:
        from paranoid_runner import escrow
        from paranoid_runner.errors import UsageError
    except ImportError as error:
        sys.stderr.write(f"paranoid-backup: {error.name} is not installed: pip install shamir-mnemonic segno\n")
        return EXIT_USAGE
    parser = argparse.ArgumentParser("paranoid-backup", description="Backups for the paranoid, from the keyboard.")
    groups = parser.add_subparsers(required=True, metavar="GROUP")
    escrow.add_commands(groups.add_parser("escrow", help="who can open the backups' keys"))
    options = parser.parse_args(argv)
    try:
        sys.stdout.write(f"{options.work(options)}\n")
    except UsageError as error:
        sys.stderr.write(f"paranoid-backup: {error}\n")
        return EXIT_USAGE
    except (KeyboardInterrupt, EOFError):
        sys.stderr.write("paranoid-backup: stopped\n")
        return EXIT_USAGE
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
