# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program's commands; each is for cron, for a timer, or for a person on the NAS.

    daily                    snapshot, then copy: what the timer starts
    snapshot [--reason R]    take and hold one; by default the daily one if it is due, and let go what has had its time
    copy                     bring new snapshots to every copy that is configured
    expose CLIENT NAME       show a snapshot beside the repository, for playbooks/rollback.yml; conceal CLIENT ends that
    status                   print how everything is, as JSON

Exit code 0: well; 1: something failed, or somebody should look; 2: wrong use.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from paranoid_nas.at_hand import storage_of
from paranoid_nas.measuring import look, remember_copy, remember_pools
from paranoid_nas.policy import REASONS, Rules
from paranoid_nas.replication import replicate, source_prefix
from paranoid_nas.seen import load_seen, save_seen
from paranoid_nas.snapshots import expose, release_expired, take
from paranoid_nas.storage import NasError
from paranoid_nas.zfs import Zfs

SCHEMA = 1


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


@contextmanager
def alone(options: argparse.Namespace) -> Iterator[None]:
    """Hold the lock of this program; NasError if another run of it is at work.

    A snapshot before a maintenance has a lock of its own, for a copy to a slow disk may take hours.
    """
    alongside = options.command == "snapshot" and options.reason != "daily"
    with open(f"{options.config}{'.take' if alongside else ''}.lock", "a", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | (0 if alongside else fcntl.LOCK_NB))
        except BlockingIOError:
            raise NasError("another run is at work: let it finish") from None
        yield


def say(line: str) -> None:
    """Tell a person, or the log of a timer."""
    sys.stdout.write(f"{line}\n")


def command_snapshot(config: dict[str, Any], options: argparse.Namespace) -> list[str]:
    """Return what went wrong. Only the daily one lets go what has had its time: a maintenance waits for the others."""
    root, rules, now = config["dataset"], Rules(int(config["hold_days"])), time.time()
    storage = storage_of(config)
    take(storage, root, options.reason, now, rules, say)
    if options.reason != "daily":
        return []
    wrong = release_expired(storage, root, now, rules, say)
    for copy in config["copies"]:
        if Zfs().has(copy["dataset"]):
            kept = Rules(int(copy["hold_days"]))
            wrong += release_expired(Zfs(), copy["dataset"], now, kept, say)
    return wrong


def command_copy(config: dict[str, Any], options: argparse.Namespace) -> list[str]:
    """Return what went wrong; a removable disk that is not plugged in is none, until status says that it is late."""
    wrong: list[str] = []
    for copy in config["copies"]:
        pool, removable = copy["dataset"].partition("/")[0], bool(copy.get("removable"))
        if removable and not _plugged_in(pool):
            say(f"{pool} is not plugged in")
            continue
        source = Zfs(source_prefix(copy.get("source_command") or ()))
        rules = Rules(int(copy["hold_days"]))
        wrong += replicate(source, copy["source"], Zfs(), copy["dataset"], time.time(), rules, say)
        with _going_on(wrong):
            seen = remember_copy(source, copy["source"], Zfs(), copy["dataset"], load_seen(_seen_path(options)))
            save_seen(_seen_path(options), seen)
        if removable:
            Zfs().read("zpool", "export", pool)
    return wrong


def command_daily(config: dict[str, Any], options: argparse.Namespace) -> list[str]:
    """Take snapshots, and copy them also when something was wrong with the old ones."""
    wrong: list[str] = []
    with _going_on(wrong):
        wrong += command_snapshot(config, options)
    with _going_on(wrong):
        path = _seen_path(options)
        save_seen(path, remember_pools(config, load_seen(path), time.time()))
    return wrong + command_copy(config, options)


@contextmanager
def _going_on(wrong: list[str]) -> Iterator[None]:
    try:
        yield
    except NasError as error:
        wrong.append(str(error))


def _seen_path(options: argparse.Namespace) -> str:
    return f"{options.config}.seen"


def _plugged_in(pool: str) -> bool:
    try:
        if pool not in Zfs().read("zpool", "list", "-H", "-o", "name").split():
            Zfs().read("zpool", "import", pool)
    except NasError as error:
        if "no such pool" in str(error):
            return False
        raise
    return True


def command_expose(config: dict[str, Any], options: argparse.Namespace) -> list[str]:
    """Print the directory."""
    say(f"{expose(storage_of(config), config['dataset'], options.client, options.name)}/repo")
    return []


def command_conceal(config: dict[str, Any], options: argparse.Namespace) -> list[str]:
    """Take it away."""
    storage_of(config).hide(config["dataset"], options.client)
    return []


def command_status(config: dict[str, Any], options: argparse.Namespace) -> list[str]:
    """Print a document; its problems are what went wrong. Nothing is changed, and nothing waits for long."""
    found = look(config, load_seen(_seen_path(options)), time.time())
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


def main(argv: Sequence[str]) -> int:
    """Run one command and return its exit code."""
    options = parse(argv)
    os.environ["PATH"] = "/usr/sbin:/sbin:/usr/bin:/bin:/usr/local/sbin:/usr/local/bin"
    try:
        config = load(options.config)
        if options.command == "status":
            wrong = command_status(config, options)
        else:
            with alone(options):
                wrong = COMMANDS[options.command](config, options)
    except NasError as error:
        wrong = [str(error)]
    for line in wrong:
        sys.stderr.write(f"{line}\n")
    return 1 if wrong else 0
