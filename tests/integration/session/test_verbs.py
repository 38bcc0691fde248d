# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every verb, through a real sshd, Borg and the gate."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from session_world import (
    CLIENT,
    IS_ROOT,
    LOGIN_USER,
    OK,
    REPOSITORY_USER,
    World,
    assert_next_session_works,
    came_to,
)
from waiting import wait_until


def test_create_makes_the_repository_and_records_its_id(bare: World) -> None:
    outcome = bare.session("create")
    assert came_to(outcome) == OK, outcome.log_tail
    assert outcome.changed
    record = bare.path / "state" / CLIENT / "repository.json"
    assert f"id = {json.loads(record.read_text())['id']}\n" in (bare.repository / "config").read_text()
    assert record.stat().st_mode & 0o777 == 0o600


def test_create_again_does_not_even_connect(world: World) -> None:
    world.sshd.stop()
    outcome = world.session("create")
    assert came_to(outcome) == OK
    assert not outcome.changed and not outcome.log
    assert outcome.ledger is None, "no session was held, so the ledger has no entry of one"


def test_create_in_check_mode_promises_and_does_nothing(bare: World) -> None:
    bare.sshd.stop()
    outcome = bare.session("create", check=True)
    assert came_to(outcome) == OK
    assert outcome.changed
    assert not list(bare.repository.iterdir())


def test_backup_brings_an_archive(world: World) -> None:
    outcome = world.session("backup", run_id="run-1")
    assert came_to(outcome) == OK, outcome.log_tail
    assert outcome.changed
    assert outcome.archive and outcome.archive["nfiles"] == 1
    assert outcome.archive["original_size"] >= 200_000
    assert (outcome.gate.commits, outcome.gate.manifests) == (1, 1)
    assert outcome.gate.received > 200_000 > outcome.gate.sent > 0
    assert outcome.gate.put > 0 and outcome.gate.refused == ()
    assert outcome.started <= outcome.finished and outcome.duration > 0.1
    assert world.session("info").info["last_archive"]["id"] == outcome.archive["id"]  # type: ignore[index]
    assert not (world.run_dir / "runs").exists()


def test_the_log_is_for_the_owner_and_ends_with_the_verdict(world: World) -> None:
    outcome = world.session("backup")
    log = Path(outcome.log)
    assert log.parent == world.path / "log" / CLIENT
    assert log.stat().st_mode & 0o777 == 0o600
    assert "dispatcher: done\n" in log.read_text()
    assert log.read_text().endswith("server: ok\n")
    assert outcome.log_tail[-1].startswith("server: ok")


def test_backup_in_check_mode_proves_the_way_and_writes_nothing(world: World) -> None:
    before = sorted((world.repository / "data").rglob("*"))
    outcome = world.session("backup", check=True)
    assert came_to(outcome) == OK, outcome.log_tail
    assert not outcome.changed and outcome.archive is None
    assert outcome.info and outcome.info["last_archive"] is None
    assert outcome.gate.put == 0 and outcome.gate.commits == 0
    assert sorted((world.repository / "data").rglob("*")) == before


def test_info(world: World) -> None:
    outcome = world.session("info")
    assert came_to(outcome) == OK, outcome.log_tail
    assert not outcome.changed
    assert outcome.info and outcome.info["encryption"] == "repokey-blake2"
    assert outcome.info["repository_id"] in (world.repository / "config").read_text()
    assert outcome.gate.received > 0


def test_open_reads_but_never_writes_and_ends_by_itself(world: World) -> None:
    outcome = world.session("open", open_for=10)
    assert came_to(outcome) == OK, outcome.log_tail
    assert not outcome.changed
    tried = json.loads((world.own / "open.json").read_text())
    assert tried["list"] == 0 and tried["create"] != 0
    assert 10 <= outcome.duration < 60


def test_open_outlives_the_idle_deadline(world: World) -> None:
    world.write(idle_timeout=1)
    assert came_to(world.session("open", open_for=8)) == OK


def test_open_ends_also_when_the_client_does_not(world: World) -> None:
    world.dispatch("hang_after_hello")
    world.write(close_timeout=1)
    outcome = world.session("open", open_for=1)
    assert outcome.conclusion.code == "close_timeout"
    assert outcome.duration < 15


@pytest.mark.skipif(not IS_ROOT, reason="NOT TESTED: who a process runs as; only root can change users")
def test_ssh_and_gate_run_as_their_users(world: World) -> None:
    world.dispatch("hang_in_transfer")
    session = world.start_session()
    try:
        assert wait_until(lambda: len(world.server_processes()) == 2, 60), world.server_processes()
        users = {os.path.basename(argv[0]): owner for argv, owner in world.server_owners()}
        assert users["ssh"] == LOGIN_USER
        assert users["python3"] == REPOSITORY_USER
    finally:
        session.kill()
        session.communicate()
    assert_next_session_works(world)


def test_a_restore_brings_back_the_bytes(world: World, tmp_path: Path) -> None:
    content = (world.own / "source/file").read_bytes()
    assert came_to(world.session("backup")) == OK
    (world.own / "source/file").unlink()
    (world.own / "extract").mkdir()
    assert came_to(world.session("open", open_for=12)) == OK
    found = next((world.own / "extract").rglob("file"))
    assert found.read_bytes() == content
    shutil.rmtree(world.own / "extract")


def test_logs_rotate(world: World) -> None:
    world.write(log_keep=2)
    world.dispatch("polite")
    for _ in range(3):
        world.session("open")
    assert len(list((world.path / "log" / CLIENT).iterdir())) == 2
