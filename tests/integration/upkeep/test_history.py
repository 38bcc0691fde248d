# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Audit, compaction, freeze and rollback by their modules, on repositories that real sessions made."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import (
    AuditEntry,
    CompactionEntry,
    RollbackEntry,
    SessionEntry,
    UnfreezeEntry,
)
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.schema import STATEMENTS
from btrfs_volume import btrfs_volume
from keeper import Keeper
from session_world import CLIENT, OK, assert_next_session_works, came_to, run
from tool import ROOT
from zfs_fuse import missing, zfs_fuse


@pytest.fixture
def attacked(keeper: Keeper) -> Keeper:
    """Somebody with the key deleted everything, and the next session noticed."""
    assert keeper.borg("delete", "-a", "*").returncode == 0
    outcome = keeper.world.session("backup")
    assert outcome.conclusion.code == "alarm" and "stored objects were deleted" in outcome.conclusion.reason
    return keeper


def segments(keeper: Keeper) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (keeper.repository / "data").rglob("*") if path.is_file()}


def assert_all_restore(keeper: Keeper) -> None:
    for identifier, content in keeper.contents.items():
        assert keeper.restored(identifier) == content


def test_the_cycle_of_trim_hold_and_compaction(keeper: Keeper) -> None:
    newest = list(keeper.contents)[-1]
    assert keeper.module("compact")["waiting"] == "no trim waits for it"
    assert came_to(keeper.maintain()) == OK
    held = keeper.module("compact", hold_days=1)
    assert not held["changed"] and held["waiting"].startswith("what was deleted is held until")
    keeper.world.write(hold_days=0)
    assert keeper.module("compact", hold_days=1)["waiting"].startswith("what was deleted is held until")
    refused = keeper.module("compact")
    assert refused["failed"] and refused["code"] == "refused" and "limit_ratio" in refused["msg"]
    refused = keeper.module("compact", limit_ratio=0.9, limit_bytes=600_000)
    assert refused["code"] == "refused" and "600000 are allowed" in refused["msg"]
    before = segments(keeper)
    told = keeper.module("compact", limit_ratio=0.9, check=True)
    assert told["changed"] and 600_000 < told["freeable"] < told["size"] and segments(keeper) == before
    done = keeper.module("compact", limit_ratio=0.9)
    assert done["changed"] and done["size"] - done["size_after"] > 600_000
    assert done["duration"] > 0 and done["began"] <= done["ended"]
    (entry,) = keeper.entries("compaction")
    assert isinstance(entry, CompactionEntry) and entry.size_after == done["size_after"]
    assert keeper.restored(newest) == keeper.contents[newest]
    assert keeper.module("compact")["changed"] is False

    added = keeper.backup(7)
    outcome = keeper.maintain()
    assert came_to(outcome) == OK and outcome.maintain and outcome.maintain["deleted"] == [newest]
    assert set(keeper.listed()) == {added}
    refused = keeper.module("rollback", transaction=0, reason="too far")
    assert refused["code"] == "refused" and "use a snapshot" in refused["msg"]


def test_from_delete_all_to_a_whole_history(attacked: Keeper) -> None:
    keeper = attacked
    last = list(keeper.contents)[-1]
    kept, nonce = keeper.transaction(last), keeper.nonce()
    before = segments(keeper)
    for limits in ({}, {"limit_ratio": 1.0}):
        refused = keeper.module("compact", **limits)
        assert refused["failed"] and refused["code"] == "frozen", refused
    assert keeper.maintain().conclusion.code == "frozen"
    assert segments(keeper) == before

    lifted = keeper.module("unfreeze", reason="rolling back", by="alice")
    assert lifted["changed"] and lifted["frozen"].startswith("ALARM")
    assert keeper.entries("unfreeze") == [UnfreezeEntry(CLIENT, "rolling back", "alice")]
    assert not keeper.module("unfreeze", reason="again", by="alice")["changed"]
    refused = keeper.module("compact", limit_ratio=1.0)
    assert refused["code"] == "alarm" and "archives that nobody let go are not in the repository" in refused["msg"]

    told = keeper.module("rollback", transaction=kept, reason="stolen key", check=True)
    assert told["changed"] and not told["evidence"] and segments(keeper) == before
    done = keeper.module("rollback", transaction=kept, reason="stolen key")
    assert not done.get("failed"), done
    (came,) = [
        entry.came for entry in keeper.entries("session") if isinstance(entry, SessionEntry) and entry.code == "alarm"
    ]
    assert (done["lost"], done["restored"]) == ([came], []), (
        "the archive of the session that saw the alarm goes with it"
    )
    evidence = Path(done["evidence"])
    assert {path.name: path.read_bytes() for path in (evidence / "data").rglob("*") if path.is_file()} == before
    assert keeper.nonce() >= nonce
    assert keeper.entries("rollback") == [RollbackEntry(CLIENT, "stolen key", (came,), kept)]

    keeper.forget(done["repository_id"])
    assert_all_restore(keeper)
    assert keeper.borg("check", "--verify-data").returncode == 0
    keeper.backup(9)
    assert keeper.module("audit", full=True)["verdict"] == "clean"
    assert_all_restore(keeper)


