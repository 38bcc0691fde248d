# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One database restored by borgmatic: made where it is missing, under another name, refused where it is there.

borgmatic's own restore (borgmatic/actions/restore.py, 2.1.10) restores each dump that a name fits, into the same name,
over whatever is there; a database of PostgreSQL must be there. strict_borgmatic.py installs this. What to do comes in
PARANOID_BACKUP_DATABASE, as JSON: ``dump`` (as borgmatic's dumps.json has it), ``target`` (a name, of SQLite a path),
``replace`` and ``check`` (whether to look only). ``paranoid_restore/databases.py`` writes it.

As a program it renames the database of a dump of MySQL or MariaDB: old name, new name, dump on standard input.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from borgmatic.actions import restore
from borgmatic.config.paths import get_working_directory
from borgmatic.hooks.credential.parse import resolve_credential
from borgmatic.hooks.data_source import config as options
from borgmatic.hooks.data_source import dump, mariadb, mysql, postgresql, sqlite

CHANNEL = "PARANOID_BACKUP_DATABASE"
_RUN = r"\gexec"  # psql runs what the query returns
MAINTENANCE = "postgres"  # the database of PostgreSQL from which others are made
_ASKS = ("restore", "analyze")  # what borgmatic has a server do
_CONNECTION = ("hostname", "port", "username", "password")
_SERVERS = {"postgresql_databases": postgresql, "mariadb_databases": mariadb, "mysql_databases": mysql}
_THERE = "{} is there already: restore it beside that by --as, or over it by --replace"
_UNKNOWN = "whether {} is there already cannot be seen here: --replace restores over what is there"
_ALL_IN_ONE = (
    "this dump has all databases in one: --replace restores them all, over what is there, into their own names"
)
_IN_USE = "{} is there: stop what uses the database, and remove what that left of another state"
_NOTHING = (
    "its dump brings nothing back: the database was empty, locked or damaged when it was made; try an earlier archive"
)
_LINK = "the way to {} leads through a link: name the file itself by --as"
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_restore_one = restore.restore_single_dump


@dataclass(frozen=True)
class Order:
    """What to restore, and to where."""

    dump: dict[str, Any]
    target: str
    replace: bool
    check: bool
    tell: Callable[..., None]

    @property
    def is_renamed(self) -> bool:
        """Tell whether the database gets another name."""
        return bool(self.target != self.dump["data_source_name"])

    def refuse(self, reason: str) -> None:
        """Say why not, and end borgmatic's work on it."""
        self.tell("refused", reason=reason)
        raise ValueError(reason)


@dataclass(frozen=True)
class Place:
    """Where a database is restored: borgmatic's words for it."""

    hook: str
    data_source: dict[str, Any]
    config: dict[str, Any]
    connection: dict[str, Any]
    runtime: str

    def restore(self, source: dict[str, Any], extract: Any) -> None:
        """Have borgmatic restore a dump, or run statements, by SOURCE's settings."""
        own = _ORIGINALS[self.hook]
        own({}, self.config, source, False, extract, self.connection, self.runtime)

    def run_sql(self, statement: str) -> None:
        """Run a statement where the database is, as whoever restores it."""
        told = subprocess.Popen(["printf", "%s\n", statement], stdout=subprocess.PIPE)
        plain = {**self.data_source, "name": MAINTENANCE, "format": "plain", "schemas": None}
        self.restore({**plain, "restore_options": _add(self.data_source, self._stop_at_errors)}, told)

    @property
    def _stop_at_errors(self) -> str:
        return "--set ON_ERROR_STOP=1" if self.hook == "postgresql_databases" else ""


def restore_single_dump(order: Order, *arguments: Any) -> None:
    """Restore one dump in borgmatic's stead; ARGUMENTS are those of its function of this name."""
    _repository, config, _version, _global, _local, _remote, _archive, hook, data_source, connection, runtime = (
        arguments
    )
    if data_source["name"] == "all":
        _restore_all(order, hook, arguments)
        return
    place = Place(hook, data_source, config, connection, runtime)
    is_there = _look(order, place)
    if is_there and not order.replace:
        order.refuse(_THERE.format(order.target))
    if order.check:
        return
    module = sqlite if hook == "sqlite_databases" else _SERVERS.get(hook)
    if module:
        writes = _write_sqlite if module is sqlite else _write_server

        def put(*_given: Any, data_source: Any, extract_process: Any, **_more: Any) -> None:
            writes(order, Place(hook, data_source, config, connection, runtime), extract_process, is_there)

        module.restore_data_source_dump = put
    _restore_one(*arguments)


def _restore_all(order: Order, hook: str, arguments: Sequence[Any]) -> None:
    """Restore a dump that has all databases in one; PostgreSQL's client must be told where to begin."""
    if not order.replace or order.is_renamed:
        order.refuse(_ALL_IN_ONE)
    if order.check:
        return
    if hook == "postgresql_databases":
        given = list(arguments)
        begin = f"--dbname {MAINTENANCE}"
        words = {
            f"{what}_options": " ".join(filter(None, [given[8].get(f"{what}_options", ""), begin])) for what in _ASKS
        }
        given[8] = {**given[8], **words}
        arguments = given
    _restore_one(*arguments)


def _look(order: Order, place: Place) -> bool:
    """Tell whether the database is there already."""
    if place.hook == "sqlite_databases":
        return os.path.lexists(_path(order, place))
    if place.hook not in _SERVERS:
        if order.is_renamed:
            order.refuse("only PostgreSQL, MariaDB, MySQL and SQLite restore into another name")
        if not order.replace:
            order.refuse(_UNKNOWN.format(order.target))
        return True
    names = _list_names(place)
    if place.hook == "postgresql_databases":
        return order.target in names
    return order.target.casefold() in {name.casefold() for name in names}  # on some disks they are the same


def _list_names(place: Place) -> tuple[str, ...]:
    """Return the names of all databases at the place where it is restored."""
    found = {
        word: options.resolve_database_option(word, place.data_source, place.connection, True) for word in _CONNECTION
    }
    left_out = {"container", "skip_names", *_CONNECTION}
    source = {word: value for word, value in place.data_source.items() if word not in left_out}
    source = {**source, **{word: value for word, value in found.items() if value}, "name": "all", "format": "custom"}
    if place.hook == "postgresql_databases":
        environment = postgresql.make_environment(source, place.config)
        return tuple(postgresql.database_names_to_dump(source, place.config, environment, False))
    user, password = (resolve_credential(source.get(word), place.config) for word in ("username", "password"))
    by_environment = password and source.get("password_transport") == "environment"
    environment = {**os.environ, **({"MYSQL_PWD": password} if by_environment else {})}
    module = _SERVERS[place.hook]
    return tuple(module.database_names_to_dump(source, place.config, user, password, environment, False))


def _write_server(order: Order, place: Place, extract: Any, is_there: bool) -> None:
    """Restore into a server; what was made for that and did not become whole is removed again."""
    try:
        if place.hook == "postgresql_databases":
            _write_postgresql(order, place, extract, is_there)
        else:
            _write_mysql(order, place, extract)
    except BaseException:
        if not is_there:
            with contextlib.suppress(OSError, subprocess.CalledProcessError):
                place.run_sql(_drop_database(place, order.target))
        raise


def _write_postgresql(order: Order, place: Place, extract: Any, is_there: bool) -> None:
    """Restore by pg_restore or psql: into what is there in one transaction, else into a database that is made."""
    source, target = place.data_source, order.target
    is_plain = source.get("format") == "plain"
    words = ["--set ON_ERROR_STOP=1"] if is_plain else []
    if is_there:
        words += [] if re.search(r"(^|\s)(-j|--jobs)", source.get("restore_options", "")) else ["--single-transaction"]
    elif is_plain or order.is_renamed:
        place.run_sql(_make_database(order))
    else:  # With encoding, owner and grants that it had.
        words, target = ["--create"], MAINTENANCE
    if extract is None:
        _rename_directory(place, target)
    place.restore({**source, "name": target, "restore_options": _add(source, *words)}, extract)


def _make_database(order: Order) -> str:
    """Return what makes a database, which belongs to the owner of the one that it was, if that is there still."""
    name, target = (_literal(text) for text in (order.dump["data_source_name"], order.target))
    owner = f"(SELECT format(' OWNER %I', pg_get_userbyid(datdba)) FROM pg_database WHERE datname = {name})"
    return f"SELECT format('CREATE DATABASE %I TEMPLATE template0', {target}) || coalesce({owner}, '') {_RUN}"


def _drop_database(place: Place, name: str) -> str:
    if place.hook == "postgresql_databases":
        return f"SELECT format('DROP DATABASE IF EXISTS %I', {_literal(name)}) {_RUN}"
    return f"DROP DATABASE IF EXISTS {_identifier(name)};"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _identifier(name: str) -> str:
    """Return a name as MySQL quotes it."""
    return "`" + name.replace("`", "``") + "`"


def _rename_directory(place: Place, target: str) -> None:
    """Let a dump that is a directory lie where borgmatic looks for one of this name."""
    words = {word: place.data_source.get(word) for word in ("hostname", "port", "container", "label")}
    base = postgresql.make_dump_path(place.runtime)
    old, new = (
        dump.make_data_source_dump_filename(base, name, **words) for name in (place.data_source["name"], target)
    )
    if old != new:
        os.rename(old, new)


def _write_mysql(order: Order, place: Place, extract: Any) -> None:
    """Restore by the server's client, which makes and empties the database as the dump says."""
    if not order.is_renamed:
        place.restore(place.data_source, extract)
        return
    module = _SERVERS[place.hook]
    names = (place.data_source["name"], order.target)
    renamed = subprocess.Popen(
        [sys.executable, "-I", __file__, *names], stdin=extract.stdout, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    extract.stdout.close()
    extract.stdout = None  # The other one reads it, and borgmatic watches both.
    run = module.execute_command_with_processes
    module.execute_command_with_processes = lambda command, processes, **more: run(
        command, [extract, *processes], **more
    )
    try:
        place.restore(place.data_source, renamed)
    finally:
        module.execute_command_with_processes = run


def _path(order: Order, place: Place) -> str:
    """Return the file that a SQLite database is restored to."""
    own = place.data_source.get("restore_path") or place.data_source["path"]
    return os.path.join(get_working_directory(place.config) or "/", order.target if order.is_renamed else str(own))


def _write_sqlite(order: Order, place: Place, extract: Any, _is_there: bool) -> None:
    """Restore where nobody else writes, and let it take its place when it is whole."""
    path = _path(order, place)
    for left in (f"{path}-wal", f"{path}-journal"):
        if os.path.exists(left) and os.path.getsize(left):
            order.refuse(_IN_USE.format(left))
    made = os.path.join(place.runtime, "restored.sqlite")
    # A dump can hold commands of the shell that whoever owns the database has put there. Safe mode runs none.
    program = place.data_source.get("sqlite_restore_command") or "sqlite3 -safe"
    source = {**place.data_source, "sqlite_restore_command": program}
    private = Place(place.hook, source, place.config, {**place.connection, "restore_path": made}, place.runtime)
    try:
        private.restore(source, extract)
        if not _has_content(made):
            order.refuse(_NOTHING)
        _publish(order, made, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(made)


def _has_content(path: str) -> bool:
    """Tell whether a SQLite database has anything in it: a dump that takes itself back ends well and leaves nothing."""
    if not os.path.exists(path):
        return False
    with contextlib.closing(sqlite3.connect(path)) as database:
        return database.execute("SELECT 1 FROM sqlite_master").fetchone() is not None


def _publish(order: Order, made: str, path: str) -> None:
    """Copy a file to where it belongs, with owner and mode of what was there, and follow no link."""
    *way, name = os.path.abspath(path).split("/")[1:]
    with contextlib.ExitStack() as held:
        directory = os.open("/", _DIRECTORY)
        held.callback(os.close, directory)
        for part in way:
            try:
                directory = os.open(part, _DIRECTORY, dir_fd=directory)
            except NotADirectoryError:
                order.refuse(_LINK.format(path))
            held.callback(os.close, directory)
        fresh = f".paranoid-restore-{os.getpid()}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with open(os.open(fresh, flags, 0o600, dir_fd=directory), "wb") as target, open(made, "rb") as source:
            try:
                shutil.copyfileobj(source, target)
                with contextlib.suppress(FileNotFoundError):
                    found = os.stat(name, dir_fd=directory, follow_symlinks=False)
                    if not stat.S_ISREG(found.st_mode):
                        order.refuse(_LINK.format(path))
                    os.fchown(target.fileno(), found.st_uid, found.st_gid)
                    os.fchmod(target.fileno(), stat.S_IMODE(found.st_mode))
                target.flush()
                os.fsync(target.fileno())
                os.replace(fresh, name, src_dir_fd=directory, dst_dir_fd=directory)
            except BaseException:
                os.unlink(fresh, dir_fd=directory)
                raise


def _add(source: dict[str, Any], *words: str) -> str:
    """Return the options of a restore with WORDS added."""
    return " ".join(word for word in (source.get("restore_options", ""), *words) if word)


def rename(lines: Iterable[bytes], old: str, new: str) -> Iterator[bytes]:
    """Yield a dump of mysqldump or mariadb-dump for another database: where it is removed, made and used."""
    was, becomes = (_identifier(name).encode() for name in (old, new))
    use, in_head = b"USE " + was + b";", True
    for line in lines:
        if line.rstrip() == use:
            line, in_head = line.replace(was, becomes), False
        elif in_head and line.startswith((b"/*!40000 DROP DATABASE", b"CREATE DATABASE")):
            line = line.replace(was, becomes, 1)
        yield line


_ORIGINALS = {
    "sqlite_databases": sqlite.restore_data_source_dump,
    **{hook: module.restore_data_source_dump for hook, module in _SERVERS.items()},
}


def install(tell: Callable[..., None]) -> None:
    """Let borgmatic restore what was chosen and nothing else."""
    order = Order(**json.loads(os.environ.pop(CHANNEL)), tell=tell)
    taken = restore.Dump(**order.dump)
    restore.collect_dumps_from_archive = lambda *_arguments, **_more: (taken,)
    restore.get_dumps_to_restore = lambda _wanted, dumps: dumps
    restore.restore_single_dump = lambda *arguments: restore_single_dump(order, *arguments)


if __name__ == "__main__":
    for changed in rename(sys.stdin.buffer, *sys.argv[1:]):
        sys.stdout.buffer.write(changed)
