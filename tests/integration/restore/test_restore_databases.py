# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A database comes back by one command: into its own name, into another, and never over one that is there unasked."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import borgmatic_databases
import pytest
from keeper import Keeper
from restore_page import read_words
from restore_world import Restoring, give_time
from session_fixtures import served
from session_world import run

POSTGRESQL = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"))), Path("/nowhere"))
needs_postgresql = pytest.mark.skipif(
    os.geteuid() != 0 or not (POSTGRESQL / "initdb").exists(), reason="NOT TESTED: PostgreSQL is not here, or no root"
)


@dataclass
class Cluster:
    """A PostgreSQL of the tests' own, as another user."""

    home: Path

    def __post_init__(self) -> None:
        self.home.mkdir(mode=0o755)
        shutil.chown(self.home, "postgres")
        self.words = f"runuser -u postgres -- env PGHOST={self.home} {POSTGRESQL}"
        self.command("initdb", "-N", "-A", "trust", "-D", str(self.home / "data"))
        self.control("-o", f"-c listen_addresses= -c fsync=off -c unix_socket_directories={self.home}", "start")

    def command(self, name: str, *arguments: str) -> str:
        """Run one of its programs as its user."""
        argv = ["runuser", "-u", "postgres", "--", "env", f"PGHOST={self.home}", str(POSTGRESQL / name), *arguments]
        done = subprocess.run(argv, cwd="/", capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def control(self, *words: str) -> None:
        """Start or stop it."""
        self.command("pg_ctl", "-w", "-D", str(self.home / "data"), "-l", str(self.home / "log"), *words)

    def sql(self, database: str, statement: str) -> str:
        """Run a statement and return what it gives."""
        return self.command("psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", database, "-c", statement).strip()

    def databases(self) -> set[str]:
        """Return the names of all databases."""
        return set(self.sql("postgres", "SELECT datname FROM pg_database").split())

    def setting(self, name: str, **more: str) -> dict[str, str]:
        """Return what borgmatic needs for a database of it."""
        programs = {f"{word}_command": f"{self.words}/{word}" for word in ("pg_dump", "pg_restore", "psql")}
        return {"name": name, **programs, **more}


@dataclass
class Databases:
    """A host with databases, saved once, while a tunnel is open."""

    restoring: Restoring
    home: Path
    postgresql: Cluster | None

    @property
    def shop(self) -> Path:
        """The SQLite database, in place."""
        return self.home / "shop.db"

    def reset(self) -> None:
        """Make the SQLite database as it was saved."""
        for path in self.home.glob("shop.db*"):
            path.unlink()
        make_shop(self.shop)


def make_shop(path: Path, customers: int = 3) -> None:
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE customer (name TEXT)")
        database.executemany("INSERT INTO customer VALUES (?)", [(f"customer\n.{n}",) for n in range(customers)])
    database.close()


def customers(path: Path) -> int:
    database = sqlite3.connect(path)
    try:
        return int(database.execute("SELECT count(*) FROM customer").fetchone()[0])
    finally:
        database.close()


def make_postgresql(cluster: Cluster) -> list[dict[str, str]]:
    """Make databases of each format, and return their settings."""
    cluster.sql("postgres", "CREATE ROLE seller LOGIN")
    settings = [cluster.setting("web"), cluster.setting("flat", format="plain")]
    for setting in settings:
        cluster.sql("postgres", f"CREATE DATABASE {setting['name']} OWNER seller")
        cluster.sql(
            setting["name"], "CREATE TABLE t AS SELECT generate_series(1, 500) n; ALTER TABLE t OWNER TO seller"
        )
    return [*settings, cluster.setting("all", pg_dump_command=f"{cluster.words}/pg_dumpall")]


@pytest.fixture(scope="module")
def databases(ground: Path, home: Path, template: Path) -> Iterator[Databases]:
    path = ground / "databases"
    run("cp", "-a", template, path)
    cluster = Cluster(ground / "postgresql") if POSTGRESQL.exists() and os.geteuid() == 0 else None
    try:
        with served(path, home) as world:
            keeper = Keeper(world)
            keeper.provision()
            give_time(keeper)
            made = Databases(Restoring(keeper, path / "saved", ("", "")), world.own / "databases", cluster)
            made.home.mkdir()
            make_shop(made.shop)
            evil = world.own / "evil"
            craft(evil, world.own / "owned")
            configure(keeper, made, evil)
            outcome = world.session("backup")
            assert outcome.archive, outcome.log_tail
            with made.restoring.tunnel():
                yield made
    finally:
        if cluster:
            cluster.control("-m", "immediate", "stop")
        shutil.rmtree(path)


def craft(path: Path, proof: Path) -> None:
    """Make a database whose owner hopes that root's restore runs a command of his."""
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE t (a)")
        database.execute("PRAGMA writable_schema = ON")
        database.execute("UPDATE sqlite_master SET sql = ?", (f"CREATE TABLE t (a);\n.shell touch {proof}\n--",))
    database.close()


def configure(keeper: Keeper, made: Databases, evil: Path) -> None:
    config_path = keeper.world.own / "borgmatic.yaml"
    config = json.loads(config_path.read_text())
    void = evil.with_name("void")
    void.touch()
    files = {"shop": made.shop, "evil": evil, "void": void}
    config["sqlite_databases"] = [{"name": name, "path": str(path)} for name, path in files.items()]
    if made.postgresql:
        config["postgresql_databases"] = make_postgresql(made.postgresql)
    config_path.write_text(json.dumps(config))


@pytest.fixture
def shop(databases: Databases) -> Path:
    """The SQLite database in place, as it was saved."""
    databases.reset()
    return databases.shop


def test_the_databases_of_an_archive_are_shown(databases: Databases) -> None:
    done = databases.restoring.run("--list-databases")
    assert done.returncode == 0 and "borgmatic/sqlite_databases/localhost/shop" in done.stdout, (
        done.stdout + done.stderr
    )


def test_one_that_is_gone_comes_back_where_it_was(databases: Databases, shop: Path) -> None:
    shop.unlink()
    foretold = databases.restoring.run("--check", "--database", "shop")
    assert foretold.returncode == 0 and "would be restored" in foretold.stdout and not shop.exists(), foretold.stderr
    done = databases.restoring.run("--database", "shop")
    assert done.returncode == 0 and "is restored as shop" in done.stdout, done.stderr
    assert customers(shop) == 3 and shop.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("words", [[], ["--check"]])
def test_one_that_is_there_is_not_written_over(databases: Databases, shop: Path, words: list[str]) -> None:
    before = shop.read_bytes()
    done = databases.restoring.run(*words, "--database", "shop")
    assert done.returncode == 2 and "shop is there already" in done.stderr, done.stdout
    assert done.stderr.count("\n") == 1 and shop.read_bytes() == before


def test_unless_it_is_said(databases: Databases, shop: Path) -> None:
    shop.unlink()
    make_shop(shop, 9)
    shop.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(shop, 1, 2)
    done = databases.restoring.run("--replace", "--database", "shop")
    assert done.returncode == 0, done.stderr
    assert customers(shop) == 3 and shop.stat().st_mode & 0o777 == 0o640
    assert os.geteuid() != 0 or (shop.stat().st_uid, shop.stat().st_gid) == (1, 2)


def test_it_comes_beside_the_other(databases: Databases, shop: Path) -> None:
    other = shop.with_name("shop.db2")
    done = databases.restoring.run("--database", "sqlite_databases/localhost/shop", "--as", other)
    assert done.returncode == 0, done.stderr
    assert customers(other) == 3
    again = databases.restoring.run("--database", "shop", "--as", other)
    assert again.returncode == 2 and "is there already" in again.stderr


def test_what_another_state_left_is_not_mixed_with_it(databases: Databases, shop: Path) -> None:
    """SQLite would apply the log of the lost database to the one that came."""
    shop.unlink()
    shop.with_name("shop.db-wal").write_bytes(b"x" * 100)
    done = databases.restoring.run("--database", "shop")
    assert done.returncode == 2 and "shop.db-wal is there" in done.stderr and not shop.exists(), done.stderr


def test_no_link_leads_a_database_elsewhere(databases: Databases, shop: Path, tmp_path: Path) -> None:
    """Whoever owns the directory of a database could let root write anywhere."""
    way = shop.with_name("shop.db.way")
    way.symlink_to(tmp_path)
    refused = databases.restoring.run("--database", "shop", "--as", way / "new")
    over = databases.restoring.run("--replace", "--database", "shop", "--as", way)
    assert refused.returncode == 2 and "leads through a link" in refused.stderr, refused.stderr
    assert over.returncode == 2 and "leads through a link" in over.stderr, over.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_dump_that_brings_nothing_back_replaces_nothing(databases: Databases, shop: Path) -> None:
    """sqlite3 ends well with the dump of a database that was locked or damaged, which takes itself back."""
    done = databases.restoring.run("--replace", "--database", "void", "--as", shop)
    assert done.returncode == 2 and "its dump brings nothing back" in done.stderr, done.stdout + done.stderr
    assert customers(shop) == 3


def test_no_dump_runs_commands(databases: Databases, shop: Path) -> None:
    """The dump of a database has what its owner wrote into its schema; root restores it."""
    dump = subprocess.run(
        ["sqlite3", "-bail", databases.restoring.keeper.world.own / "evil", ".dump"], capture_output=True, check=False
    )
    assert b"\n.shell touch" in dump.stdout, "the attack is none any more"
    done = databases.restoring.run("--database", "evil", "--as", shop.with_name("shop.db.evil"))
    assert done.returncode == 2 and "sqlite3 ended with" in done.stderr, done.stdout + done.stderr
    assert not (databases.restoring.keeper.world.own / "owned").exists()
    assert not shop.with_name("shop.db.evil").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--database", "nobody"], "has no database nobody; it has:"),
        (["--database", "shop", "--as", "relative"], "a database of SQLite is a file"),
        (["--database", "shop", "etc"], "one after the other"),
        (["--as", "x", "etc"], "are for a --database"),
        (["--database", "shop", "--archive", "none"], "there is no archive none"),
    ],
)
def test_what_cannot_be_meant_is_one_line(databases: Databases, shop: Path, words: list[str], said: str) -> None:
    done = databases.restoring.run(*words)
    assert done.returncode == 2 and said in done.stderr and done.stderr.count("\n") == 1, done.stderr