def test_the_playbooks_do_all_steps(attacked: Keeper) -> None:
    keeper = attacked
    kept = keeper.transaction(list(keeper.contents)[-1])
    assert "name the client by --limit" in keeper.play("rollback", backup_rollback_transaction=kept).stdout
    told = keeper.play("compact")
    assert "is frozen since" in told.stdout
    assert keeper.report().startswith(f"FROZEN: {CLIENT} is frozen since ")
    why = {"backup_reason": "stolen key", "backup_rollback_transaction": kept}
    for playbook, more in (("rollback", ["--check"]), ("rollback", []), ("unfreeze", []), ("audit", [])):
        done = keeper.play(playbook, "--limit", CLIENT, *more, backup_by="alice", **why)
        assert done.returncode == 0, done.stdout + done.stderr
    shutil.rmtree(keeper.world.path / "attacker")
    assert len(keeper.entries("rollback")) == 1
    assert keeper.entries("unfreeze") == [UnfreezeEntry(CLIENT, "stolen key", "alice")]
    keeper.backup(8)
    assert_all_restore(keeper)
    done = keeper.play("maintain")
    assert done.returncode == 0 and "changed=1" in done.stdout, done.stdout
    assert re.search(r": maintain SUCCESS\n1 client maintained, \d archives? deleted\.\n", keeper.report())
    assert "is held until" in keeper.play("compact").stdout
    assert f"\nWAITING\n  {CLIENT}: what was deleted is held until " in keeper.report()


def test_backups_would_not_go_on_without_forgetting(attacked: Keeper) -> None:
    keeper = attacked
    kept = keeper.transaction(list(keeper.contents)[-1])
    assert not keeper.module("rollback", transaction=kept, reason="stolen key").get("failed")
    outcome = keeper.world.session("backup")
    assert outcome.conclusion.code == "client_failed" and "newer than" in outcome.conclusion.reason


def test_a_rollback_to_a_copy_carries_the_nonce_forward(keeper: Keeper, tmp_path: Path) -> None:
    snapshot = tmp_path / "snapshot"
    shutil.copytree(keeper.repository, snapshot)
    early = dict(keeper.contents)
    late = keeper.backup(5)
    nonce = keeper.nonce()
    assert nonce > int((snapshot / "nonce").read_text(), 16)
    (keeper.repository / "nonce").write_text(f"{0:016x}")  # As an attacker would, to have nonces used twice.
    done = keeper.module("rollback", snapshot=str(snapshot), reason="the disk was wiped")
    assert not done.get("failed"), done
    assert done["lost"] == [late] and keeper.nonce() == nonce
    assert keeper.known() == set(early)
    keeper.contents = early
    keeper.forget(done["repository_id"])
    keeper.backup(6)
    assert_all_restore(keeper)
    assert late not in keeper.listed()


NAS = """#!/bin/sh
exec {python} -I {lib} --config {folder}/nas.json "$@"
"""


def install_nas(folder: Path, **config: str) -> Path:
    """Install the NAS's program where the role has it on a TrueNAS; return it, with an inventory beside it."""
    (folder / "nas.json").write_text(json.dumps({"schema": 1, "hold_days": 14, "copies": [], **config}))
    own = folder / "backup-nas"
    own.mkdir()
    lib = ROOT / "roles/backup_nas/files/lib"
    (own / "paranoid-backup-nas").write_text(NAS.format(python=sys.executable, lib=lib, folder=folder))
    (own / "paranoid-backup-nas").chmod(0o755)
    where = {"backup_nas_backend": "core_iocage", "backup_nas_dataset": os.path.relpath(own, "/mnt")[:-4]}
    hosts = {"nas1": {"ansible_connection": "local", **where}}
    (own / "hosts.json").write_text(json.dumps({"backup_nas": {"hosts": hosts}}))
    return own / "paranoid-backup-nas"


def go_back(keeper: Keeper, nas: Path, snapshot: str, *more: str) -> subprocess.CompletedProcess[str]:
    """Go back to a snapshot of the NAS."""
    words = {"backup_reason": "wiped", "backup_rollback_nas_snapshot": snapshot}
    return keeper.play("rollback", "-i", str(nas.parent / "hosts.json"), "--limit", CLIENT, *more, **words)


