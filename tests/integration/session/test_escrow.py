# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verb escrow: only ciphertext leaves the client, those who should can open it, and nothing is written over."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from escrow_world import SECRET, ciphertexts, decrypt, entrust, make_identity
from keeper import Keeper
from session_world import OK, World, came_to


@pytest.fixture
def keeper(world: World) -> Keeper:
    made = Keeper(world)
    made.provision()
    return made


@pytest.mark.parametrize("kind", ["age", "ed25519", "rsa"])
def test_a_recipient_opens_it_and_a_stranger_does_not(keeper: Keeper, tmp_path: Path, kind: str) -> None:
    identity, recipient = make_identity(tmp_path / "ana", kind)
    stranger, _ = make_identity(tmp_path / "mallory")
    entrust(keeper, ("ana", recipient))
    outcome = keeper.world.session("escrow")
    assert came_to(outcome) == OK, outcome.log_tail
    assert outcome.changed and outcome.escrow
    assert (outcome.escrow["state"], outcome.escrow["holders"]) == ("kept", ["ana"])
    (ciphertext,) = ciphertexts(keeper)
    opened = decrypt(ciphertext, identity)
    assert opened and opened["passphrase"] == SECRET and opened["key"].startswith("BORG_KEY ")
    assert decrypt(ciphertext, stranger) is None
    assert ciphertext.stat().st_mode & 0o777 == 0o600 and ciphertext.parent.stat().st_mode & 0o777 == 0o700


def test_the_server_never_has_the_secret(keeper: Keeper, tmp_path: Path) -> None:
    entrust(keeper, ("ana", make_identity(tmp_path / "ana")[1]))
    outcome = keeper.world.session("escrow")
    opened = decrypt(ciphertexts(keeper)[0], tmp_path / "ana")
    assert opened
    canaries = [SECRET.encode(), opened["key"].splitlines()[1].encode()]
    assert SECRET not in json.dumps(outcome.to_dict())
    own = str(keeper.world.own)
    for path in keeper.world.path.rglob("*"):
        if path.is_file() and not str(path).startswith(own) and path != keeper.repository / "config":
            assert not any(canary in path.read_bytes() for canary in canaries), path


def test_the_same_secrets_are_escrowed_once(keeper: Keeper, tmp_path: Path) -> None:
    entrust(keeper, ("ana", make_identity(tmp_path / "ana")[1]))
    assert keeper.world.session("escrow").changed
    assert not keeper.world.session("escrow").changed
    assert len(ciphertexts(keeper)) == 1
    entries = [entry.escrow for entry in keeper.entries("session") if entry.verb == "escrow"]  # type: ignore[union-attr]
    assert len(set(entries)) == 1 and len(entries[0]) == 64


def test_another_holder_is_another_ciphertext_and_the_old_one_stays(keeper: Keeper, tmp_path: Path) -> None:
    ana, bo = (make_identity(tmp_path / name) for name in ("ana", "bo"))
    entrust(keeper, ("ana", ana[1]))
    keeper.world.session("escrow")
    entrust(keeper, ("bo", bo[1]))
    before = keeper.world.session("info").escrow
    assert before and (before["state"], before["holders"]) == ("outdated", ["ana"])
    assert keeper.world.session("escrow").escrow == {**before, **keeper.world.session("info").escrow, "state": "kept"}  # type: ignore[dict-item]
    old, new = ciphertexts(keeper)
    assert decrypt(old, ana[0]) and not decrypt(old, bo[0])
    assert decrypt(new, bo[0]) and not decrypt(new, ana[0])


def test_every_session_says_that_there_is_none(keeper: Keeper) -> None:
    outcome = keeper.world.session("info")
    assert came_to(outcome) == OK
    assert outcome.escrow and outcome.escrow["state"] == "none"


def test_a_client_without_recipients_says_what_to_do(keeper: Keeper) -> None:
    outcome = keeper.world.session("escrow")
    assert outcome.conclusion.code == "client_failed"
    assert "set backup_client_escrow_recipients" in outcome.conclusion.reason
    assert not ciphertexts(keeper)


@pytest.mark.parametrize("recipient", ["age1wrong", "ssh-dss AAAA", "age1pq1qqqq", "-o/tmp/x"])
def test_a_recipient_that_age_does_not_take_is_named(keeper: Keeper, recipient: str) -> None:
    entrust(keeper, ("ana", recipient))
    outcome = keeper.world.session("escrow")
    assert outcome.conclusion.code == "client_failed" and "recipient" in outcome.conclusion.reason
    assert not ciphertexts(keeper)


LIES = {
    "in the clear": '{"ciphertext": "the passphrase is only for tests", "recipients": [R]}',
    "for nobody": '{"ciphertext": GOOD, "recipients": []}',
    "for more than it is": '{"ciphertext": GOOD, "recipients": [R, R, R]}',
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES.keys())
def test_what_is_no_escrow_is_not_kept(keeper: Keeper, tmp_path: Path, lie: str) -> None:
    recipient = make_identity(tmp_path / "ana")[1]
    done = subprocess.run(["age", "-a", "-r", recipient], input=b"x", capture_output=True, check=True)
    told = lie.replace("GOOD", repr(done.stdout.decode())).replace(
        "R", f'{{"holder": "ana", "recipient": "{recipient}"}}'
    )
    keeper.serve(f"verbs.VERBS['escrow'] = lambda tools: tools.borg('list') and {{'escrow': {told}}}")
    outcome = keeper.world.session("escrow")
    assert outcome.conclusion.code == "bad_result", outcome.conclusion
    assert not ciphertexts(keeper)


def test_a_damaged_note_of_an_escrow_is_told_and_stops_no_backup(keeper: Keeper, tmp_path: Path) -> None:
    entrust(keeper, ("ana", make_identity(tmp_path / "ana")[1]))
    keeper.world.session("escrow")
    next((keeper.repository.parent / "escrow").glob("*.json")).write_text("{")
    keeper.backup()
    outcome = keeper.world.session("info")
    assert outcome.escrow and outcome.escrow["state"] == "unreadable" and "bring it back" in outcome.escrow["problem"]
