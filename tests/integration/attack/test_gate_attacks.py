# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Attacks on a client's own history, straight at gate and audit: what each got, what was said, and that history stays.

After every attack the earlier archives are restored byte for byte, from the repository as it is and again after a
compaction that frees all it can; only where the audit froze the repository is it first rolled back to the baseline.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fake_repository
import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._audit.incremental import audit
from history import assert_history_stays, baseline_of, disk_use, roll_back
from hostile import MANIFEST_ID, Closed, Hostile, Refusal
from real import Borg, Gate

NEW = b"n" * 32


@dataclass(frozen=True, slots=True)
class Attack:
    """``says``: a word of the gate's refusals or of its end, empty when it lets pass; ``verdict`` of the audit."""

    name: str
    run: Callable[[Hostile], object]
    says: str
    verdict: str = "clean"
    options: tuple[str, ...] = ()
    hello: dict[str, Any] | None = None


def attempt(client: Hostile, method: str, **arguments: Any) -> Any:
    with suppress(Refusal):
        return client.call(method, **arguments)
    return None


def every_object(client: Hostile) -> list[bytes]:
    return list(client.call("list", limit=10_000))


def delete_all(client: Hostile) -> None:
    for key in every_object(client):
        attempt(client, "delete", id=key)
    attempt(client, "commit", compact=False)


def overwrite_all(client: Hostile) -> None:
    for key in every_object(client):
        if key != MANIFEST_ID:
            attempt(client, "put", id=key, data=os.urandom(100))
    attempt(client, "commit", compact=False)


def overwrite_all_in_their_sizes(client: Hostile) -> None:
    for key in every_object(client):
        if key != MANIFEST_ID:
            client.call("put", id=key, data=os.urandom(len(client.call("get", id=key))))
    client.call("put", id=NEW, data=b"new")
    client.call("commit", compact=False)


def write_beyond_the_quota(client: Hostile) -> None:
    with pytest.raises(Closed):
        for number in range(1, 1000):
            client.post("put", id=number.to_bytes(32, "little"), data=os.urandom(100_000))


def exhaust_nonces(client: Hostile) -> None:
    free = client.call("get_free_nonce")
    attempt(client, "commit_nonce_reservation", next_unreserved=2**64 - 2, start_nonce=free)
    attempt(client, "commit_nonce_reservation", next_unreserved=0, start_nonce=free)
    for _ in range(20):
        free = client.call("get_free_nonce")
        attempt(client, "commit_nonce_reservation", next_unreserved=free + 2**38, start_nonce=free)


def garbage_manifest(client: Hostile) -> None:
    client.call("put", id=MANIFEST_ID, data=os.urandom(200))
    client.call("commit", compact=False)


def flood_of_commits(client: Hostile) -> None:
    for number in range(1, 300):
        attempt(client, "put", id=number.to_bytes(32, "little"), data=b"")
        attempt(client, "commit", compact=False)


def two_gigabytes(client: Hostile) -> None:
    with pytest.raises(Closed):
        client.send(b"\x83\xa1i\x01\xa1m\xa3put\xa1a\x82\xa2id\xa1x\xa4data\xdb\x7f\xff\xff\xff")
        for _ in range(2048):
            client.send(bytes(2**20))


def calls(*made: tuple[str, dict[str, Any]]) -> Callable[[Hostile], None]:
    def run(client: Hostile) -> None:
        for method, arguments in made:
            attempt(client, method, **arguments)

    return run


def delete_one(client: Hostile) -> None:
    attempt(client, "delete", id=next(key for key in every_object(client) if key != MANIFEST_ID))
    attempt(client, "commit", compact=False)


COMMIT = ("commit", {"compact": False})


def flood_of_empty_objects(client: Hostile) -> None:
    for number in range(1, 20_000):
        client.call("put", id=fake_repository.key(number), data=b"")
        if number % 1000 == 0:
            client.call("commit", compact=False)


