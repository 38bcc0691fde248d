# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Age identities: 32 secret bytes, written in Bech32 (C2SP, age: "The X25519 recipient type"; BIP 173)."""

from __future__ import annotations

import subprocess

from paranoid_runner.errors import UsageError

SECRET_BYTES = 32
_PREFIX = "age-secret-key-"
_LETTERS = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_CHECK_LETTERS = 6
_GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)


def format_identity(secret: bytes) -> str:
    """Return the line that age reads as this identity."""
    if len(secret) != SECRET_BYTES:
        raise UsageError(f"an identity has {SECRET_BYTES} bytes, not {len(secret)}")
    data = _split_bits(secret)
    return (_PREFIX + "1" + "".join(_LETTERS[value] for value in [*data, *_checksum(data)])).upper()


def find_recipient(identity: str) -> str:
    """Return the public recipient of an identity, asking age-keygen, which gets it on its standard input."""
    try:
        done = subprocess.run(["age-keygen", "-y"], input=identity, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise UsageError("age-keygen is not installed here: install the package age") from None
    if done.returncode:
        raise UsageError(f"age-keygen does not take this identity: {done.stderr.strip().splitlines()[-1]}")
    return done.stdout.strip()


def _split_bits(secret: bytes) -> list[int]:
    """Return the same bits in groups of five, the last one filled up with zeros."""
    bits = "".join(f"{byte:08b}" for byte in secret)
    return [int(bits[start : start + 5].ljust(5, "0"), 2) for start in range(0, len(bits), 5)]


def _checksum(data: list[int]) -> list[int]:
    expanded = [ord(letter) >> 5 for letter in _PREFIX] + [0] + [ord(letter) & 31 for letter in _PREFIX]
    rest = _polymod([*expanded, *data, *[0] * _CHECK_LETTERS]) ^ 1
    return [(rest >> 5 * (_CHECK_LETTERS - 1 - place)) & 31 for place in range(_CHECK_LETTERS)]


def _polymod(values: list[int]) -> int:
    rest = 1
    for value in values:
        top = rest >> 25
        rest = (rest & 0x1FFFFFF) << 5 ^ value
        for place, generator in enumerate(_GENERATOR):
            rest ^= generator if (top >> place) & 1 else 0
    return rest
