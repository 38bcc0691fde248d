# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program's commands; each is for cron, for a timer, or for a person on the NAS.

    daily                    snapshot, then copy: what the timer starts
    snapshot [--reason R]    take and hold one; by default the daily one if it is due, and let go what has had its time
    copy                     bring new snapshots to every copy that is configured
    expose CLIENT NAME       show a snapshot beside the repository, for playbooks/rollback.yml; conceal CLIENT ends that
    status                   print how everything is, as JSON

Snapshots and copies have locks of their own: a copy that takes days, or hangs, delays no snapshot and no rollback.

Exit code 0: well; 1: something failed, or somebody should look; 2: wrong use.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Any

from paranoid_nas.at_hand import storage_of, zfs_of
from paranoid_nas.measuring import look, measure_arrived, remember_pools
from paranoid_nas.policy import REASONS, Rules
from paranoid_nas.replication import replicate, source_prefix
from paranoid_nas.seen import Seen, add_copy, begin_attempt, end_attempt, load_seen, save_seen
from paranoid_nas.snapshots import expose, release_expired, take
from paranoid_nas.storage import NasError
from paranoid_nas.zfs import Zfs

SCHEMA = 1
# What one lock keeps others from, by the end of its name, and by its name for people.
COPIES, SNAPSHOTS, EXPIRED, NOTES = "", ".take", ".expire", ".seen"
_ABOUT = {COPIES: "copies", SNAPSHOTS: "snapshots", EXPIRED: "what has had its time", NOTES: "its notes"}
_WAIT = 300.0  # seconds for another snapshot, or for notes that are being written
_GIVE_WAY = 3.0  # seconds that the daily copies wait for who lets old copies go


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


class BusyError(NasError):
    """Another run of this program is at work on the same."""


@contextmanager
def alone(options: argparse.Namespace, on: str, seconds: float = 0) -> Iterator[None]:
    """Hold one of the locks of this program; BusyError if another run still has it after so many seconds."""
    path, until = f"{options.config}{on}.lock", time.monotonic() + seconds
    with _opened(path) as lock:
        while not _is_locked(lock.fileno()):
            if time.monotonic() >= until:
                raise BusyError(f"another run is at work on {_ABOUT[on]}: let it finish")
            time.sleep(0.2)
        yield


def _opened(path: str) -> IO[str]:
    try:
        return open(path, "a", encoding="utf-8")
    except OSError as error:
        raise NasError(f"{path}: {error.strerror}") from None


