# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The escrow directory: what is there stays, a server's word is checked, who knows a key is named."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._escrow.collection import (
    REHEARSALS,
    EscrowError,
    collect,
    describe,
    note_rehearsal,
    remove_forgotten,
)

ANA = {"holder": "ana", "recipient": "age1ana"}
BO = {"holder": "bo", "recipient": "age1bo"}
CY = {"holder": "cy", "recipient": "age1cy"}
NAMES = ("0001-20261101T000000Z-00000000000a", "0002-20261102T000000Z-00000000000b")


def escrow(place: int = 0, *recipients: dict[str, str], text: str = "ciphertext", **changes: Any) -> dict[str, Any]:
    digest = hashlib.sha256(text.encode()).hexdigest()
    kept = f"2026-11-0{place + 1}"
    told = {"name": NAMES[place], "ciphertext": text, "digest": digest, "kept": kept, "recipients": list(recipients)}
    return {**told, **changes}


def list_tree(place: Path) -> list[str]:
    return sorted(str(path.relative_to(place)) for path in place.rglob("*") if path.is_file())


def test_what_came_is_written_once_and_check_mode_writes_nothing(tmp_path: Path) -> None:
    both = [escrow(0, ANA), escrow(1, BO, text="other")]
    assert collect(str(tmp_path), "web1", both, check=True) == list(NAMES)
    assert list_tree(tmp_path) == []
    assert collect(str(tmp_path), "web1", both[:1]) == [NAMES[0]]
    assert collect(str(tmp_path), "web1", both) == [NAMES[1]], "the first is here"
    assert list_tree(tmp_path) == sorted(f"web1/{name}{ending}" for name in NAMES for ending in (".age", ".json"))
    assert (tmp_path / "web1" / f"{NAMES[1]}.age").read_text() == "other"
    told = json.loads((tmp_path / "web1" / f"{NAMES[1]}.json").read_text())
    assert told == {"client": "web1", **{key: both[1][key] for key in ("name", "digest", "kept", "recipients")}}


@pytest.mark.parametrize(
    "changes",
    [{"digest": "0" * 64}, {"ciphertext": "another"}, {"name": "../../x"}, {"name": f"{NAMES[0]}\n"}, {"name": ""}],
)
def test_an_escrow_that_is_not_the_one_it_names_is_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(EscrowError, match="is not the one it names"):
        collect(str(tmp_path), "web1", [escrow(0, ANA, **changes)])
    assert list_tree(tmp_path) == []


def test_what_is_kept_here_is_never_replaced(tmp_path: Path) -> None:
    collect(str(tmp_path), "web1", [escrow(0, ANA)])
    with pytest.raises(EscrowError, match="is not what the server has of web1"):
        collect(str(tmp_path), "web1", [escrow(0, ANA, text="replaced")])
    assert (tmp_path / "web1" / f"{NAMES[0]}.age").read_text() == "ciphertext"
    (tmp_path / "web1" / f"{NAMES[0]}.age").write_bytes(b"\xff")
    with pytest.raises(EscrowError, match="cannot be read"):
        collect(str(tmp_path), "web1", [escrow(0, ANA)])


def test_only_what_is_named_is_forgotten(tmp_path: Path) -> None:
    collect(str(tmp_path), "web1", [escrow(0, ANA), escrow(1, BO)])
    before = list_tree(tmp_path)
    assert remove_forgotten(str(tmp_path), "web1", NAMES[:1], check=True) == [NAMES[0]]
    assert remove_forgotten(str(tmp_path), "web1", ["*", "", f"../web1/{NAMES[0]}"]) == []
    assert remove_forgotten(str(tmp_path), "web2", NAMES) == []
    assert list_tree(tmp_path) == before
    (tmp_path / "web1" / f"{NAMES[0]}.json").unlink()
    assert remove_forgotten(str(tmp_path), "web1", NAMES[:1]) == [NAMES[0]], "half of it may be gone"
    assert list_tree(tmp_path) == [f"web1/{NAMES[1]}.age", f"web1/{NAMES[1]}.json"]
    assert remove_forgotten(str(tmp_path), "web1", NAMES[:1]) == []


