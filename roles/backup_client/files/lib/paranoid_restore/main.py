# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""paranoid-backup-restore, as a person types it. Options, errors and exit codes are here; what it does is elsewhere."""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Optional, Union

from paranoid_dispatcher.owner_hooks import OwnerHooks

from paranoid_restore import journal
from paranoid_restore.between import between_hooks
from paranoid_restore.errors import RestoreError, explain, printable
from paranoid_restore.request import ask, withdraw
from paranoid_restore.telling import EXIT_INCOMPLETE, end

CONFIG = Path("/etc/paranoid-backup/client.json")
EXIT_USAGE = 2
# What not every client.json has, and what only databases need.
_LATER = {"owner_dir": "", "client": "", "hook_seconds": 3600}
_LATER.update(dict.fromkeys(("runtime_dir", "borg", "borgmatic", "config"), ""))
NEWEST = True  # what --undo and --forget are without an id
ALONE = ("undo", "forget", "request", "withdraw", "close")
MOST_CONNECTIONS = 4  # the gate of the verb open allows no more at once
NO_LIBRARY = "{} is no library here, as where Borg is a program by itself: paranoid-backup-borg extract restores"


def main(argv: list[str], path: Path = CONFIG) -> int:
    """Return 0 when all came back, 1 when something did not, 2 when nothing was begun or the tunnel was lost."""
    options = make_parser().parse_args(argv)
    try:
        return run(options, load_config(path))
    except ImportError as error:
        sys.stderr.write(f"paranoid-backup-restore: {NO_LIBRARY.format(error.name)}\n")
    except RestoreError as error:
        sys.stderr.write(f"paranoid-backup-restore: {printable(str(error))}\n")
    except OSError as error:  # of its own notes; what is wrong with an entry is told with its name
        where = f": {printable(os.fsdecode(error.filename))}" if isinstance(error.filename, (str, bytes)) else ""
        sys.stderr.write(f"paranoid-backup-restore: {explain(error)}{where}\n")
    except KeyboardInterrupt as stopped:
        told = "; ".join(("the same command goes on", *map(str, stopped.args)))
        sys.stderr.write(f"\nparanoid-backup-restore: stopped; {told}\n")
    return EXIT_USAGE


class _Given(argparse.Action):
    """A value that is not empty, as a shell's variable is that was never set: the newest would be meant."""

    def __call__(self, _parser: Any, namespace: argparse.Namespace, values: Any, _option: Optional[str] = None) -> None:
        """Take it, or refuse it."""
        if isinstance(values, str) and not values.strip():
            raise argparse.ArgumentError(self, "it is empty: give it a value, or leave it out")
        setattr(namespace, self.dest, values)


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser("paranoid-backup-restore", description="Bring files of this host back.")
    add, given = parser.add_argument, partial(parser.add_argument, action=_Given, default="")
    each = partial(add, action="append", default=[], metavar="PATH")
    add("paths", nargs="*", metavar="PATH", help="what to bring back, as etc/nginx or '/home/*/.ssh'")
    add("--all", action="store_true", help="bring everything back")
    each("--except", dest="excepted", help="but not this, whatever is wanted")
    # For paranoid-backup-rebuild: what need not be in the archive.
    each("--leave-out", dest="left_out", help=argparse.SUPPRESS)
    given("--archive", metavar="NAME", help="from this archive instead of the newest")
    given("--as-of", metavar="TIME", help="from the newest archive that began by then: '2026-11-20 03:00'")
    given("--to", default="/", metavar="DIRECTORY", help="below this directory instead of in place")
    add("--list", action="store_true", help="show the archives")
    add("--check", action="store_true", help="show what would be written, and write nothing")
    given("--database", metavar="NAME", help="bring this database back, into its own name if that is free")
    given("--as", metavar="NAME", dest="as_name", help="the database under this name, of SQLite a file")
    add("--replace", action="store_true", help="restore over a database that is there")
    add("--list-databases", action="store_true", help="show the databases that an archive has dumps of")
    newest = partial(given, nargs="?", default=None, const=NEWEST, metavar="ID")
    newest("--undo", help="take the newest restore back, or this one")
    newest("--forget", help="remove what the newest restore has kept, or this one")
    add("--request", metavar="WHY", help="ask the server's operator for a tunnel; the next session tells him")
    add("--withdraw", action="store_true", help="take that back")
    add("--close", action="store_true", help="end the session that the server holds open")
    add("--connections", type=int, default=min(MOST_CONNECTIONS - 1, os.cpu_count() or 1), help="at once (1 to 3)")
    return parser


