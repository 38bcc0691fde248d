# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is taken for an escrow: the form of an age file, for nobody can look inside."""

from __future__ import annotations

import base64

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.escrow import CIPHERTEXT_LIMIT, is_age

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