@pytest.mark.parametrize(
    ("wanted", "escrows", "removed", "said"),
    [
        ([], [], (), "no escrow; set backup_client_escrow_recipients, run site.yml"),
        ([ANA], [], (), "no escrow; run escrow.yml"),
        ([ANA, BO], [escrow(0, ANA, BO)], (), "escrowed for ana, bo (kept 2026-11-01)"),
        (
            [ANA],
            [escrow(0)],
            (),
            "escrowed for nobody (kept 2026-11-01); not for ana, though it should be: run site.yml",
        ),
        (
            [ANA, BO],
            [escrow(0, ANA, BO), escrow(1, ANA)],
            (),
            "escrowed for ana (kept 2026-11-02); not for bo, though it should be: run site.yml and escrow.yml for it",
        ),
        (
            [ANA],
            [escrow(0, ANA, BO)],
            (),
            "escrowed for ana, bo (kept 2026-11-01); still for bo, who should not any more: run site.yml",
        ),
        (
            [ANA],
            [escrow(0, ANA, BO), escrow(1, ANA)],
            (),
            "escrowed for ana (kept 2026-11-02); bo had an earlier one and must be assumed to know this key: rekey.yml",
        ),
        (
            [ANA],
            [escrow(0, CY), escrow(1, ANA)],
            ("dee", "cy"),
            "escrowed for ana (kept 2026-11-02); cy, dee had an earlier one and must be assumed to know this key",
        ),
        # Another key of the same holder is another recipient: what only the old key opens, nobody may open any more.
        (
            [{**ANA, "recipient": "age1new"}],
            [escrow(0, ANA)],
            (),
            "escrowed for ana (kept 2026-11-01); not for ana, though it should be: run site.yml and escrow.yml for it; "
            "still for ana, who should not any more",
        ),
    ],
)
def test_one_line_says_who_can_open_it_and_who_should(
    wanted: list[dict[str, str]], escrows: list[Mapping[str, Any]], removed: tuple[str, ...], said: str
) -> None:
    line = describe("web1", wanted, escrows, removed)
    assert line.startswith(f"web1: {said}") and line.count(";") == said.count(";")


def test_rehearsals_add_up_and_a_damaged_list_is_not_written_over(tmp_path: Path) -> None:
    for holder, client, now in (("ana", "web1", "1"), ("ana", "web2", "2"), ("bo", "web1", "3"), ("ana", "web1", "4")):
        note_rehearsal(str(tmp_path), holder, client, now)
    noted = tmp_path / REHEARSALS
    assert json.loads(noted.read_text()) == {"ana": {"web1": "4", "web2": "2"}, "bo": {"web1": "3"}}
    noted.write_text("{")
    with pytest.raises(EscrowError, match="cannot be read"):
        note_rehearsal(str(tmp_path), "ana", "web1", "5")
    assert noted.read_text() == "{"


def test_a_server_cannot_have_the_newest_escrow_removed(tmp_path: Path) -> None:
    place = tmp_path / "web1"
    place.mkdir()
    for name in (NAMES[0], NAMES[1]):
        (place / f"{name}.age").touch()
    with pytest.raises(EscrowError, match="it forgot the newest escrow of web1: it stays here"):
        remove_forgotten(str(tmp_path), "web1", [NAMES[0], NAMES[1]])
    assert len(list(place.iterdir())) == 2
    assert remove_forgotten(str(tmp_path), "web1", [NAMES[0], "../../etc/passwd"]) == [NAMES[0]]
    assert remove_forgotten(str(tmp_path), "web2", [NAMES[0]]) == []
    assert [path.name for path in place.iterdir()] == [f"{NAMES[1]}.age"]
