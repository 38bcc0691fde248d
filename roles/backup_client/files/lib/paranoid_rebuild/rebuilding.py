# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A rebuild as a story: learn what was, compare and tell, then make it so, and name what could not be done."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paranoid_system.asking import Asker
from paranoid_system.description import NAME, describe

from paranoid_rebuild.accounts import make_accounts
from paranoid_rebuild.archive import Archives
from paranoid_rebuild.comparing import Comparison, compare, format_comparison
from paranoid_rebuild.databases import (
    STILL_RAISED,
    find_missing,
    has_local_postgresql,
    list_dumps,
    restore_databases,
)
from paranoid_rebuild.errors import RebuildError, printable
from paranoid_rebuild.installing import find_unavailable, format_unavailable, install
from paranoid_rebuild.leaving_out import list_left_out
from paranoid_rebuild.running import Runner
from paranoid_rebuild.starting import is_database, list_failed, start, stop
from paranoid_rebuild.state import State
from paranoid_rebuild.succeeding import find_successors, format_successors

RESTORE = "/usr/local/sbin/paranoid-backup-restore"
EXIT_DONE, EXIT_INCOMPLETE = 0, 1

Record = dict[str, Any]


@dataclass(frozen=True)
class Work:
    """All that a rebuild needs to know, once both systems are known."""

    base_dir: Path
    dumps: Sequence[str]  # paths of the databases in the archive
    undumped: Sequence[str]  # a line for each database that the archive lacks
    is_local: bool  # whether PostgreSQL is this host's own
    archive: str
    old: Record
    found: Comparison
    unavailable: Sequence[str]
    left_out: Sequence[str]

    @property
    def restore(self) -> list[str]:
        """The command that brings something back from the archive."""
        return [RESTORE, "--archive", self.archive]

    @property
    def restore_files(self) -> list[str]:
        """The command that brings the files back, but for the machine's own."""
        return [*self.restore, *(f"--leave-out={path}" for path in self.left_out)]


def rebuild(config: Mapping[str, Any], name: str, is_check: bool) -> int:
    """Tell what would be done or, unless it is a check, do it."""
    base_dir = Path(config["base_dir"])
    require_tunnel(base_dir)
    runner = Runner()
    state = State.load(base_dir)
    archives = Archives(runner, f"{base_dir}/{NAME}")
    new = describe({}, Asker())
    archive, old = archives.choose(name or state.archive, new["machine"])
    if state.archive not in ("", archive):
        state = State()
    work = prepare(config, archive, old or _without_description(new), new, runner)
    say(f"rebuild from {archive}", *format_comparison(work.found, work.unavailable))
    if is_check:
        say(f"left as they are here: {', '.join(config['rebuild_leave_out'])}")
        return tell_files(work, runner)
    if old and not is_needed(work, state):
        say("everything is there already")
        return EXIT_DONE
    failures = (
        [] if old else ["the archive has no description of its system: accounts, packages and services are yours"]
    )
    failures += bring_back(work, state.note(base_dir, archive=archive), runner, archives.read(archive, "etc/shadow"))
    return end(failures)


def require_tunnel(base_dir: Path) -> None:
    """Raise RebuildError unless the server holds a tunnel open."""
    if not (base_dir / "open").exists():
        raise RebuildError(
            "the server holds no tunnel open for this host: ask its operator to run playbooks/open.yml for it"
        )


def prepare(config: Mapping[str, Any], archive: str, old: Record, new: Record, runner: Runner) -> Work:
    """Compare both systems, and decide what stays as it is here."""
    found = compare(old, new)
    databases = json.loads(Path(config["config"]).read_bytes())
    dumps = list_dumps([RESTORE, "--archive", archive], runner)
    return Work(
        Path(config["base_dir"]),
        dumps,
        find_missing(databases, dumps),
        has_local_postgresql(databases),
        archive,
        old,
        found,
        find_unavailable(new["package_manager"], found.packages, runner),
        list_left_out(
            config["rebuild_leave_out"],
            config["base_dir"],
            databases,
            map(str, old["unchanged_configuration"]),
            found.is_other_release,
        ),
    )


def is_needed(work: Work, state: State) -> bool:
    """Tell whether something is missing that this could bring."""
    found = work.found
    packages = set(found.packages) - set(work.unavailable)
    lacks = found.users or found.groups or found.members or packages or found.services
    return bool(lacks or not state.has_files or state.is_raised or set(work.dumps) - set(state.databases))


def tell_files(work: Work, runner: Runner) -> int:
    """Say what of the files would come, in one line."""
    done = runner.run(*work.restore_files, "--check", "--all")
    if done.code:
        raise RebuildError(f"the files cannot be compared: {done.reason}")
    say(f"files: {(done.out.splitlines() or ['nothing'])[-1]}")
    say(f"databases: {', '.join(map(printable, work.dumps)) or 'none'}", *work.undumped)
    return EXIT_DONE


def bring_back(work: Work, state: State, runner: Runner, shadow: str) -> list[str]:
    """Bring everything back, each part whatever became of the others; return a line for each thing that failed."""
    found = work.found
    say("accounts")
    failures = make_accounts(found, runner, shadow)
    say("packages")
    names = [name for name in found.packages if name not in set(work.unavailable)]
    failures += install(work.old["package_manager"], names, runner)
    failures += report_unavailable(work)
    if not state.has_files:
        say("files")
        stop(found.all_services, runner)
        done = runner.run(*work.restore_files, "--all")
        say(*done.out.splitlines()[-1:])
        failures += [f"file {line}" for line in done.complaint.splitlines()] if done.code else []
        state = state.note(work.base_dir, has_files=not done.code)
    say("databases and services")
    failures += start([unit for unit in found.all_services if is_database(unit)], runner)
    failures += bring_databases(work, state, runner)
    failures += start([unit for unit in found.all_services if not is_database(unit)], runner)
    return failures + [line for line in list_failed(runner) if line.split(":")[0] not in " ".join(failures)]


def report_unavailable(work: Work) -> list[str]:
    """Say which packages have a successor here now; return a line for each of the others that cannot be had."""
    if not work.unavailable:
        return []
    installed = [str(one["name"]) for one in describe({}, Asker())["packages"]]
    successors = find_successors(work.unavailable, installed)
    say(*format_successors(successors))
    return format_unavailable([name for name in work.unavailable if name not in successors])


def bring_databases(work: Work, state: State, runner: Runner) -> list[str]:
    """Restore the databases that are not here yet; return a line for each thing that failed."""
    noted = list(state.databases)
    state = state.note(work.base_dir, is_raised=True)

    def note(name: str) -> None:
        noted.append(name)
        state.note(work.base_dir, databases=tuple(noted))

    roles = [str(line) for line in work.old["postgresql_roles"]]
    failures = restore_databases(work.dumps, work.restore, roles, runner, state.databases, note, work.is_local)
    is_raised = any(line.startswith(STILL_RAISED) for line in failures)
    state.note(work.base_dir, databases=tuple(noted), is_raised=is_raised)
    return [*failures, *work.undumped]


def end(failures: Sequence[str]) -> int:
    """Say what could not be done, or that all is."""
    for line in failures:
        say(f"could not: {line}")
    say(f"{len(failures)} things could not be done; the same command tries them again" if failures else "all is back")
    return EXIT_INCOMPLETE if failures else EXIT_DONE


def say(*lines: str) -> None:
    """Print lines at once: a person waits."""
    for line in lines:
        sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _without_description(new: Record) -> Record:
    """Take the old system for one like this: of an archive without a description nothing else is known."""
    return {**new, "remarks": ["it was saved before archives had descriptions"], "unchanged_configuration": []}
