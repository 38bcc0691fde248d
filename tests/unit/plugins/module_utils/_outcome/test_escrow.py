# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is taken for an escrow: the form of an age file, for nobody can look inside."""

from __future__ import annotations

import base64
import os
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._common.errors import SessionError
from ansible_collections.paranoid.backup.plugins.module_utils._config.site import Site
from ansible_collections.paranoid.backup.plugins.module_utils._outcome import escrow
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.escrow import (
    CIPHERTEXT_LIMIT,
    Recipient,
    describe_state,
    is_age,
    keep_escrow,
    list_escrows,
    remove_escrow,
)
from made_site import make_site

BEGIN, END = "-----BEGIN AGE ENCRYPTED FILE-----", "-----END AGE ENCRYPTED FILE-----"
HEADER = b"age-encryption.org/v1\n-> X25519 abc\ndef\n-> X25519 ghi\njkl"


def armored(content: bytes, begin: str = BEGIN, end: str = END) -> str:
    return f"{begin}\n{base64.b64encode(content).decode()}\n{end}\n"


GOOD = armored(HEADER + b"\n--- mac\npayload")


@pytest.mark.parametrize(("recipients", "whether"), [(0, False), (1, True), (2, True), (3, False)])
def test_it_is_for_as_many_as_are_named(recipients: int, whether: bool) -> None:
    assert is_age(GOOD, recipients) is whether


@pytest.mark.parametrize(
    "rubbish",
    [
        "",
        "the passphrase itself",
        f"{BEGIN}\n{END}\n",
        armored(HEADER + b"\n--- mac\npayload", begin="-----BEGIN PGP MESSAGE-----"),
        armored(HEADER + b"\n--- mac\npayload", end="-----END PGP MESSAGE-----"),
        armored(HEADER),
        armored(b"x" + HEADER + b"\n--- mac\npayload"),
        f"{BEGIN}\nnot base64: *\n{END}\n",
    ],
)
def test_what_has_another_form_is_none(rubbish: str) -> None:
    assert not is_age(rubbish, 1)


@pytest.mark.parametrize(("over", "whether"), [(0, True), (1, False)])
def test_it_has_a_size(over: int, whether: bool) -> None:
    assert is_age(GOOD.ljust(CIPHERTEXT_LIMIT + over), 1) is whether


def test_the_newest_one_counts_and_is_for_whom_it_should_be(tmp_path: Path) -> None:
    made = make_site(tmp_path)
    wanted = {"holder": "ana", "recipient": "age1ana"}
    site = Site(made.server, replace(made.client, escrow_recipients=[wanted]))
    ana, bo = Recipient("ana", "age1ana"), Recipient("bo", "age1bo")
    assert describe_state(site)["state"] == "none"
    rows = [
        ("one", (ana,), "kept"),
        ("two", (ana, bo), "outdated"),
        ("three", (bo,), "outdated"),
        ("four", (ana,), "kept"),
    ]
    for number, (text, recipients, state) in enumerate(rows):
        assert keep_escrow(site, text, recipients, f"2026-11-2{number}T01:00:00Z")
        assert not keep_escrow(site, rows[0][0], recipients, "2026-11-26T01:00:00Z"), "it is kept already"
        told = describe_state(site)
        assert (told["state"], told["kept"]) == (state, f"2026-11-2{number}T01:00:00Z")
    site.close()


def test_a_client_cannot_send_without_end_and_what_is_removed_half_way_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(escrow, "KEPT_LIMIT", 2)
    site = make_site(tmp_path)
    for text in "12":
        assert keep_escrow(site, text, (), "2026-11-26T01:00:00Z")
    with pytest.raises(SessionError, match="sent 2 different escrows"):
        keep_escrow(site, "3", (), "2026-11-26T01:00:00Z")
    first, second = list_escrows(site)
    unlink, asked = os.unlink, list[str]()

    def cut_off(path: str) -> None:
        asked.append(path)
        if len(asked) > 1:
            raise OSError(5, "the power is gone")
        unlink(path)

    monkeypatch.setattr(os, "unlink", cut_off)
    with pytest.raises(OSError, match="power"):
        remove_escrow(site, first)
    assert list_escrows(site) == [second]
    site.close()
