# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One restore as a story: list, foretell, or bring back. It needs Borg as a library, and a tunnel that is held open."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from paranoid_dispatcher.owner_hooks import OwnerHooks

from paranoid_restore import databases, journal, repository, tree, working
from paranoid_restore.errors import RestoreError, printable
from paranoid_restore.planning import SAME, Step, format_step, plan_steps, require_space, resolve_links, summarize
from paranoid_restore.progress import format_size
from paranoid_restore.selection import Listed, Wanted, choose_archive, parse_moment
from paranoid_restore.telling import end


def restore(options: argparse.Namespace, config: dict[str, Any], base_dir: Path, hooks: OwnerHooks) -> int:
    """List, foretell, or restore."""
    repository.set_environment(config, find_tunnel(base_dir))
    if options.database or options.list_databases:
        return restore_database(options, config, hooks)
    wanted = Wanted(options.paths, options.excepted, options.left_out)
    with repository.opened(config["repository"]) as source:
        listed = source.archives()
        if options.list:
            return show_archives(listed)
        chosen = choose(listed, options)
        place = tree.Tree(options.to)
        archive = source.archive(chosen)
        steps = list(plan_steps(archive.iter_items(), wanted, place, source.digest))
        wanted.require_all(chosen.name)
        steps = resolve_links(steps, place)
        if options.check:
            return show_plan(chosen, steps)
        require_space(steps, place)
        if all(step.action == SAME for step in steps):
            sys.stdout.write(f"{printable(chosen.name)}: all {len(steps)} entries are there already\n")
            return 0
        hooks.inspect({"PARANOID_BACKUP_ARCHIVE": printable(chosen.name)})
        identifier = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()) + f"-{os.getpid()}"
        notes = journal.begin(base_dir, identifier, os.path.abspath(options.to), chosen.name)
        job = working.Job(config["repository"], chosen, options.to, notes, options.connections)
        with undoing_told(identifier):
            errors = working.restore(job, source, archive, steps)
    told = summarize(steps)
    changed = f"{told['new']} new, {told['replace']} replaced, {told['same']} were there already"
    changed += f", {told['attributes']} got their attributes" if told["attributes"] else ""
    kept = f"--undo {identifier} takes it back, --forget {identifier} removes what is kept"
    return end(errors, f"{printable(chosen.name)}: {changed}, {format_size(told['fetch'])} fetched; {kept}")


@contextmanager
def undoing_told(identifier: str) -> Iterator[None]:
    """Say of whatever ends the work how what came is taken back: another restore may be the newest one by then."""
    told = f"--undo {identifier} takes back what came"
    try:
        yield
    except RestoreError as error:
        raise RestoreError(f"{error}; {told}") from None
    except KeyboardInterrupt:
        raise KeyboardInterrupt(told) from None


def restore_database(options: argparse.Namespace, config: dict[str, Any], hooks: OwnerHooks) -> int:
    """Show the databases of an archive, or have one of them restored."""
    with repository.opened(config["repository"]) as source:
        chosen = choose(source.archives(), options)
        dumps = databases.find_dumps(source.archive(chosen).iter_items(), source, chosen.name)
    if options.list_databases:
        return databases.show_dumps(dumps, chosen.name)
    dump = databases.choose_dump(dumps, options.database, chosen.name)
    if not options.check:
        hooks.inspect({"PARANOID_BACKUP_ARCHIVE": printable(chosen.name)})
    return databases.restore_database(options, config, chosen.name, dump)


def choose(listed: list[Listed], options: argparse.Namespace) -> Listed:
    """Return the archive that the options name."""
    return choose_archive(listed, options.archive, parse_moment(options.as_of) if options.as_of else None)


def find_tunnel(base_dir: Path) -> str:
    """Return the socket of the tunnel that the server holds open."""
    try:
        return (base_dir / "open").read_text(encoding="ascii").strip()
    except OSError:
        raise RestoreError(
            "the server holds no tunnel open for this host: ask for one with --request 'why', or tell its operator to "
            "run playbooks/open.yml for it"
        ) from None


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
