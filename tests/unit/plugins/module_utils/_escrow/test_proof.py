# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which escrow counts as the client's own, and what Borg is asked; age and Borg themselves stand in integration/."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._borg import segments
from ansible_collections.paranoid.backup.plugins.module_utils._common.programs import Ended, TooSlow
from ansible_collections.paranoid.backup.plugins.module_utils._escrow import proof
from ansible_collections.paranoid.backup.plugins.module_utils._escrow.collection import EscrowError
from ansible_collections.paranoid.backup.plugins.module_utils._escrow.proof import (
    Opened,
    find_recipients,
    make_repository,
    open_escrow,
    open_newest,
    prove,
    require_own,
)

ID = "ab" * 32
SAMPLE = {"repository_id": ID, "list": base64.b64encode(b"the list").decode()}
KEY = f"BORG_KEY {ID}\nrest"
OWN = Opened("web1", "pass", KEY)


def opened(client: str = "web1", key: str = KEY) -> bytes:
    return json.dumps({"client": client, "passphrase": "pass", "key": key}).encode()


class Programs:
    """Stands for age and Borg: answers by a command's words, else by what it is given, and keeps what was asked."""

    def __init__(self, **answers: Ended | Exception) -> None:
        self.answers = answers
        self.asked: list[tuple[list[str], dict[str, Any], bytes]] = []
        self.key = (0, "")

    def __call__(self, argv: Sequence[str], given: bytes, _seconds: float, **options: Any) -> Ended:
        read = b"".join(os.read(descriptor, 1000) for descriptor in options["pass_fds"])
        self.asked.append((list(argv), options["env"], read))
        if argv[1] == "key":
            self.key = os.stat(argv[4]).st_mode & 0o777, Path(argv[4]).read_text()
        answer = self.answers.get(argv[1].strip("-"), self.answers.get(given.decode(), Ended(0, b"", b"")))
        if isinstance(answer, Exception):
            raise answer
        return answer


def use(monkeypatch: pytest.MonkeyPatch, **answers: Ended | Exception) -> Programs:
    programs = Programs(**answers)
    monkeypatch.setattr(proof, "run_program", programs)
    return programs


@pytest.mark.parametrize(
    ("own", "client", "sample", "said"),
    [
        (OWN, "web2", SAMPLE, "says that it is of web1, not of web2"),
        (OWN, "web1", {"repository_id": "cd" * 32}, "is of another repository than web1 has"),
        (OWN, "web1", {"repository_id": ID[:-1]}, "names no repository of web1"),
        (OWN, "web1", {"repository_id": ""}, "names no repository of web1"),
        (Opened("web1", "pass", f"BORG_KEY {ID}"), "web1", SAMPLE, "is of another repository"),
        (Opened("web1", "pass", f"BORG_KEY {ID}0\n"), "web1", SAMPLE, "is of another repository"),
        (Opened("web1", "pass", f"x\n{KEY}"), "web1", SAMPLE, "is of another repository"),
        (Opened("web1", "pass", ""), "web1", SAMPLE, "is of another repository"),
    ],
)
def test_an_escrow_is_the_clients_own_or_it_is_refused(own: Opened, client: str, sample: Any, said: str) -> None:
    assert require_own(OWN, "web1", SAMPLE) == ID
    with pytest.raises(EscrowError, match=said):
        require_own(own, client, sample)


REFUSED = Ended(1, b"", b"\nage: error: no identity matched\nage: report unexpected errors\n")


@pytest.mark.parametrize(
    ("newest", "found"),
    [
        (Ended(0, opened(), b""), "new"),
        (REFUSED, "old"),
        (Ended(0, b"rubbish", b""), "old"),
        (Ended(0, b"[]", b""), "old"),
        (Ended(0, b'{"client": "web1", "passphrase": "x"}', b""), "old"),
        (Ended(0, opened(client="web2"), b""), "old"),
        (Ended(0, opened(key="BORG_KEY other\n"), b""), "old"),
        (TooSlow(), "old"),
    ],
)
def test_the_newest_escrow_that_opens_and_is_the_clients_own_is_taken(
    monkeypatch: pytest.MonkeyPatch, newest: Ended | Exception, found: str
) -> None:
    programs = use(monkeypatch, new=newest, old=Ended(0, opened(), b""))
    assert open_newest([{"ciphertext": "old"}, {"ciphertext": "new"}], "/id", "web1", SAMPLE) == OWN
    assert len(programs.asked) == (1 if found == "new" else 2)
    assert programs.asked[0][0] == ["age", "--decrypt", "--identity", "/id"]


