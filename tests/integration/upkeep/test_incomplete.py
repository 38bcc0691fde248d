# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups in which something goes wrong on the client: what is in the archive, and what the server makes of it."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

from keeper import Keeper
from session_world import CLIENT, OK, came_to

# Files that root itself cannot read: an attribute that can only be written, and one that this device does not have.
DENIED = "/sys/bus/cpu/drivers_probe"
BROKEN = "/sys/devices/virtual/net/lo/speed"


def configure(keeper: Keeper, *more: str, accept: tuple[str, ...] = (), **changes: Any) -> None:
    """Add sources to the client's own, and change its configuration."""
    own = keeper.world.own
    config = json.loads((own / "borgmatic.yaml").read_text())
    config.update(source_directories=[str(own / "source"), *more], **changes)
    (own / "borgmatic.yaml").write_text(json.dumps(config))
    record = json.loads((own / "client.json").read_text())
    (own / "client.json").write_text(json.dumps({**record, "accept_unreadable": accept}))


def test_warnings_of_two_kinds_do_not_hide_each_other(keeper: Keeper) -> None:
    """Borg ends with a plain 1 then; each kind alone has an exit code of its own."""
    configure(keeper, DENIED, BROKEN)
    outcome = keeper.world.session("backup")
    assert came_to(outcome)[:2] == ("failed", "incomplete"), outcome.log_tail
    assert outcome.conclusion.reason == (f"web1's archive is incomplete: 2 could not be read: {BROKEN}, {DENIED}")
    assert outcome.remarks == {"unreadable": {"count": 2, "accepted": 0, "paths": [BROKEN, DENIED]}}
    assert outcome.archive and outcome.archive["id"] in keeper.listed()
    assert states(keeper) == ["good"] * 3 + ["failed"]


def test_what_is_accepted_is_told_and_green(keeper: Keeper) -> None:
    configure(keeper, DENIED, BROKEN, accept=("/sys/bus", "/sys/*/lo/speed"))
    outcome = keeper.world.session("backup")
    assert came_to(outcome) == OK, outcome.log_tail
    assert outcome.remarks == {"unreadable": {"count": 2, "accepted": 2, "paths": []}}


def test_a_backup_without_warnings_says_so(keeper: Keeper) -> None:
    outcome = keeper.world.session("backup")
    assert came_to(outcome) == OK and outcome.remarks == {}


def test_an_unreadable_file_beside_streamed_dumps_costs_no_archive(keeper: Keeper) -> None:
    """The client's clock was once ahead, too: an older archive has a later time than the one that is made now."""
    keeper.borg(
        "create",
        "--timestamp",
        "2040-01-01T00:00:00",
        "::web1-2040-01-01T00:00:00.000000",
        str(keeper.world.own / "relay"),
    )
    database = make_database(keeper.world.own / "app.db")
    configure(keeper, DENIED, sqlite_databases=[{"name": "app", "path": str(database)}])
    outcome = keeper.world.session("backup")
    assert came_to(outcome)[:2] == ("failed", "incomplete"), outcome.log_tail
    assert outcome.archive and outcome.came == outcome.archive["id"]
    assert keeper.listed()[outcome.came] == outcome.archive["name"]
    assert not [name for name in keeper.listed().values() if name.endswith(".checkpoint")]


def test_a_dump_that_fails_is_red_and_its_archive_no_backup(keeper: Keeper) -> None:
    """As for a database that the configuration names and the server does not have."""
    program = keeper.world.own / "pg_dump"
    program.write_text("#!/bin/sh\necho 'FATAL: database \"app\" does not exist' >&2\nexit 1\n")
    program.chmod(0o755)
    configure(keeper, postgresql_databases=[{"name": "app", "pg_dump_command": str(program)}])
    outcome = keeper.world.session("backup")
    assert came_to(outcome)[:2] == ("failed", "client_failed"), outcome.log_tail
    assert outcome.conclusion.reason == f'web1: {program} ended with 1: FATAL: database "app" does not exist'
    assert set(states(keeper)) <= {"good", "failed"} and states(keeper).count("good") == 3


def test_a_database_that_is_not_there_is_neither_made_nor_dumped(keeper: Keeper) -> None:
    typo = keeper.world.own / "typo.db"
    configure(keeper, sqlite_databases=[{"name": "app", "path": str(typo)}])
    outcome = keeper.world.session("backup")
    assert came_to(outcome)[:2] == ("failed", "client_failed")
    assert outcome.conclusion.reason == f"web1: there is no SQLite database at {typo}"
    assert not typo.exists()


def test_an_archive_of_a_failed_session_is_known_as_one_and_goes_like_any_other(keeper: Keeper) -> None:
    """Its after hook fails, which the server is told with the archive; and it is complete."""
    configure(keeper, commands=[{"after": "action", "when": ["create"], "run": ["echo no such service >&2; exit 5"]}])
    first, second = keeper.world.session("backup"), keeper.world.session("backup")
    for outcome in (first, second):
        assert came_to(outcome)[:2] == ("failed", "client_failed"), outcome.log_tail
        assert "exit 5" in outcome.conclusion.reason and "no such service" in outcome.conclusion.reason
        assert outcome.archive and outcome.came == outcome.archive["id"]
    assert states(keeper) == ["good"] * 3 + ["failed"] * 2
    configure(keeper, commands=[])
    outcome = keeper.maintain()
    assert came_to(outcome) == OK and outcome.maintain
    assert outcome.maintain["unknown"] == []
    assert states(keeper) == ["good", "failed"]
    assert second.archive and set(keeper.listed()) == {list(keeper.contents)[-1], second.archive["id"]}


LOST = """
def borgmatic(self, *arguments, before=toolbox.Toolbox.borgmatic):
    before(self, *arguments)
    __import__("os")._exit(9)
toolbox.Toolbox.borgmatic = borgmatic
"""


def test_an_archive_that_nobody_named_is_found_with_its_session(keeper: Keeper) -> None:
    """The client ends right after its commit: the server saw something come, and nobody says what it was."""
    keeper.serve(LOST)
    assert came_to(keeper.world.session("backup"))[:2] == ("failed", "client_failed")
    keeper.serve()
    assert states(keeper) == ["good"] * 3 and len(keeper.listed()) == 4
    outcome = keeper.maintain()
    assert came_to(outcome) == OK and outcome.maintain
    (found,) = outcome.maintain["found"]
    assert found["id"] in keeper.listed() and outcome.maintain["unknown"] == []
    assert states(keeper) == ["good", "failed"]
    assert came_to(keeper.maintain()) == OK


def states(keeper: Keeper) -> list[str]:
    """Return what the ledger's archives are worth, oldest first."""
    with keeper.ledger() as ledger:
        return [str(archive.state) for archive in ledger.history(CLIENT).archives]


def make_database(path: Path) -> Path:
    """Make a small SQLite database."""
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE t (x)")
    connection.close()
    return path
