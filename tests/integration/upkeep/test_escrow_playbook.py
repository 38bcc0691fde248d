# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""playbooks/escrow.yml: what is escrowed comes to the controller, and a person proves that it opens the backups."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._common.errors import SessionError
from ansible_collections.paranoid.backup.plugins.module_utils._escrow.collection import EscrowError
from ansible_collections.paranoid.backup.plugins.module_utils._escrow.proof import open_escrow, open_newest, prove
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import ForgetEntry, RehearsalEntry
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.forgetting import plan_forgetting
from ansible_collections.paranoid.backup.plugins.module_utils._upkeep.guarded import upkeep
from escrow_world import SECRET, ciphertexts, decrypt, entrust, make_identity
from keeper import BIN, Keeper
from session_world import CLIENT, World

RESTORING = {
    "hosts": "localhost",
    "gather_facts": False,
    "tasks": [
        {
            "paranoid.backup.escrow_restore": {
                "client": CLIENT,
                "escrows": "{{ escrows }}",
                "sample": "{{ sample }}",
                "identity": "{{ identity }}",
                "config_dir": "{{ place }}/etc",
                "base_dir": "{{ place }}/base",
                "key_file": True,
            }
        }
    ],
}


@pytest.fixture
def keeper(world: World) -> Keeper:
    made = Keeper(world)
    made.provision()
    return made


def play(keeper: Keeper, directory: Path, *options: str, **variables: Any) -> subprocess.CompletedProcess[str]:
    return keeper.play("escrow", *options, backup_escrow_dir=str(directory), backup_borg=str(BIN / "borg"), **variables)


def let_go(keeper: Keeper) -> subprocess.CompletedProcess[str]:
    """See in check mode whether a client may go that is off already, and so cannot make its last backup."""
    gone = {"backup_reason": "burned", "backup_decommission_backup": "false", "backup_keep_days": 1}
    return keeper.play("decommission", "--check", "--limit", CLIENT, **gone)


def test_ana_proves_that_she_can_open_it(keeper: Keeper, tmp_path: Path) -> None:
    identity, recipient = make_identity(tmp_path / "ana")
    entrust(keeper, ("ana", recipient))
    kept = tmp_path / "escrow"
    done = play(keeper, kept)
    assert done.returncode == 0, done.stdout
    assert "web1: escrowed for ana" in done.stdout
    refused = let_go(keeper)
    assert refused.returncode == 2 and "nobody has seen that the escrow of web1 opens" in " ".join(
        refused.stdout.split()
    )
    again = play(keeper, kept)
    assert "changed=0" in again.stdout and len(list((kept / CLIENT).glob("*.age"))) == 1
    proved = play(keeper, kept, "--tags", "prove", "-vvv", backup_identity=str(identity))
    assert proved.returncode == 0, proved.stdout
    assert "ana's identity opens the escrow, and Borg reads the list" in proved.stdout
    assert list(json.loads((kept / "rehearsals.json").read_text())["ana"]) == [CLIENT]
    assert let_go(keeper).returncode == 0, "the host is gone, and ana has seen that its escrow opens"
    key = next(line for line in (keeper.repository / "config").read_text().splitlines() if line.startswith("key = "))[
        6:
    ]
    for text in (done.stdout, again.stdout, proved.stdout, *(path.read_text() for path in kept.rglob("*.*"))):
        assert SECRET not in text and key not in text


def test_what_opens_nothing_is_told_in_a_line(keeper: Keeper, tmp_path: Path) -> None:
    _, recipient = make_identity(tmp_path / "ana")
    stranger, _ = make_identity(tmp_path / "mallory")
    entrust(keeper, ("ana", recipient))
    assert play(keeper, tmp_path / "escrow").returncode == 0
    told = play(keeper, tmp_path / "escrow", "--tags", "prove", backup_identity=str(stranger))
    assert told.returncode == 2 and "does not open it" in told.stdout and "Traceback" not in told.stdout
    assert not (tmp_path / "escrow/rehearsals.json").exists()


