# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Databases from their dumps, by paranoid-backup-restore; for PostgreSQL the roles that no dump has are made before."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from paranoid_rebuild.errors import RebuildError, printable
from paranoid_rebuild.running import Runner

_POSTGRESQL = "postgresql_databases"
KINDS = (_POSTGRESQL, "mysql_databases", "mariadb_databases", "mongodb_databases", "sqlite_databases")
STILL_RAISED = "PostgreSQL's role root may still be a superuser"
_SQL = ("runuser", "-u", "postgres", "--", "psql", "--no-psqlrc", "--quiet", "--dbname", "postgres")


def list_dumps(restore: Sequence[str], runner: Runner) -> list[str]:
    """Return the paths of the dumps that an archive has, as the command RESTORE shows them."""
    done = runner.run(*restore, "--list-databases")
    if done.code:
        raise RebuildError(f"the databases cannot be listed: {done.reason}")
    return [line.strip().partition("  ")[2] for line in done.out.splitlines()[:-1]]  # The last one counts them.


def find_missing(config: Mapping[str, Any], dumps: Sequence[str]) -> list[str]:
    """Return a line for each database that borgmatic's configuration has and the archive has no dump of."""
    wanted = [(kind, str(one["name"])) for kind in KINDS for one in config.get(kind) or () if one.get("name")]
    there = [(_kind(path), path.rpartition("/")[2]) for path in dumps]
    return [
        f"database {printable(name)}: the archive has no dump of it ({kind})"
        for kind, name in wanted
        if not any(kind == other and (name == "all" or fnmatchcase(found, name)) for other, found in there)
    ]


def has_local_postgresql(config: Mapping[str, Any]) -> bool:
    """Tell whether borgmatic's configuration has a database of this host's own PostgreSQL."""
    return any(not one.get("hostname") and not one.get("container") for one in config.get(_POSTGRESQL) or ())


def restore_databases(
    dumps: Sequence[str],
    restore: Sequence[str],
    roles: Sequence[str],
    runner: Runner,
    done: Sequence[str],
    note: Callable[[str], None],
    is_local: bool = True,
) -> list[str]:
    """Restore each dump that is not DONE by the command RESTORE; return a line for each that could not be.

    IS_LOCAL says whether those of PostgreSQL belong to this host's own. Each comes over what is there: a rebuild that
    was killed has left a part, and some packages make an empty database.
    """
    failures: list[str] = []
    left = [path for path in dumps if path not in done]
    if is_local and _POSTGRESQL in map(_kind, left):  # Root, who restores, may do everything meanwhile.
        runner.run(*_SQL, given="\n".join([*roles, "CREATE ROLE root LOGIN;", "ALTER ROLE root SUPERUSER;"]))
    for path in left:
        ended = runner.run(*restore, "--replace", "--database", path)
        if ended.code:
            failures.append(f"database {printable(path)}: {ended.reason}")
        else:
            note(path)
    if is_local and _POSTGRESQL in map(_kind, dumps):
        ended = runner.run(*_SQL, given=_as_it_was(roles))  # Also what a rebuild that was killed has left.
        failures += [f"{STILL_RAISED}: {ended.reason}"] if ended.code else []
    return failures


def _kind(path: str) -> str:
    """Return the kind of a dump by its path: ``borgmatic/<kind>/<host>/<name>``."""
    return path.split("/")[-3] if path.count("/") > 1 else ""


def _as_it_was(roles: Sequence[str]) -> str:
    """Return the SQL that gives root what it had; without an old role it has no more than a login."""
    own = [line for line in roles if line.startswith("ALTER ROLE root ")]
    return "\n".join(own) if own else "ALTER ROLE root NOSUPERUSER;"
