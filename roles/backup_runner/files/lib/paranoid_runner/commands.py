# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All commands of paranoid-backup, and their words. What performs one is imported when it is called: few need much."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from paranoid_runner.errors import UsageError

DESCRIPTION = "Backups for the paranoid, from the keyboard."
RUNS = {
    "run": ("backup", "back up now: all clients, some, or those that are due"),
    "maintain": ("maintain", "let go what retention no longer wants, and look for what is missing"),
    "compact": ("compact", "free what was let go before the hold"),
    "audit": ("audit", "look through the repositories, without any key"),
    "drill": ("drill", "try a restore on the clients themselves, and remove what came"),
}
_ROLE = "run the role backup_runner"


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands; its help, the manual and the completion are made of it."""
    parser = argparse.ArgumentParser("paranoid-backup", description=DESCRIPTION)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_runs(commands)
    _add_looks(commands)
    _add_doctor(commands)
    _add_watch(commands)
    _add_escrow(commands.add_parser("escrow", help="who can open the backups' keys"))
    manual = commands.add_parser("manual")  # without help: for the role, not for people
    manual.add_argument("kind", choices=("man", "bash"))
    manual.set_defaults(work=_later("manual", "show_manual", _ROLE), parser=parser)
    return parser


def _later(module: str, function: str, cure: str) -> Callable[[argparse.Namespace], Any]:
    """Return what performs a command: it is imported when it is called, and what it needs may not be there."""

    def work(options: argparse.Namespace) -> Any:
        try:
            found = importlib.import_module(f"paranoid_runner.{module}")
        except ImportError as error:
            raise UsageError(f"{error.name} is not installed: {cure}") from None
        return getattr(found, function)(options)

    return work


def _add_runs(commands: Any) -> None:
    for name, (verb, help_text) in RUNS.items():
        run = commands.add_parser(name, help=help_text)
        run.add_argument("clients", nargs="*", metavar="CLIENT", help="only these")
        if name == "run":
            run.add_argument("--due", action="store_true", help="whatever is due now, upkeep too; for a timer")
        _add_config(run)
        run.set_defaults(work=_later("running", "start", _ROLE), verb=verb, due=False)

    page = commands.add_parser("page", help="write the page about all clients of each server")
    page.add_argument("clients", nargs="*", metavar="CLIENT", help="with the last year of these, however many clients")
    page.add_argument("--json", action="store_true", help="and print what each says, for programs")
    _add_config(page)
    page.set_defaults(work=_later("running", "start_page", _ROLE))


def _add_looks(commands: Any) -> None:
    shown = commands.add_parser("next", help="when whose turn is, and why")
    shown.add_argument("names", nargs="*", metavar="NAME", help="only these clients or verbs")
    shown.set_defaults(work=_later("showing", "show_next", _ROLE))
    status = commands.add_parser("status", help="what is at work, how the last run ended, who has no backup")
    status.add_argument("--follow", action="store_true", help="show the run at work until it ends")
    status.set_defaults(work=_later("showing", "show_status", _ROLE))
    history = commands.add_parser("history", help="the last runs, or the last of one client")
    history.add_argument("client", nargs="?", default="", metavar="CLIENT", help="only runs with this one")
    history.add_argument("--last", type=int, default=20, help="how many (20)")
    history.set_defaults(work=_later("showing", "show_history", _ROLE))
    report = commands.add_parser("report", help="the report of a run as its mail told it")
    report.add_argument("run", nargs="?", default="", metavar="RUN", help="its id; the last one by default")
    report.set_defaults(work=_later("showing", "show_report", _ROLE))
    for one in (shown, status, history, report):
        one.add_argument("--json", action="store_true", help="for programs")
        _add_config(one)
    names = commands.add_parser("names")  # without help: for the completion
    names.set_defaults(work=_later("showing", "show_names", _ROLE))
    _add_config(names)


def _add_doctor(commands: Any) -> None:
    doctor = commands.add_parser("doctor", help="what is missing on controller, servers and clients; changes nothing")
    doctor.add_argument("clients", nargs="*", metavar="CLIENT", help="only these, and all servers")
    doctor.add_argument(
        "--project", type=Path, default=None, help="directory with ansible.cfg, where there is no runner"
    )
    doctor.add_argument("--inventory", type=Path, default=None, help="another inventory than the runner's")
    doctor.add_argument("--json", action="store_true", help="for programs")
    doctor.set_defaults(work=_later("doctor", "examine", _ROLE))
    _add_config(doctor)


def _add_watch(commands: Any) -> None:
    watch = commands.add_parser(
        "watch", help="from another machine: is every client fresh, the ledger whole, a mail out?"
    )
    watch.add_argument("--json", action="store_true", help="for programs")
    only = watch.add_mutually_exclusive_group()
    only.add_argument(
        "--anew", metavar="SERVER", help="take the ledger of this server as it is now, from its beginning"
    )
    only.add_argument("--forget", nargs=2, metavar=("SERVER", "CLIENT"), help="miss a client no more that was let go")
    _add_config(watch)
    watch.set_defaults(work=_later("watch.command", "run", _ROLE))


def _add_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, default=None, help=argparse.SUPPRESS)


def _add_escrow(parser: argparse.ArgumentParser) -> None:
    cure = "pip install shamir-mnemonic segno"
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    shares = commands.add_parser("shares", help="make a recovery identity and split it among people")
    shares.add_argument("--threshold", type=int, required=True, help="how many holders are needed to open")
    shares.add_argument("--holders", required=True, help="names of the holders, with commas between them")
    shares.add_argument("--out", type=Path, required=True, help="new directory for the pages to print")
    shares.set_defaults(work=_later("escrow", "make_shares", cure))
    opened = commands.add_parser("open", help="make the identity again, from the words of enough holders")
    opened.add_argument("--out", type=Path, required=True, help="new file for the identity; delete it after use")
    opened.set_defaults(work=_later("escrow", "open_identity", cure))
    check = commands.add_parser("check", help="rehearse: tell whether a holder's words are whole, and nothing else")
    check.set_defaults(work=_later("escrow", "check_words", cure))