def encrypted(recipient: str, content: str) -> str:
    """Return an escrow such as a client could send, with something else in it."""
    argv = ["age", "-a", "-r", recipient]
    return subprocess.run(argv, input=content, capture_output=True, check=True, text=True).stdout


def test_rubbish_from_a_client_is_found_out_by_the_proof(keeper: Keeper, tmp_path: Path) -> None:
    """The client says ok and for whom it is; what is in there only a holder can know."""
    identity, recipient = make_identity(tmp_path / "ana")
    entrust(keeper, ("ana", recipient))
    keeper.world.session("escrow")
    sample = keeper.module("escrow_info")["sample"]
    (kept,) = ciphertexts(keeper)
    true = decrypt(kept, identity)
    assert true
    takes_not = "Borg does not take the escrow"
    cases = {
        "another passphrase": (json.dumps({**true, "passphrase": "wrong"}), takes_not),
        "another repository": (json.dumps({**true, "key": f"BORG_KEY {'0' * 64}\nabc"}), "of another repository"),
        "a damaged key": (json.dumps({**true, "key": true["key"][:-40]}), takes_not),
        "another client": (json.dumps({**true, "client": "db1"}), "it is of db1, not of web1"),
        "no escrow": ("x", "holds no passphrase"),
    }
    for name, (content, said) in cases.items():
        with pytest.raises(EscrowError) as told:
            prove(open_escrow(encrypted(recipient, content), str(identity)), CLIENT, sample, str(BIN / "borg"))
        assert said in str(told.value), (name, told.value)
        assert SECRET not in str(told.value) and true["key"].split()[2] not in str(told.value)
    prove(open_escrow(kept.read_text(), str(identity)), CLIENT, sample, str(BIN / "borg"))


def test_a_host_that_burned_gets_its_passphrase_back_and_nobody_sees_it(keeper: Keeper, tmp_path: Path) -> None:
    """The newest escrow is rubbish, as a client that was broken into may send: the one before is taken."""
    identity, recipient = make_identity(tmp_path / "ana")
    entrust(keeper, ("ana", recipient))
    keeper.world.session("escrow")
    found = keeper.module("escrow_info")
    rubbish = {**found["escrows"][0], "ciphertext": encrypted(recipient, json.dumps({"client": "x"}))}
    variables = {
        "escrows": [found["escrows"][0], rubbish],
        "sample": found["sample"],
        "identity": str(identity),
        "place": str(tmp_path / "new"),
    }
    (tmp_path / "play.yml").write_text(json.dumps([RESTORING]))
    (tmp_path / "variables.json").write_text(json.dumps(variables))
    argv = [
        str(BIN / "ansible-playbook"),
        "-i",
        "localhost,",
        "-c",
        "local",
        "-vvv",
        "--diff",
        str(tmp_path / "play.yml"),
    ]
    said = ""
    for more, changed in ((["--check"], 1), ([], 1), ([], 0)):
        options = [*argv, "-e", f"@{tmp_path}/variables.json", *more]
        done = subprocess.run(options, env=keeper._ansible(), capture_output=True, text=True, check=False)
        assert done.returncode == 0 and f"changed={changed}" in done.stdout, done.stdout
        assert (tmp_path / "new/etc/passphrase").exists() == (not more)
        said += done.stdout + done.stderr
    assert (tmp_path / "new/etc/passphrase").read_text() == f"{SECRET}\n"
    assert (tmp_path / "new/etc/passphrase").stat().st_mode & 0o777 == 0o400
    key = (tmp_path / "new/base/.config/borg/keys" / CLIENT).read_text()
    assert key.startswith(f"BORG_KEY {found['sample']['repository_id']}\n")
    assert SECRET not in said and key.split()[2] not in said


