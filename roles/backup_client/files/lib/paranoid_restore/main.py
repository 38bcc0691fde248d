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
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from paranoid_restore import journal
from paranoid_restore.errors import RestoreError, printable
from paranoid_restore.planning import SAME, Step, format_step, plan_steps, require_space, resolve_links, summarize
from paranoid_restore.progress import format_size
from paranoid_restore.selection import Listed, Wanted, choose_archive, parse_moment

CONFIG = Path("/etc/paranoid-backup/client.json")
EXIT_INCOMPLETE, EXIT_USAGE = 1, 2
MOST_CONNECTIONS = 4  # the gate of the verb open allows no more at once
ERRORS_SHOWN = 20


def main(argv: list[str], path: Path = CONFIG) -> int:
    """Return 0 when all came back, 1 when something did not, 2 when nothing was begun or the tunnel was lost."""
    options = make_parser().parse_args(argv)
    try:
        return run(options, load_config(path))
    except RestoreError as error:
        sys.stderr.write(f"paranoid-backup-restore: {printable(str(error))}\n")
    except KeyboardInterrupt:
        sys.stderr.write("\nparanoid-backup-restore: stopped; the same command goes on, --undo takes back what came\n")
    return EXIT_USAGE


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser("paranoid-backup-restore", description="Bring files of this host back.")
    add = parser.add_argument
    add("paths", nargs="*", metavar="PATH", help="what to bring back, as etc/nginx or '/home/*/.ssh'")
    add("--all", action="store_true", help="bring everything back")
    add("--archive", default="", metavar="NAME", help="from this archive instead of the newest")
    add("--as-of", default="", metavar="TIME", help="from the newest archive that began by then: '2026-11-20 03:00'")
    add("--to", default="/", metavar="DIRECTORY", help="below this directory instead of in place")
    add("--list", action="store_true", help="show the archives")
    add("--check", action="store_true", help="show what would be written, and write nothing")
    add("--undo", nargs="?", const="", metavar="ID", help="take the newest restore back, or this one")
    add("--forget", nargs="?", const="", metavar="ID", help="remove what the newest restore has kept, or this one")
    add("--close", action="store_true", help="end the session that the server holds open")
    add("--connections", type=int, default=min(MOST_CONNECTIONS - 1, os.cpu_count() or 1), help="at once (1 to 3)")
    return parser


def load_config(path: Path) -> dict[str, Any]:
    """Return this host's configuration, which only root can read."""
    try:
        found = json.loads(path.read_bytes())
        return {name: str(found[name]) for name in ("base_dir", "relay", "passphrase_file", "repository")}
    except PermissionError:
        raise RestoreError("only root may restore: use sudo") from None
    except (OSError, ValueError, KeyError, TypeError):
        raise RestoreError(f"{path} cannot be read: provision this host with site.yml first") from None


def run(options: argparse.Namespace, config: dict[str, Any]) -> int:
    """Do what the options say, while no other restore does."""
    base_dir = Path(config["base_dir"])
    if options.close:
        (base_dir / "open").unlink(missing_ok=True)
        return 0
    with only_one(base_dir):
        if options.undo is not None:
            return end(journal.undo(journal.find(base_dir, options.undo)), "taken back")
        if options.forget is not None:
            return end(journal.forget(journal.find(base_dir, options.forget)), "what was kept is removed")
        return restore(options, config, base_dir)


def restore(options: argparse.Namespace, config: dict[str, Any], base_dir: Path) -> int:
    """List, foretell, or restore."""
    from paranoid_restore import repository, tree, working  # These need Borg.

    check_options(options)
    wanted = Wanted(options.paths)
    repository.set_environment(config, find_tunnel(base_dir))
    with repository.opened(config["repository"]) as source:
        listed = source.archives()
        if options.list:
            return show_archives(listed)
        chosen = choose_archive(listed, options.archive, parse_moment(options.as_of) if options.as_of else None)
        place = tree.Tree(options.to)
        steps = list(plan_steps(source.archive(chosen).iter_items(), wanted, place, source.digest))
        wanted.require_all(chosen.name)
        steps = resolve_links(steps, place)
        if options.check:
            return show_plan(chosen, steps)
        require_space(steps, place)
        if all(step.action == SAME for step in steps):
            sys.stdout.write(f"{printable(chosen.name)}: all {len(steps)} entries are there already\n")
            return 0
        identifier = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()) + f"-{os.getpid()}"
        notes = journal.begin(base_dir, identifier, os.path.abspath(options.to), chosen.name)
        job = working.Job(config["repository"], chosen, options.to, notes, options.connections)
        errors = working.restore(job, source, steps)
    told = summarize(steps)
    changed = f"{told['new']} new, {told['replace']} replaced, {told['same']} were there already"
    changed += f", {told['attributes']} got their attributes" if told["attributes"] else ""
    kept = f"--undo {identifier} takes it back, --forget {identifier} removes what is kept"
    return end(errors, f"{printable(chosen.name)}: {changed}, {format_size(told['fetch'])} fetched; {kept}")


def check_options(options: argparse.Namespace) -> None:
    """Refuse what cannot be meant."""
    if not options.paths and not options.all and not options.list:
        raise RestoreError("name what to bring back, such as etc/nginx, or --all; --list shows the archives")
    if options.paths and options.all:
        raise RestoreError("--all and a path cannot both be meant")
    if options.archive and options.as_of:
        raise RestoreError("--archive and --as-of cannot both be meant")
    if not 1 <= options.connections < MOST_CONNECTIONS:
        raise RestoreError(f"--connections is a number from 1 to {MOST_CONNECTIONS - 1}")


def find_tunnel(base_dir: Path) -> str:
    """Return the socket of the tunnel that the server holds open."""
    try:
        return (base_dir / "open").read_text(encoding="ascii").strip()
    except OSError:
        raise RestoreError(
            "the server holds no tunnel open for this host: ask its operator to run playbooks/open.yml for it"
        ) from None


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


def show_archives(listed: list[Listed]) -> int:
    """Print the archives, oldest first."""
    for one in listed:
        sys.stdout.write(f"{one.time.astimezone().isoformat(' ', 'minutes')}  {printable(one.name)}\n")
    return 0


def show_plan(chosen: Listed, steps: list[Step]) -> int:
    """Print what would be done."""
    for step in steps:
        if step.action != SAME:
            sys.stdout.write(format_step(step) + "\n")
    told = summarize(steps)
    sys.stdout.write(
        f"{printable(chosen.name)}: {told['new']} new, {told['replace']} to replace ({told['newer']} of them "
        f"newer here), {told['attributes']} with other attributes, "
        f"{told['same']} there already, {format_size(told['fetch'])} to fetch\n"
    )
    return 0


def end(errors: list[tuple[str, str]], done: str) -> int:
    """Print what could not be done, or that all is."""
    for path, why in errors[:ERRORS_SHOWN]:
        sys.stderr.write(f"{printable(path)}: {printable(why)}\n")
    if len(errors) > ERRORS_SHOWN:
        sys.stderr.write(f"and {len(errors) - ERRORS_SHOWN} more\n")
    sys.stdout.write(f"{done}\n" if not errors else f"{len(errors)} entries failed; {done}\n")
    return EXIT_INCOMPLETE if errors else 0
