# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Start with ``paranoid-backup``, or ``python3 -I <lib> …`` where it is not installed."""

from __future__ import annotations

import sys

from paranoid_runner.commands import make_parser
from paranoid_runner.errors import UsageError, printable
from paranoid_runner.streams import close_streams, take_streams

EXIT_USAGE = 2
EXIT_OF_PLUGINS = 3  # a watch is a plugin of a monitoring system, for which 2 is the worst that it could have seen


def main(argv: list[str]) -> int:
    """Run one command; return its exit code, or 2 with one line of what is wrong."""
    try:
        options = make_parser().parse_args(argv)
    except SystemExit as end:  # argparse has said why
        return EXIT_OF_PLUGINS if end.code and argv[:1] == ["watch"] else int(end.code or 0)
    try:
        done = options.work(options)
        if isinstance(done, int):
            return done
        sys.stdout.write("".join(f"{printable(line)}\n" for line in done.split("\n")))
    except UsageError as error:
        sys.stderr.write(f"paranoid-backup: {printable(str(error))}\n")
        return EXIT_USAGE
    except OSError as error:
        sys.stderr.write(
            f"paranoid-backup: {printable(f'{error.filename}: ' * bool(error.filename) + str(error.strerror))}\n"
        )
        return EXIT_USAGE
    except (KeyboardInterrupt, EOFError):
        sys.stderr.write("paranoid-backup: stopped\n")
        return EXIT_USAGE
    return 0


if __name__ == "__main__":
    take_streams()
    sys.exit(close_streams(main(sys.argv[1:])))
