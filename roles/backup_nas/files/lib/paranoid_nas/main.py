# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program's commands; each is for cron, for a timer, or for a person on the NAS.

    daily                    snapshot, then copy: what the timer starts
    snapshot [--reason R]    take and hold one; by default the daily one if it is due, and let go what has had its time
    copy                     bring new snapshots to every copy that is configured, and let old ones there go
    expose CLIENT NAME       show a snapshot beside the repository, for playbooks/rollback.yml; conceal CLIENT ends that
    status                   print how everything is, as JSON

Exit code 0: well; 1: something failed, or somebody should look; 2: wrong use.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from typing import Any

from paranoid_nas.asking import end_all
from paranoid_nas.at_hand import storage_of
from paranoid_nas.copying import copy_all
from paranoid_nas.locks import EXPIRED, SNAPSHOTS, alone, giving_way
from paranoid_nas.measuring import look, remember_pools
from paranoid_nas.policy import REASONS, Rules
from paranoid_nas.seen import load_seen, note, place_of_seen
from paranoid_nas.snapshots import expose, release_expired, take
from paranoid_nas.storage import NasError, going_on

SCHEMA = 1
_WAIT = 300.0  # seconds for another snapshot


def load(path: str) -> dict[str, Any]:
    """Return the configuration that the role wrote; NasError if it is not that."""
    try:
        with open(path, encoding="utf-8") as file:
            config = json.load(file)
    except (OSError, ValueError) as error:
        raise NasError(f"{path} cannot be read ({error}): run site.yml for this NAS") from None
    if not isinstance(config, dict) or config.get("schema") != SCHEMA:
        raise NasError(f"{path} is of another version than this program: run site.yml for this NAS")
    return config


def say(line: str) -> None:
    """Tell a person, or the log of a timer."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()  # A copy may take days.


def command_snapshot(config: dict[str, Any], options: argparse.Namespace) -> list[str]:
    """Return what went wrong. Only the daily one lets go what has had its time: a maintenance waits for the others."""
    with alone(options.config, SNAPSHOTS, _WAIT):
        take(storage_of(config), config["dataset"], options.reason, time.time(), Rules(int(config["hold_days"])), say)
    return _let_go(config, options) if options.reason == "daily" else []


def _let_go(config: dict[str, Any], options: argparse.Namespace) -> list[str]:
    """Let go what has had its time, unless another run is at it."""
    wrong: list[str] = []
    with giving_way(), alone(options.config, EXPIRED), going_on(wrong):
        rules = Rules(int(config["hold_days"]))
        wrong += release_expired(storage_of(config), config["dataset"], time.time(), rules, say)
    return wrong


def command_copy(config: dict[str, Any], options: argparse.Namespace) -> list[str]:
    """Return what went wrong; what is wrong with one copy is no reason to leave out another."""
    return copy_all(config, options.config, say)


def command_daily(config: dict[str, Any], options: argparse.Namespace) -> list[str]:
    """Take snapshots, and copy them also when something was wrong with the old ones."""
    wrong: list[str] = []
    with going_on(wrong):
        wrong += command_snapshot(config, options)
    with going_on(wrong):
        note(options.config, lambda seen: remember_pools(config, seen, time.time()))
    return wrong + copy_all(config, options.config, say, is_daily=True)


def command_expose(config: dict[str, Any], options: argparse.Namespace) -> list[str]:
    """Print the directory."""
    with alone(options.config, SNAPSHOTS, _WAIT):
        say(f"{expose(storage_of(config), config['dataset'], options.client, options.name)}/repo")
    return []


def command_conceal(config: dict[str, Any], options: argparse.Namespace) -> list[str]:
    """Take it away."""
    with alone(options.config, SNAPSHOTS, _WAIT):
        storage_of(config).hide(config["dataset"], options.client)
    return []


def command_status(config: dict[str, Any], options: argparse.Namespace) -> list[str]:
    """Print a document; its problems are what went wrong. Nothing is changed, and nothing waits for long."""
    found = look(config, load_seen(place_of_seen(options.config)), time.time())
    say(json.dumps(found, indent=1, sort_keys=True))
    problems: list[str] = found["problems"]
    return problems


COMMANDS = {
    "daily": command_daily,
    "snapshot": command_snapshot,
    "copy": command_copy,
    "expose": command_expose,
    "conceal": command_conceal,
    "status": command_status,
}


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="paranoid-backup-nas")
    parser.add_argument("--config", default="/etc/paranoid-backup-nas.json")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("snapshot").add_argument("--reason", choices=REASONS, default="daily")
    commands.add_parser("daily").set_defaults(reason="daily")
    for name in ("copy", "status"):
        commands.add_parser(name)
    for name in ("expose", "conceal"):
        commands.add_parser(name).add_argument("client")
    commands.choices["expose"].add_argument("name")
    return parser.parse_args(argv)


def _stop(number: int, _frame: Any) -> None:
    """End with what was started: copies are made in threads, which an exception here would wait for."""
    end_all()
    os._exit(128 + number)


def main(argv: Sequence[str]) -> int:
    """Run one command and return its exit code."""
    options = parse(argv)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    os.environ["PATH"] = "/usr/sbin:/sbin:/usr/bin:/bin:/usr/local/sbin:/usr/local/bin"
    try:
        wrong = COMMANDS[options.command](load(options.config), options)
    except NasError as error:
        wrong = [str(error)]
    for line in wrong:
        sys.stderr.write(f"{line}\n")
    return 1 if wrong else 0
