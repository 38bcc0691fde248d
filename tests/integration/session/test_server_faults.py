# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ways in which the server itself is not fit for a session."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._common.locks import port_lock
from session_world import CLIENT, IS_ROOT, OK, STRANGER, World, assert_next_session_works, came_to, failed
from waiting import wait_until

OTHER_ID = "0123456789abcdef" * 4


def test_repository_directory_is_missing(world: World) -> None:
    shutil.rmtree(world.repository)
    code, reason = failed(world)
    assert code == "repository_missing"
    assert str(world.repository) in reason


def test_repository_is_empty(world: World) -> None:
    for path in world.repository.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert failed(world)[0] == "repository_missing"


def test_after_a_lost_history_a_new_repository_begins_anew(world: World) -> None:
    """A person moved both aside, for good: what the ledger knows of before is missed no more."""
    assert came_to(world.session("backup")) == OK
    for path in world.repository.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    (world.path / "state" / CLIENT).rename(world.path / "state-lost")
    made = world.session("create")
    assert came_to(made) == OK and made.changed, made.conclusion
    assert came_to(world.session("info")) == OK
    assert_next_session_works(world)


@pytest.mark.parametrize("which", ["repo", CLIENT])
def test_repository_is_replaced_by_a_symlink(world: World, which: str) -> None:
    path = world.repository if which == "repo" else world.repository.parent
    path.rename(path.parent / "elsewhere")
    path.symlink_to("elsewhere")
    code, reason = failed(world)
    assert code == "wrong_repository"
    assert "somebody replaced it" in reason


@pytest.mark.skipif(not IS_ROOT, reason="NOT TESTED: a repository of another user; only root can give files away")
def test_repository_belongs_to_another_user(world: World) -> None:
    shutil.chown(world.repository, STRANGER)
    assert failed(world)[0] == "wrong_repository"


def test_repository_is_another_clients(world: World) -> None:
    config = world.repository / "config"
    lines = config.read_text().splitlines()
    config.write_text("\n".join(f"id = {OTHER_ID}" if line.startswith("id = ") else line for line in lines) + "\n")
    code, reason = failed(world)
    assert code == "wrong_repository"
    assert f"holds repository {OTHER_ID[:12]}, but web1 has " in reason


def test_repository_config_that_would_block_or_lead_away(world: World) -> None:
    config = world.repository / "config"
    config.rename(world.path / "config")
    os.mkfifo(config)
    signal.alarm(5)  # The engine would wait for ever in open(2), before any of its deadlines.
    try:
        assert failed(world)[0] == "wrong_repository"
    finally:
        signal.alarm(0)
    config.unlink()
    config.symlink_to(world.path / "config")
    assert failed(world)[0] == "wrong_repository"


def test_nothing_is_mounted(world: World) -> None:
    world.write(require_mount=True)
    code, reason = failed(world)
    assert code == "not_mounted"
    assert str(world.path / "srv") in reason


def test_client_has_no_repository_yet(bare: World) -> None:
    code, reason = failed(bare)
    assert code == "not_provisioned"
    assert reason.startswith("web1 has no repository yet: run site.yml for it")


@pytest.mark.parametrize(
    ("client", "words"),
    [("web2", "client web2 is not provisioned"), ("../web1", "not a valid name"), ("", "not a valid name")],
)
def test_unknown_client(world: World, client: str, words: str) -> None:
    code, reason = failed(world, client=client)
    assert code == "not_provisioned"
    assert words in reason


def test_record_of_the_wrong_type(world: World) -> None:
    world.write(port="22")
    code, reason = failed(world)
    assert code == "not_provisioned"
    assert "port is of the wrong type" in reason


def test_user_does_not_exist(world: World) -> None:
    world.write(login_user="nobody-here")
    assert failed(world)[0] == "not_provisioned"


def test_gate_cannot_start(world: World) -> None:
    world.write(python="/nonexistent/python3")
    code, reason = failed(world)
    assert code == "server_error"
    assert "/nonexistent/python3" in reason


def test_gate_fails_at_once(world: World) -> None:
    world.write(lib_dir="/nonexistent/lib")
    code, reason = failed(world)
    assert code == "server_error"
    assert reason == "the gate failed: the gate ended without its report"


def test_all_slots_are_taken(world: World) -> None:
    world.write(slots=1, total_timeout=1)
    (world.run_dir / "slots").mkdir(parents=True)
    with (world.run_dir / "slots/0").open("w") as taken:
        fcntl.flock(taken, fcntl.LOCK_EX)
        outcome = world.session("backup")
    assert came_to(outcome) == ("failed", "no_slot", "all 1 slots of the server stayed taken for 1 s")
    world.write(total_timeout=90)
    assert_next_session_works(world)