def _is_locked(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def say(line: str) -> None:
    """Tell a person, or the log of a timer."""
    sys.stdout.write(f"{line}\n")


def command_snapshot(config: dict[str, Any], options: argparse.Namespace) -> list[str]:
    """Return what went wrong. Only the daily one lets go what has had its time: a maintenance waits for the others."""
    with alone(options, SNAPSHOTS, _WAIT):
        take(storage_of(config), config["dataset"], options.reason, time.time(), Rules(int(config["hold_days"])), say)
    return _let_go(config, options) if options.reason == "daily" else []


def _let_go(config: dict[str, Any], options: argparse.Namespace) -> list[str]:
    """Let go what has had its time, unless another run is at it, or at work on the copies: then it goes tomorrow."""
    wrong: list[str] = []
    with _giving_way(), alone(options, EXPIRED), _going_on(wrong):
        rules = Rules(int(config["hold_days"]))
        wrong += release_expired(storage_of(config), config["dataset"], time.time(), rules, say)
    with _giving_way(), alone(options, COPIES):
        for copy in config["copies"]:
            with _going_on(wrong):
                wrong += _let_go_of_copy(zfs_of(config), copy)
    return wrong


def _let_go_of_copy(zfs: Zfs, copy: dict[str, Any]) -> list[str]:
    if not zfs.has(copy["dataset"]):
        return []
    return release_expired(zfs, copy["dataset"], time.time(), Rules(int(copy["hold_days"])), say)


def command_copy(config: dict[str, Any], options: argparse.Namespace, seconds: float = 0) -> list[str]:
    """Return what went wrong; what is wrong with one copy is no reason to leave out another."""
    wrong: list[str] = []
    with alone(options, COPIES, seconds):
        for copy in config["copies"]:
            with _going_on(wrong):
                wrong += _bring(config, options, copy)
    return wrong


def _bring(config: dict[str, Any], options: argparse.Namespace, copy: dict[str, Any]) -> list[str]:
    """Fill a copy; a removable disk that is not plugged in is well, until status says that it is late."""
    zfs, name, wrong = zfs_of(config), copy["dataset"], list[str]()
    pool = name.partition("/")[0]
    with _going_on(wrong):
        if copy.get("removable") and not _plugged_in(zfs, pool):
            say(f"{pool} is not plugged in")
            return []
        with _going_on(wrong):
            _note(options, lambda seen: begin_attempt(seen, name, time.time()))
        try:
            wrong += _fill(config, options, copy, zfs)
        finally:
            if copy.get("removable"):
                zfs.read("zpool", "export", pool)
    failure = wrong[0] if wrong else ""
    with _going_on(wrong):
        _note(options, lambda seen: end_attempt(seen, name, time.time(), failure))
    return wrong


def _fill(config: dict[str, Any], options: argparse.Namespace, copy: dict[str, Any], zfs: Zfs) -> list[str]:
    source = zfs_of(config, source_prefix(copy.get("source_command") or ()))
    wrong: list[str] = []
    with _going_on(wrong):
        rules = Rules(int(copy["hold_days"]))
        wrong += replicate(source, copy["source"], zfs, copy["dataset"], time.time(), rules, say)
        newest = measure_arrived(source, copy["source"], zfs, copy["dataset"])
        _note(options, lambda seen: add_copy(seen, copy["dataset"], newest))
    return wrong


def command_daily(config: dict[str, Any], options: argparse.Namespace) -> list[str]:
    """Take snapshots, and copy them also when something was wrong with the old ones."""
    wrong: list[str] = []
    with _going_on(wrong):
        wrong += command_snapshot(config, options)
    with _going_on(wrong):
        _note(options, lambda seen: remember_pools(config, seen, time.time()))
    with _going_on(wrong):
        wrong += command_copy(config, options, _GIVE_WAY)
    return wrong


@contextmanager
def _going_on(wrong: list[str]) -> Iterator[None]:
    try:
        yield
    except NasError as error:
        wrong.append(str(error))


@contextmanager
def _giving_way() -> Iterator[None]:
    try:
        yield
    except BusyError:
        return


def _note(options: argparse.Namespace, change: Callable[[Seen], Seen]) -> None:
    """Change what this program remembers; another run may note something else at the same time."""
    path = _seen_path(options)
    with alone(options, NOTES, _WAIT):
        seen = change(load_seen(path))
        try:
            save_seen(path, seen)
        except OSError as error:
            raise NasError(f"{path}: {error.strerror}") from None


def _seen_path(options: argparse.Namespace) -> str:
    return f"{options.config}.seen"


def _plugged_in(zfs: Zfs, pool: str) -> bool:
    try:
        if pool not in zfs.read("zpool", "list", "-H", "-o", "name").split():
            zfs.read("zpool", "import", pool)
    except NasError as error:
        if "no such pool" in str(error):
            return False
        raise
    return True


def command_expose(config: dict[str, Any], options: argparse.Namespace) -> list[str]:
    """Print the directory."""
    with alone(options, SNAPSHOTS, _WAIT):
        say(f"{expose(storage_of(config), config['dataset'], options.client, options.name)}/repo")
    return []


def command_conceal(config: dict[str, Any], options: argparse.Namespace) -> list[str]:
    """Take it away."""
    with alone(options, SNAPSHOTS, _WAIT):
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
        wrong = COMMANDS[options.command](load(options.config), options)
    except NasError as error:
        wrong = [str(error)]
    for line in wrong:
        sys.stderr.write(f"{line}\n")
    return 1 if wrong else 0