@needs_postgresql
@pytest.mark.parametrize("name", ["web", "flat"])
def test_a_database_of_a_server_comes_back_into_its_own_and_another_name(databases: Databases, name: str) -> None:
    server = databases.postgresql
    assert server
    there = databases.restoring.run("--database", name)
    assert there.returncode == 2 and f"{name} is there already" in there.stderr, there.stderr
    beside = databases.restoring.run("--database", name, "--as", f"{name}_old")
    assert beside.returncode == 0, beside.stderr
    server.sql("postgres", f"DROP DATABASE {name}")
    own = databases.restoring.run("--database", name)
    assert own.returncode == 0, own.stderr
    for made in (name, f"{name}_old"):
        assert server.sql(made, "SELECT count(*), min(n), max(n) FROM t") == "500|1|500"
        owner = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()"
        assert server.sql(made, owner) == ("seller" if name != "flat" or made != name else "postgres")
    server.sql(name, "DELETE FROM t")
    replaced = databases.restoring.run("--replace", "--database", name)
    assert replaced.returncode == 0 and server.sql(name, "SELECT count(*) FROM t") == "500", replaced.stderr


@needs_postgresql
def test_nothing_half_is_left_of_one_that_fails(databases: Databases) -> None:
    server = databases.postgresql
    assert server
    server.sql("web", "UPDATE t SET n = 7")
    server.sql("postgres", "ALTER ROLE seller RENAME TO nobody_else")
    try:
        for words in (["--replace"], ["--as", "web_half"]):
            done = databases.restoring.run("--database", "web", *words)
            assert done.returncode == 2 and 'role "seller" does not exist' in done.stderr, done.stderr
    finally:
        server.sql("postgres", "ALTER ROLE nobody_else RENAME TO seller")
    assert server.sql("web", "SELECT count(*), min(n) FROM t") == "500|7", "it is as it was"
    assert "web_half" not in server.databases()