def load_config(path: Path) -> dict[str, Any]:
    """Return this host's configuration, which only root can read."""
    try:
        found = json.loads(path.read_bytes())
        needed = {name: str(found[name]) for name in ("base_dir", "relay", "passphrase_file", "repository")}
        return {**needed, **{name: found.get(name, default) for name, default in _LATER.items()}}
    except PermissionError:
        raise RestoreError("only root may restore: use sudo") from None
    except (OSError, ValueError, KeyError, TypeError):
        raise RestoreError(f"{path} cannot be read: provision this host with site.yml first") from None


def run(options: argparse.Namespace, config: dict[str, Any]) -> int:
    """Do what the options say, while no other restore does."""
    base_dir = Path(config["base_dir"])
    require_alone(options)
    if options.close:
        (base_dir / "open").unlink(missing_ok=True)
        return 0
    if options.request is not None:
        return ask(base_dir, options.request)
    if options.withdraw:
        return withdraw(base_dir)
    with only_one(base_dir):
        if options.undo is not None:
            made = journal.find(base_dir, _id(options.undo))
            told = f"{journal.describe(made)}: taken back"
            return between(config, journal.root_of(made), lambda _hooks: end(journal.undo(made), told))
        if options.forget is not None:
            made = journal.find(base_dir, _id(options.forget))
            told = f"{journal.describe(made)}: what was kept is removed"
            return end(journal.forget(made), told)
        check_options(options)
        from paranoid_restore.restoring import (  # It needs Borg's library, which not every host has.
            find_tunnel,
            restore,
        )

        if options.list or options.list_databases or options.check:
            return restore(options, config, base_dir, OwnerHooks())
        find_tunnel(base_dir)
        return between(config, os.path.abspath(options.to), lambda hooks: restore(options, config, base_dir, hooks))


def _id(given: Union[str, bool]) -> str:
    return "" if given is NEWEST else str(given)


def between(config: dict[str, Any], target: str, work: Callable[[OwnerHooks], int]) -> int:
    """Do what writes to TARGET between the owner's hooks; return its exit code, 1 if a hook failed after it."""
    with between_hooks(config, target) as hooks:
        code = work(hooks)
    return code or (EXIT_INCOMPLETE if hooks.failures else 0)


def require_alone(options: argparse.Namespace) -> None:
    """Refuse one of those that act at once beside anything else: who types --undo --check wants nothing undone."""
    given = [name for name in ALONE if getattr(options, name) not in (None, False)]
    beside = [options.paths, options.all, options.excepted, options.archive, options.as_of, options.to != "/"]
    beside += [options.list, options.check, options.database, options.list_databases, options.as_name, options.replace]
    if len(given) > 1 or (given and any(beside)):
        raise RestoreError(f"--{given[0]} is a command by itself, and has no --check: type nothing else beside it")


def check_options(options: argparse.Namespace) -> None:
    """Refuse what cannot be meant, or would have no effect."""
    files = bool(options.paths or options.all or options.excepted or options.to != "/")
    of_databases = bool(options.database) or options.list_databases
    if options.list and (files or of_databases or options.check or options.archive or options.as_of):
        raise RestoreError(
            "--list shows the archives, and nothing of them: --check etc/nginx shows what would be written"
        )
    if options.list_databases and (options.database or options.check):
        raise RestoreError("--list-databases shows them all: --check --database shows whether one can come")
    if not options.paths and not options.all and not options.list and not of_databases:
        raise RestoreError("name what to bring back, such as etc/nginx, or --all; --list shows the archives")
    if of_databases and files:
        raise RestoreError("a database and files are brought back one after the other; --to and --except are for files")
    if not options.database and (options.as_name or options.replace):
        raise RestoreError("--as and --replace are for a --database; files go --to another place, and are kept")
    if options.paths and options.all:
        raise RestoreError("--all and a path cannot both be meant")
    if options.archive and options.as_of:
        raise RestoreError("--archive and --as-of cannot both be meant")
    if not 1 <= options.connections < MOST_CONNECTIONS:
        raise RestoreError(f"--connections is a number from 1 to {MOST_CONNECTIONS - 1}")


@contextmanager
def only_one(base_dir: Path) -> Iterator[None]:
    """Hold the lock of restores."""
    try:
        descriptor = os.open(base_dir / "restore.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise RestoreError(f"{base_dir}: {error.strerror}; only root may restore, on a provisioned host") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise RestoreError("another restore is at work on this host: wait for it") from None
    finally:
        os.close(descriptor)