@pytest.fixture
def nas(keeper: Keeper, tmp_path: Path) -> Iterator[Path]:
    """The client's directory as a subvolume of a NAS with btrfs, and the program."""
    with btrfs_volume(tmp_path) as volume:
        client = keeper.repository.parent
        for name in ("backup", f"backup/{client.name}"):
            run("btrfs", "subvolume", "create", volume / name)
        run("cp", "-a", f"{client}/.", volume / "backup" / client.name)
        run("mount", "--bind", volume / "backup" / client.name, client)
        yield install_nas(tmp_path, storage="btrfs", dataset=f"{volume}/backup")
        run("umount", client)


def assert_gone_back(keeper: Keeper, early: dict[str, bytes], late: str, nonce: int) -> None:
    """The late archive alone is lost, and the nonce carried forward; what came before, and another backup, restores."""
    assert [entry.lost for entry in keeper.entries("rollback") if isinstance(entry, RollbackEntry)] == [(late,)]
    assert keeper.nonce() == nonce
    shutil.rmtree(keeper.world.path / "attacker", ignore_errors=True)
    keeper.contents = early
    keeper.backup(6)
    assert_all_restore(keeper)
    assert late not in keeper.listed()


@pytest.mark.skipif(os.geteuid() != 0, reason="NOT TESTED: a snapshot of btrfs needs root")
def test_a_rollback_to_a_snapshot_of_the_nas_is_one_playbook(keeper: Keeper, nas: Path) -> None:
    """Named, shown, gone back to with the nonce carried forward, taken away again; one that is gone changes nothing."""
    taken = subprocess.run([nas, "daily"], check=True, capture_output=True, text=True).stdout.split("@")[1].strip()
    early = dict(keeper.contents)
    late = keeper.backup(5)
    nonce, before = keeper.nonce(), segments(keeper)
    (keeper.repository / "nonce").write_text(f"{0:016x}")
    gone = go_back(keeper, nas, "paranoid-20200101T000000Z-daily")
    said = " ".join(gone.stdout.split())
    assert gone.returncode == 2 and f"choose one of {taken}" in said and "20200101T000000Z" in said, said
    told = go_back(keeper, nas, taken, "--check")
    assert told.returncode == 0 and late in told.stdout, told.stdout
    assert segments(keeper) == before and keeper.entries("rollback") == []
    done = go_back(keeper, nas, taken)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not (keeper.repository.parent / "snapshot").exists()
    assert_gone_back(keeper, early, late, nonce)


@pytest.mark.skipif(missing() != "", reason=f"NOT TESTED: {missing()}")
def test_a_rollback_to_a_snapshot_of_zfs_is_one_playbook(keeper: Keeper, tmp_path: Path) -> None:
    """In the pool's own mount namespace, where what sessions left outside is brought, and back from there."""
    client, early = keeper.repository.parent, dict(keeper.contents)
    with zfs_fuse(tmp_path) as host:
        host.make_pool("nas")
        place = f"{tmp_path}/srv/{client.name}"
        host.read("zfs", "create", "-o", f"mountpoint={tmp_path}/srv", "nas/backup")
        host.read("zfs", "create", f"nas/backup/{client.name}")
        host.read("cp", "-a", f"{client}/.", place)
        nas = install_nas(tmp_path, dataset="nas/backup")
        taken = host.read(nas, "daily").split("@")[1].strip()
        late, nonce = keeper.backup(5), keeper.nonce()
        host.read("sh", "-c", f"cp -a {client}/. {place} && mount --bind {place} {client}")
        host.read("sh", "-c", f"echo {0:016x} >{place}/repo/nonce")
        keeper.inside = host.inside()
        done = go_back(keeper, nas, taken)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "restore" not in host.read("zfs", "list", "-H", "-o", "name")
        host.read("sh", "-c", f"umount {client} && find {client} -mindepth 1 -delete && cp -a {place}/. {client}")
    assert_gone_back(keeper, early, late, nonce)


def test_an_older_copy_of_the_disk_has_one_way_back(keeper: Keeper, tmp_path: Path) -> None:
    """Unfreezing alone would leave a client whose every backup fails; so it names what comes first."""
    copy = tmp_path / "copy"
    shutil.copytree(keeper.repository, copy)
    early = dict(keeper.contents)
    at = keeper.transaction(list(early)[-1])
    late = [keeper.backup(5), keeper.backup(6)]
    nonce = keeper.nonce()
    owner, group = keeper.repository.owner(), keeper.repository.group()
    shutil.rmtree(keeper.repository)
    shutil.copytree(copy, keeper.repository)
    shutil.chown(keeper.repository, owner, group)
    keeper.give_back()
    assert keeper.world.session("backup").conclusion.code == "alarm"
    why = {"backup_reason": "disk restored", "backup_by": "alice"}
    refused = keeper.play("unfreeze", "--limit", CLIENT, **why)
    said = " ".join(refused.stdout.split())
    assert refused.returncode == 2 and f"-e backup_rollback_transaction={at}" in said, said
    done = keeper.play("rollback", "--limit", CLIENT, backup_rollback_transaction=at, **why)
    assert done.returncode == 0, done.stdout
    assert [entry.lost for entry in keeper.entries("rollback") if isinstance(entry, RollbackEntry)] == [tuple(late)]
    assert keeper.nonce() >= nonce, "what was encrypted with the late nonces may still be somewhere"
    assert keeper.play("unfreeze", "--limit", CLIENT, **why).returncode == 0
    keeper.contents = early
    keeper.backup(7)
    assert_all_restore(keeper)
    assert keeper.module("audit", full=True)["verdict"] == "clean"


