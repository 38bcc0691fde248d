# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The owner of a client restores what it sent: a tree, byte by byte and with all that belongs to it, and a database."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from lab import Lab
from lab_runs import Run, backup, opened

BORG = "paranoid-backup-borg"
RESTORED = "/root/restored"
DUMP = "borgmatic/postgresql_databases/localhost/shop"
ROWS = "SELECT count(*), md5(string_agg(t::text, ',' ORDER BY id)) FROM {table} AS t"


@pytest.fixture(scope="module")
def stored(lab: Lab, tree: str) -> Run:
    """A run of its own: maintenance may have let the archives of earlier ones go."""
    return backup(lab, "--limit", "web1,db1")


@pytest.fixture(scope="module")
def web1(lab: Lab, stored: Run) -> Iterator[str]:
    """The archive with the tree, while a session is open. A database hook would leave out the pipe."""
    with opened(lab, "web1"):
        yield str(stored.client("web1")["archive"]["name"])


@pytest.fixture(scope="module")
def archive(lab: Lab, stored: Run) -> Iterator[str]:
    """The archive with the database, while a session is open."""
    with opened(lab, "db1"):
        yield str(stored.client("db1")["archive"]["name"])


def test_a_tree_comes_back_as_it_was(lab: Lab, tree: str, web1: str) -> None:
    lab.read("web1", "sh", "-c", f"rm -rf {RESTORED} && mkdir {RESTORED}")
    lab.read("web1", "sh", "-c", f"cd {RESTORED} && {BORG} extract --sparse ::{web1} {tree.lstrip('/')}")
    was, came = (_describe(lab, path) for path in (tree, RESTORED + tree))
    assert len(was) > 10_000
    for kind in ('"user.colour"', "posix_acl_access", "posix_acl_default", '"sparse": true', "0o10644", '"target"'):
        assert any(kind in line for line in was), f"the tree has no {kind}"
    different = [(line, other) for line, other in zip(was, came, strict=False) if line != other]
    assert different[:3] == [] and len(was) == len(came)


def _describe(lab: Lab, path: str) -> list[str]:
    return lab.read("web1", "python3", "/root/tree.py", "describe", path).splitlines()


def test_hard_links_are_links_again(lab: Lab, tree: str, web1: str) -> None:
    entries = [json.loads(line) for line in _describe(lab, RESTORED + tree)]
    firsts = [entry["link_of"] for entry in entries if entry["name"].startswith("links/") and "link_of" in entry]
    assert len(firsts) == 3 and len(set(firsts)) == 1


def test_a_database_comes_back_with_all_rows(lab: Lab, archive: str) -> None:
    restore = (
        f"set -e; {BORG} extract --stdout ::{archive} {DUMP} >/root/shop.dump; "
        "runuser -u postgres -- dropdb --if-exists fresh; runuser -u postgres -- createdb fresh; "
        "runuser -u postgres -- pg_restore --exit-on-error --dbname fresh </root/shop.dump"
    )
    lab.read("db1", "sh", "-c", f"cd /; {restore}")
    for table, count in (("customer", 500), ("purchase", 20_000)):
        was, came = (_rows(lab, database, table) for database in ("shop", "fresh"))
        assert was == came and came.startswith(f"{count}|")


def test_one_command_brings_it_back_under_another_name(lab: Lab, archive: str) -> None:
    there = lab.exec("db1", "paranoid-backup-restore", "--database", "shop")
    assert there.returncode == 2 and b"shop is there already" in there.stderr, there.stderr
    said = lab.read("db1", "paranoid-backup-restore", "--database", "shop", "--as", "again")
    assert "is restored as again" in said
    for table in ("customer", "purchase"):
        assert _rows(lab, "shop", table) == _rows(lab, "again", table)
    lab.read("db1", "sh", "-c", "cd /; runuser -u postgres -- dropdb again")


def _rows(lab: Lab, database: str, table: str) -> str:
    query = ROWS.format(table=table)
    return lab.read("db1", "sh", "-c", 'cd /; runuser -u postgres -- psql -XAtc "$0" "$1"', query, database)


def test_the_open_session_lets_nobody_delete(lab: Lab, archive: str) -> None:
    refused = lab.exec("db1", BORG, "delete", f"::{archive}")
    assert refused.returncode != 0
    assert archive in lab.read("db1", BORG, "list", "--short").split()