ATTACKS = [
    Attack("delete one object", delete_one, "deleting what is already stored"),
    Attack("delete everything", delete_all, "deleting what is already stored"),
    Attack("overwrite everything", overwrite_all, "overwriting what is already stored"),
    Attack("overwrite everything by as many bytes", overwrite_all_in_their_sizes, ""),
    Attack("wipe the key", calls(("save_key", {"keydata": b""})), "save_key"),
    Attack("inject a line into config", calls(("save_key", {"keydata": b"x\rappend_only = 0"})), "save_key"),
    Attack("break locks", calls(("break_lock", {})), "break_lock"),
    Attack("create", calls(("open", {"create": True, "path": "/new"})), "opening twice"),
    Attack("destroy", calls(("destroy", {})), "destroy"),
    Attack("repair", calls(("check", {"repair": True})), "repair"),
    Attack("compact", calls(("put", {"id": NEW, "data": b"x"}), ("commit", {"compact": True})), "compaction"),
    Attack("cleanup", calls(("commit", {"cleanup_commits": True, "threshold": 0})), "compaction"),
    Attack("write without a lock", calls(("put", {"id": NEW, "data": b"x"}), COMMIT), "lock", hello={"lock": False}),
    Attack("exhaust and lower nonces", exhaust_nonces, "moving the nonce"),
    Attack("write beyond the quota", write_beyond_the_quota, "quota", options=("--quota", "5000000")),
    Attack("a flood of commits", flood_of_commits, "quota", options=("--quota", "2000000")),
    Attack("a flood of empty objects", flood_of_empty_objects, "quota", options=("--quota", "2000000")),
    Attack("a message of 2 GB", two_gigabytes, "protocol"),
    Attack("half a message", lambda client: client.send(b"\x83\xa1i\x01\xa1m\xa3pu"), ""),
    Attack("rubbish", lambda client: client.send(os.urandom(64)), ""),
    Attack("garbage from now on", calls(("put", {"id": NEW, "data": b"x" * 1000}), COMMIT), ""),
    Attack("a manifest that omits archives", garbage_manifest, "", "alarm"),
]


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_history_survives(borg: Borg, attack: Attack) -> None:
    baseline = baseline_of(borg)
    gate = Gate("append", borg.repository, *attack.options)
    gate.client.hello(**(attack.hello or {}))
    with suppress(Closed, Refusal):
        attack.run(gate.client)
    report = gate.finish()
    said = [event["detail"] for event in report if event["event"] == "refused"] + [str(report[-1]["reason"])]
    assert any(attack.says in detail for detail in said), said
    assert (report[-1]["refused"] > 0) is (attack.says not in ("", "protocol")), report[-1]
    if "--quota" in attack.options:
        assert disk_use(borg.repository) <= int(attack.options[-1])
    verdict, _ = audit(str(borg.repository), baseline, "append")
    assert verdict.verdict == attack.verdict, verdict.findings
    if verdict.verdict == "alarm":
        roll_back(borg, baseline)
    assert_history_stays(borg)


STOCK = {
    "delete": ("delete", "::one"),
    "delete all": ("delete", "--glob-archives", "*"),
    "delete the repository": ("delete",),
    "prune": ("prune", "--keep-last", "1"),
    "rename": ("rename", "::one", "uno"),
    "recreate": ("recreate", "--comment", "x", "::one"),
    "compact": ("compact", "--threshold", "0"),
    "change-passphrase": ("key", "change-passphrase"),
    "break-lock": ("break-lock",),
    "check --repair": ("check", "--repair"),
}


@pytest.mark.parametrize("command", STOCK.values(), ids=STOCK)
def test_history_survives_stock_borg(borg: Borg, command: tuple[str, ...]) -> None:
    baseline = baseline_of(borg)
    done = borg.run("append", *command)
    assert "the backup server's policy 'append' does not allow" in done.stderr
    assert audit(str(borg.repository), baseline, "append")[0].verdict == "clean"
    assert_history_stays(borg)


