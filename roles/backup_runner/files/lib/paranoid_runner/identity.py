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
    data = _regroup(secret, 8, 5)
    return (_PREFIX + "1" + "".join(_LETTERS[value] for value in [*data, *_checksum(data)])).upper()


def parse_identity(line: str) -> bytes:
    """Return the secret bytes of an identity; UsageError if the line is none, or was copied wrongly."""
    text = line.strip().lower()
    prefix, _sep, letters = text.rpartition("1")
    if prefix != _PREFIX or any(letter not in _LETTERS for letter in letters):
        raise UsageError("this is not an age identity: it begins with AGE-SECRET-KEY-1")
    values = [_LETTERS.index(letter) for letter in letters]
    data, check = values[:-_CHECK_LETTERS], values[-_CHECK_LETTERS:]
    if _checksum(data) != check:
        raise UsageError("this age identity has a wrong letter: compare it with where it was copied from")
    secret = bytes(_regroup(data, 5, 8, pad=False))
    if len(secret) != SECRET_BYTES:
        raise UsageError("this age identity is not whole")
    return secret


def find_recipient(identity: str) -> str:
    """Return the public recipient of an identity, asking age-keygen, which gets it on its standard input."""
    try:
        done = subprocess.run(["age-keygen", "-y"], input=identity, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise UsageError("age-keygen is not installed here: install the package age") from None
    if done.returncode:
        raise UsageError(f"age-keygen does not take this identity: {done.stderr.strip().splitlines()[-1]}")
    return done.stdout.strip()


def _regroup(values: bytes | list[int], have: int, want: int, pad: bool = True) -> list[int]:
    """Return the same bits in groups of ``want`` instead of ``have``; ``pad`` fills the last group with zeros."""
    found, kept, bits = [], 0, 0
    for value in values:
        kept = (kept << have) | value
        bits += have
        while bits >= want:
            bits -= want
            found.append((kept >> bits) & ((1 << want) - 1))
    if pad and bits:
        found.append((kept << (want - bits)) & ((1 << want) - 1))
    return found


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