def test_what_a_trim_deleted_comes_back_with_a_rollback(keeper: Keeper) -> None:
    dropped = sorted(list(keeper.contents)[:2])
    kept = keeper.transaction(list(keeper.contents)[-1])
    assert came_to(keeper.maintain()) == OK
    done = keeper.module("rollback", transaction=kept, reason="wrong rules")
    assert not done.get("failed"), done
    assert done["restored"] == dropped and keeper.known() == set(keeper.contents)
    keeper.forget(done["repository_id"])
    assert_all_restore(keeper)
    assert keeper.module("compact")["waiting"] == "no trim waits for it"


@pytest.mark.parametrize(
    ("where", "why"),
    [({"transaction": 10_000}, "has no transaction"), ({"snapshot": "/etc"}, "holds no copy")],
)
def test_a_target_that_is_none_changes_nothing(keeper: Keeper, where: dict[str, object], why: str) -> None:
    before = segments(keeper)
    refused = keeper.module("rollback", reason="try", **where)
    assert refused["failed"] and why in refused["msg"], refused
    assert segments(keeper) == before and keeper.entries("rollback") == []


def test_damage_is_told_from_tampering_and_freezes(keeper: Keeper) -> None:
    assert keeper.module("audit")["verdict"] == "clean"
    biggest = max((keeper.repository / "data").rglob("*"), key=lambda path: path.stat().st_size)
    content = bytearray(biggest.read_bytes())
    content[len(content) // 2] ^= 1
    biggest.write_bytes(content)
    found = keeper.module("audit", full=True, check=True)
    assert found["failed"] and found["verdict"] == "alarm" and not found["changed"]
    found = keeper.module("audit", full=True)
    assert found["changed"] and [f"damage: segment {biggest.name}" in one for one in found["findings"]] == [True]
    last = keeper.entries("audit")[-1]
    assert isinstance(last, AuditEntry) and last.verdict == "alarm"
    assert keeper.maintain().conclusion.code == "frozen"
    assert keeper.module("compact")["code"] == "frozen"


def test_an_open_session_keeps_everybody_else_out(keeper: Keeper) -> None:
    keeper.world.dispatch("hang_after_hello")
    lock = keeper.world.run_dir / "locks" / CLIENT
    lock.write_text("")  # it has the words of the last session, whose lock is gone
    session = keeper.world.start_session("backup")
    try:
        while not lock.read_text().startswith("session"):
            assert session.poll() is None
        for module in ("audit", "compact"):
            assert keeper.module(module)["code"] == "locked"
    finally:
        session.kill()
        session.communicate()
    assert_next_session_works(keeper.world)


def test_a_broken_chain_is_an_alarm_and_nothing_is_deleted(keeper: Keeper) -> None:
    """Somebody wrote into the ledger; backups go on, and their archives are known as ever."""
    with closing(sqlite3.connect(keeper.world.path / "state/ledger.sqlite")) as connection:
        (trigger,) = [statement for statement in STATEMENTS if "TRIGGER entries_stay" in statement]
        connection.execute("DROP TRIGGER entries_stay")
        connection.execute("DELETE FROM entries WHERE seq = (SELECT max(seq) FROM entries)")
        connection.execute(trigger)
        connection.commit()
    outcome = keeper.world.session("backup")
    assert outcome.conclusion.code == "alarm" and "was tampered with" in outcome.conclusion.reason
    assert outcome.ledger is None, "nobody shall note the head of a ledger that is not whole"
    assert outcome.archive and outcome.archive["id"] in keeper.known()
    assert outcome.frozen is None and keeper.entries("freeze") == []
    assert keeper.maintain().conclusion.code == "alarm"
    for module, check in (("compact", False), ("audit", False), ("audit", True)):
        refused = keeper.module(module, check=check)
        assert refused["code"] == "alarm" and "was tampered with" in refused["msg"], refused
    assert len(keeper.listed()) == 4
    (keeper.world.path / "state/ledger.sqlite.head").unlink()  # A person looked, and says that it is right.
    assert came_to(keeper.maintain()) == OK