OMITTING = """
import os, sys
from borg.archive import Archive
from borg.archiver import main
def omit(self, *_, **__):
    self.manifest.archives.pop(self.name)
    self.manifest.config[b"padding"] = os.urandom({})
Archive.delete = omit
sys.argv = ["borg", "delete", "::one"]
main()
"""


def omit_an_archive(borg: Borg, padding: int) -> None:
    """Write a manifest with the key, by a Borg whose `delete` takes the archive off the list and deletes no object."""
    argv = [sys.executable, "-c", OMITTING.format(padding)]
    done = subprocess.run(argv, env=borg.environment("append"), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert borg.local("list", "--short").stdout.split() == ["two"]


def test_a_real_manifest_that_omits_an_archive_is_an_alarm(borg: Borg) -> None:
    baseline = baseline_of(borg)
    omit_an_archive(borg, 0)
    verdict, _ = audit(str(borg.repository), baseline, "append")
    assert verdict.verdict == "alarm"
    assert "the list of archives shrank" in verdict.findings[0]
    roll_back(borg, baseline)
    assert_history_stays(borg)


def test_a_manifest_that_is_padded_takes_the_list_and_no_archive(borg: Borg) -> None:
    """Its size says nothing any more. But nobody can delete the objects, and whoever has the key finds them again."""
    baseline = baseline_of(borg)
    omit_an_archive(borg, 60)
    assert audit(str(borg.repository), baseline, "append")[0].verdict == "clean"
    assert borg.local("compact", "--threshold", "0").returncode == 0
    assert borg.local("list", "--short").stdout.split() == ["two"]
    assert borg.local("debug", "delete-obj", "::", MANIFEST_ID.hex()).returncode == 0
    done = borg.local("check", "--repair")
    assert set(borg.local("list", "--short").stdout.split()) == {"one", "two"}, done.stderr
    assert_history_stays(borg)


def test_an_older_manifest_sent_again_is_an_alarm(borg: Borg) -> None:
    gate = Gate("read", borg.repository)
    gate.client.hello()
    older = gate.client.call("get", id=MANIFEST_ID)
    gate.finish()
    assert borg.run("append", "create", "::three", "tree").returncode == 0
    baseline = baseline_of(borg)
    gate = Gate("append", borg.repository)
    gate.client.hello()
    gate.client.call("put", id=MANIFEST_ID, data=older)
    gate.client.call("commit", compact=False)
    gate.finish()
    verdict, _ = audit(str(borg.repository), baseline, "append")
    assert "the list of archives shrank" in verdict.findings[0]
    roll_back(borg, baseline)
    assert borg.local("list", "--short").stdout.split() == ["one", "two", "three"]
    assert_history_stays(borg)


def test_another_clients_repository_is_out_of_reach(borg: Borg, origin: Borg, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in origin.repository.rglob("*") if path.is_file()}
    (tmp_path / "link").symlink_to(origin.repository)
    own = (borg.repository / "config").stat().st_ino
    for path in (str(origin.repository), str(tmp_path / "link"), f"/x/../{origin.repository}", "~", b"\xff"):
        gate = Gate("append", borg.repository)
        gate.client.hello(path=path)
        gate.client.call("put", id=os.urandom(32), data=os.urandom(10))
        gate.client.call("commit", compact=False)
        assert gate.finish()[-1]["commits"] == 1
        assert audit(str(borg.repository), None, "append")[0].verdict == "clean"
    assert {path: path.read_bytes() for path in origin.repository.rglob("*") if path.is_file()} == before
    assert (borg.repository / "config").stat().st_ino == own
    assert_history_stays(borg)


def test_a_second_connection_cannot_write_beside_the_first(borg: Borg) -> None:
    first, second = Gate("append", borg.repository), Gate("append", borg.repository)
    first.client.hello()
    second.client.negotiate()
    with pytest.raises(Refusal, match="LockTimeout"):
        second.client.open(lock_wait=0)
    for gate in (first, second):
        gate.finish()
    assert not list(borg.repository.glob("lock.*"))
    assert_history_stays(borg)
