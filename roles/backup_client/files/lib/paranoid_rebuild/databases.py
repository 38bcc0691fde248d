# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Databases from their dumps, by borgmatic; for PostgreSQL what a dump does not have is made before."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from paranoid_rebuild.errors import printable
from paranoid_rebuild.running import Runner

KINDS = ("postgresql_databases", "mysql_databases", "mariadb_databases", "mongodb_databases", "sqlite_databases")
STILL_RAISED = "PostgreSQL's role root may still be a superuser"
_AS_POSTGRES = ("runuser", "-u", "postgres", "--")
_SQL = (*_AS_POSTGRES, "psql", "--no-psqlrc", "--quiet", "--dbname", "postgres")


def list_names(config: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return kind and name of the databases that borgmatic's configuration has."""
    return [(kind, str(one["name"])) for kind in KINDS for one in config.get(kind) or () if one.get("name")]


def restore_databases(
    config: Mapping[str, Any],
    restore: Sequence[str],
    roles: Sequence[str],
    runner: Runner,
    done: Sequence[str],
    note: Callable[[str], None],
) -> list[str]:
    """Restore each that is not DONE by the command RESTORE; return a line for each that could not be."""
    left = [(kind, name) for kind, name in list_names(config) if f"{kind} {name}" not in done]
    failures: list[str] = []
    local = {one["name"] for one in config.get("postgresql_databases") or () if not one.get("hostname")}
    own = [name for kind, name in left if kind == "postgresql_databases" and name in local]
    if own:
        _prepare_postgresql(own, roles, runner)
    for kind, name in left:
        ended = runner.run(*restore, "--database", name, "--hook", kind)
        if ended.code:
            failures.append(f"database {printable(name)}: {ended.reason}")
        else:
            note(f"{kind} {name}")
    if any(kind == "postgresql_databases" and name in local for kind, name in list_names(config)):
        ended = runner.run(*_SQL, given=_as_it_was(roles))  # Also what a rebuild that was killed has left.
        failures += [f"{STILL_RAISED}: {ended.reason}"] if ended.code else []
    return failures


def _prepare_postgresql(names: Sequence[str], roles: Sequence[str], runner: Runner) -> None:
    """Make roles and empty databases; root, who restores, may do everything meanwhile. What is there already stays."""
    runner.run(*_SQL, given="\n".join([*roles, "CREATE ROLE root LOGIN;", "ALTER ROLE root SUPERUSER;"]))
    for name in names:
        if name != "all":
            runner.run(*_AS_POSTGRES, "createdb", name)


def _as_it_was(roles: Sequence[str]) -> str:
    """Return the SQL that gives root what it had; without an old role it has no more than a login."""
    own = [line for line in roles if line.startswith("ALTER ROLE root ")]
    return "\n".join(own) if own else "ALTER ROLE root NOSUPERUSER;"
