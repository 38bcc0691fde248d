# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All commands of paranoid-backup. What one needs beside Python is imported when it is called: few need everything."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from paranoid_runner import showing
from paranoid_runner.config import UPKEEP, VERBS
from paranoid_runner.errors import UsageError


def add_all(commands: Any) -> None:
    """Describe every command."""
    helps = {
        "backup": "back up now: all clients, some, or those that are due",
        "maintain": "let go what retention no longer wants, and look for what is missing",
        "compact": "free what was let go before the hold",
        "audit": "look through the repositories, without any key",
    }
    for verb in VERBS:
        name = "run" if verb == "backup" else verb
        run = commands.add_parser(name, help=helps[verb])
        run.add_argument("clients", nargs="*", metavar="CLIENT", help="only these")
        if verb not in UPKEEP:
            run.add_argument("--due", action="store_true", help="whatever is due now, upkeep too; for a timer")
        run.add_argument("--config", type=Path, default=None, help=argparse.SUPPRESS)
        run.set_defaults(work=_start, verb=verb, due=False)
    showing.add_commands(commands)
    _add_escrow(commands.add_parser("escrow", help="who can open the backups' keys"))


def _start(options: argparse.Namespace) -> int:
    """Start a run."""
    try:
        from paranoid_runner.running import Job, run_due, run_now, work
    except ImportError as error:
        raise UsageError(f"{error.name} is not installed: run the role backup_runner") from None
    config = showing.configure(options)
    if options.due and options.clients:
        raise UsageError("--due and names cannot both be meant")
    unknown = sorted(set(options.clients) - set(config.clients))
    if unknown:
        raise UsageError(f"{unknown[0]} is not among the clients that the runner knows: look at the inventory")
    job = Job(options.verb, options.clients)
    return work(config, lambda: run_due(config) if options.due else run_now(config, job))


def _add_escrow(parser: argparse.ArgumentParser) -> None:
    try:
        from paranoid_runner import escrow
    except ImportError as error:
        missing = error.name

        def refuse(_options: argparse.Namespace) -> str:
            raise UsageError(f"{missing} is not installed: pip install shamir-mnemonic segno")

        parser.add_argument("words", nargs="*", help=argparse.SUPPRESS)
        parser.set_defaults(work=refuse)
        return
    escrow.add_commands(parser)