@needs_postgresql
def test_a_dump_of_all_databases_in_one_comes_only_over_what_is_there(databases: Databases) -> None:
    server = databases.postgresql
    assert server
    refused = databases.restoring.run("--database", "all")
    assert refused.returncode == 2 and "--replace restores them all" in refused.stderr, refused.stderr
    server.sql("postgres", "DROP DATABASE web")
    server.sql("flat", "DELETE FROM t")
    done = databases.restoring.run("--replace", "--database", "all")
    assert done.returncode == 0, done.stderr
    for name in ("web", "flat"):
        assert server.sql(name, "SELECT count(*) FROM t") == "500"


@needs_postgresql
def test_each_command_of_the_page_does_what_its_line_says(databases: Databases, shop: Path) -> None:
    """docs/restore.md, "A database", in its order, with this world's names."""
    server = databases.postgresql
    assert server
    ours = {"shop": "web", "shop_old": "web_page", "app": "shop", "/srv/app/old.db": str(shop.with_name("shop.db3"))}
    words = read_words("A database")
    assert len(words) >= 6
    for line in words:
        own = [ours.get(word, word) for word in line]
        if "--as" not in own and "--replace" not in own and "--list-databases" not in own:
            server.sql("postgres", "DROP DATABASE IF EXISTS web")
        done = databases.restoring.run(*own)
        assert done.returncode == 0, (line, done.stderr)
    assert {"web", "web_page"} <= server.databases() and customers(shop.with_name("shop.db3")) == 3


DUMP = b"""-- Current Database: `shop`
/*!40000 DROP DATABASE IF EXISTS `shop`*/;
CREATE DATABASE /*!32312 IF NOT EXISTS*/ `shop` /*!40100 DEFAULT CHARACTER SET utf8mb4 */;

USE `shop`;
INSERT INTO `shop` VALUES ('USE `shop`;'),('CREATE DATABASE `shop`');
CREATE DATABASE `shop`;

USE `shop`;
CREATE VIEW `v` AS SELECT `shop`.`a` FROM `shop`;
"""


def test_a_dump_of_mysql_is_renamed_where_it_makes_and_uses_the_database_and_nowhere_else() -> None:
    """A table, a row or a view may be named as the database is."""
    lines = DUMP.splitlines(keepends=True)
    renamed = list(borgmatic_databases.rename(lines, "shop", "sh`op"))
    changed = {number for number, (was, becomes) in enumerate(zip(lines, renamed, strict=True)) if was != becomes}
    assert changed == {1, 2, 4, 8}
    assert all(b"`sh``op`" in renamed[number] and b"`shop`" not in renamed[number] for number in changed)