def test_second_session_on_one_client(world: World) -> None:
    world.dispatch("hang_after_hello")
    first = world.start_session()
    assert wait_until(lambda: len(world.server_processes()) == 1)
    outcome = world.session("info")
    assert outcome.conclusion.code == "locked"
    assert "another session of web1 is under way (session " in outcome.conclusion.reason
    assert first.poll() is None and len(world.server_processes()) == 1
    first.kill()
    world.result(first)
    assert wait_until(lambda: not world.server_processes())
    assert_next_session_works(world)


def test_a_host_with_one_port_serves_one_session(world: World) -> None:
    world.write(transport="ssh", total_timeout=1)
    with port_lock(str(world.run_dir), CLIENT, "session 12345678, for web2", 0):
        outcome = world.session("backup")
    assert outcome.conclusion.code == "locked" and "session 12345678, for web2" in outcome.conclusion.reason
    world.write(transport="socket", total_timeout=90)
    assert_next_session_works(world)


def test_log_directory_cannot_be_used(world: World) -> None:
    (world.path / "log").write_text("")
    code, reason = failed(world)
    assert code == "server_error"
    assert str(world.path / "log") in reason


def test_door_of_the_ssh_transport_is_gone_after_a_failure(world: World) -> None:
    world.write(transport="ssh", ssh_command="/nonexistent/ssh")
    assert failed(world)[0] == "server_error"


@pytest.fixture
def small(world: World) -> Iterator[Path]:
    """A file system of 8 MiB under the repository."""
    keep = world.path / "keep"
    world.repository.rename(keep)
    world.repository.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "none", str(world.repository)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("NOT TESTED: a full disk; this machine lets nobody mount a tmpfs")
    try:
        owner = keep.stat()
        subprocess.run(["cp", "-a", f"{keep}/.", str(world.repository)], check=True)
        os.chown(world.repository, owner.st_uid, owner.st_gid)
        world.repository.chmod(0o700)
        yield world.repository
    finally:
        subprocess.run(["umount", str(world.repository)], check=True)


def test_disk_is_full(world: World, small: Path) -> None:
    """By more than the client's own quota allows, which would come first."""
    world.write(quota=1024**3)
    world.grow(30)
    code, reason = failed(world)
    assert code == "disk_full"
    assert reason.startswith("the server's disk is full: free space on it")
    (world.own / "source/big").unlink()
    assert_next_session_works(world)


@pytest.mark.skipif(not IS_ROOT, reason="NOT TESTED: only root mounts a disk that is full")
def test_disk_of_the_ledger_and_of_the_logs_is_full(world: World) -> None:
    """Nothing can be recorded, so nothing is a success; a log alone is not worth a backup, but that is told."""
    assert came_to(world.session("backup")) == OK
    with full_disk(world.path / "log"):
        outcome = world.session("info")
        assert came_to(outcome) == OK and outcome.log_tail[-1].endswith("is not whole: No space left on device")
    with full_disk(world.path / "state") as filler:
        code, reason = failed(world)
        assert code == "server_error"
        assert "state/ledger.sqlite: no space left on its file system: free some, then run again" in reason
        filler.unlink()
        assert came_to(world.session("backup")) == OK


@contextmanager
def full_disk(place: Path) -> Iterator[Path]:
    """What a directory holds on a file system that has no byte to spare; yields the file that takes them all."""
    kept = place.with_name(f"{place.name}.kept")
    subprocess.run(["cp", "-a", place, kept], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", place], check=True)
    try:
        subprocess.run(["cp", "-a", f"{kept}/.", place], check=True)
        with suppress(OSError), (place / "filler").open("wb", buffering=0) as filler:
            while filler.write(b"x" * 4096):
                pass
        yield place / "filler"
    finally:
        subprocess.run(["umount", place], check=True)


def test_quota(world: World) -> None:
    world.grow(10)
    world.write(quota=2 * 1024**2)
    code, reason = failed(world)
    assert code == "quota"
    assert reason.startswith("web1 is at its quota on the server")
    world.write(quota=None)
    assert came_to(world.session("backup")) == OK


def test_fail_fast_skips_those_after_the_first_failure(world: World) -> None:
    world.dispatch("exits_127")
    assert failed(world, run_id="run-1", fail_fast=True)[0] == "no_dispatcher"
    world.dispatch("honest")
    skipped = world.session("backup", run_id="run-1", fail_fast=True)
    assert (skipped.conclusion.status, skipped.conclusion.code, skipped.changed) == ("skipped", "fail_fast", False)
    assert skipped.log == ""
    assert came_to(world.session("info", run_id="run-2", fail_fast=True)) == OK
    assert came_to(world.session("info", run_id="run-1")) == OK


def test_fail_fast_counts_a_client_that_is_not_provisioned(world: World) -> None:
    assert failed(world, client="web2", run_id="run-1")[0] == "not_provisioned"
    assert world.session("backup", run_id="run-1", fail_fast=True).conclusion.status == "skipped"