def test_what_does_not_open_says_why_of_the_newest(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, new=REFUSED, old=Ended(0, b"rubbish", b""))
    both = [{"ciphertext": "old"}, {"ciphertext": "new"}]
    with pytest.raises(EscrowError, match=r"^/id does not open it \(age: error: no identity matched\): bring"):
        open_newest(both, "/id", "web1", SAMPLE)
    with pytest.raises(EscrowError, match="there is no escrow of it on the server"):
        open_newest([], "/id", "web1", SAMPLE)
    with pytest.raises(EscrowError, match="the client sent rubbish"):
        open_escrow("old", "/id")
    use(monkeypatch, new=FileNotFoundError())
    with pytest.raises(EscrowError, match="age is not there: install the package age here"):
        open_escrow("new", "/id")


def test_borg_must_take_the_key_and_read_the_list_with_the_passphrase(monkeypatch: pytest.MonkeyPatch) -> None:
    programs = use(monkeypatch)
    prove(OWN, "web1", SAMPLE, "borg")
    (imported, first, passphrase), (listed, second, again) = programs.asked
    assert imported[:4] == ["borg", "key", "import", "::"] and passphrase == again == b"pass\n"
    assert listed == ["borg", "list", "--short", "--consider-checkpoints", "::"]
    assert first["BORG_REPO"] == second["BORG_REPO"] and not Path(first["BORG_REPO"]).exists(), "nothing of it stays"
    assert programs.key == (0o600, KEY) and not Path(imported[4]).exists()
    assert "pass" not in [*imported, *listed, *first.values()]


@pytest.mark.parametrize("word", ["key", "list"])
def test_what_borg_does_not_take_is_no_proof(monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    use(monkeypatch, **{word: Ended(2, b"", b"passphrase is wrong\n")})
    with pytest.raises(EscrowError, match="Borg does not take the escrow of web1: passphrase is wrong"):
        prove(OWN, "web1", SAMPLE, "borg")
    use(monkeypatch, **{word: Ended(-9, b"", b"")})
    with pytest.raises(EscrowError, match="it gave no reason"):
        prove(OWN, "web1", SAMPLE, "borg")


def test_nothing_is_asked_of_borg_for_an_escrow_that_is_not_the_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    programs = use(monkeypatch)
    with pytest.raises(EscrowError, match="not of web2"):
        prove(OWN, "web2", SAMPLE, "borg")
    assert programs.asked == []


def test_the_repository_of_a_proof_has_the_list_and_nothing_else(tmp_path: Path) -> None:
    path = make_repository(str(tmp_path / "repo"), ID, b"the list")
    (directory,) = segments.directories(path)
    (segment,) = segments.files(path, directory)
    entries = [*segments.entries(segment, whole=True)]
    assert [entry[:2] for entry in entries] == [(segments.PUT, segments.MANIFEST_ID), (segments.COMMIT, b"")]
    _tag, _id, offset, size = entries[0]
    content = (tmp_path / "repo/data/0/0").read_bytes()
    assert content[offset + segments.PUT_HEADER : offset + size] == b"the list"
    assert f"\nid = {ID}\n" in (tmp_path / "repo/config").read_text()


def test_recipients_are_of_age_else_of_ssh(monkeypatch: pytest.MonkeyPatch) -> None:
    both = Ended(0, b"age1a\n\n age1b \n", b"")
    assert use(monkeypatch, y=both) and find_recipients("/id") == ["age1a", "age1b"]
    programs = use(monkeypatch, y=Ended(1, b"age1no\n", b""))
    assert find_recipients("/id") == []
    assert [argv[0] for argv, _environment, _read in programs.asked] == ["age-keygen", "ssh-keygen"]