def test_a_stranger_and_another_clients_escrow_bring_nothing(keeper: Keeper, tmp_path: Path) -> None:
    identity, recipient = make_identity(tmp_path / "ana")
    stranger, _ = make_identity(tmp_path / "mallory")
    entrust(keeper, ("ana", recipient))
    keeper.world.session("escrow")
    found = keeper.module("escrow_info")
    for who, client, said in (
        (stranger, CLIENT, "does not open it"),
        (identity, "db1", "not of db1"),
    ):
        with pytest.raises(EscrowError, match=said):
            open_newest(found["escrows"], str(who), client, found["sample"])
    with pytest.raises(EscrowError, match="no escrow"):
        open_newest([], str(identity), CLIENT, found["sample"])


def test_a_server_that_changes_what_is_kept_is_refused(keeper: Keeper, tmp_path: Path) -> None:
    entrust(keeper, ("ana", make_identity(tmp_path / "ana")[1]))
    assert play(keeper, tmp_path / "escrow").returncode == 0
    (ciphertext,) = ciphertexts(keeper)
    ciphertext.write_text(ciphertext.read_text().replace("A", "B"))
    told = play(keeper, tmp_path / "escrow")
    assert told.returncode == 2 and "is not the escrow that was kept" in told.stdout
    note_file = next(ciphertext.parent.glob("*.json"))
    note = json.loads(note_file.read_text()) | {"digest": hashlib.sha256(ciphertext.read_bytes()).hexdigest()}
    note_file.write_text(json.dumps(note))
    told = play(keeper, tmp_path / "escrow")
    assert told.returncode == 2 and "trust neither" in told.stdout


def refused_to_forget(keeper: Keeper) -> str:
    """Return why the escrows of who left may not be removed yet."""
    with upkeep(keeper.config_dir, CLIENT, "a test") as site, pytest.raises(SessionError) as told:
        plan_forgetting(site, "bo")
    return told.value.reason


def test_who_left_cannot_open_what_is_kept_and_must_be_assumed_to_know_the_key(keeper: Keeper, tmp_path: Path) -> None:
    """Ana leaves, cy comes. Hers goes when one who stays has seen the new one open; she is named until a re-key."""
    ana, bo, cy = (make_identity(tmp_path / name) for name in ("ana", "bo", "cy"))
    kept = tmp_path / "escrow"
    entrust(keeper, ("ana", ana[1]), ("bo", bo[1]))
    keeper.world.session("escrow")
    (first,) = ciphertexts(keeper)
    entrust(keeper, ("bo", bo[1]), ("cy", cy[1]))
    assert "is not for whom it should be" in refused_to_forget(keeper)
    keeper.world.session("escrow")
    assert "nobody has seen" in refused_to_forget(keeper) and len(ciphertexts(keeper)) == 2
    proved = play(keeper, kept, "--tags", "prove", backup_by="cy", backup_identity=str(cy[0]))
    assert proved.returncode == 0 and len(list((kept / CLIENT).glob("*.age"))) == 2, proved.stdout
    forgotten = play(keeper, kept, "--tags", "forget", backup_by="bo")
    assert forgotten.returncode == 0, forgotten.stdout
    assert "escrowed for bo, cy (" in forgotten.stdout
    assert "ana had an earlier one and must be assumed to know this key: rekey.yml" in forgotten.stdout
    (only,) = ciphertexts(keeper)
    assert not first.exists() and [path.stem for path in (kept / CLIENT).glob("*.age")] == [only.stem]
    assert not decrypt(only, ana[0]) and decrypt(only, bo[0]) and decrypt(only, cy[0]), "bo's is lost: cy's opens it"
    (entry,) = keeper.entries("forget")
    assert isinstance(entry, ForgetEntry) and (entry.holders, entry.by) == (("ana",), "bo")
    (seen,) = keeper.entries("rehearsal")
    assert isinstance(seen, RehearsalEntry) and (seen.what, seen.holder, seen.by) == ("escrow", "cy", "cy")
    entrust(keeper, ("bo", bo[1]))
    outcome = keeper.world.session("escrow")
    assert outcome.escrow and outcome.escrow["holders"] == ["bo"] and ciphertexts(keeper)[0] == only
    assert outcome.rehearsals == {"escrow": "", "restore": "", "overdue": []}, "nobody has opened the newest one"
