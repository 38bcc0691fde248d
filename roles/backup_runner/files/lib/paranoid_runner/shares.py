# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One identity for a group of people, of whom some number together can open it (SLIP-39, by the reference library)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import shamir_mnemonic

from paranoid_runner.errors import UsageError

MOST_HOLDERS = 16  # SLIP-39
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}", re.ASCII)


@dataclass(frozen=True)
class Share:
    """What one holder keeps: 33 words of SLIP-39's list, which alone say nothing about the secret."""

    holder: str
    words: tuple[str, ...]


def split_secret(secret: bytes, threshold: int, holders: Sequence[str]) -> tuple[Share, ...]:
    """Return a share for each holder; any ``threshold`` of them are enough, and fewer are worth nothing."""
    _check_holders(threshold, holders)
    (mnemonics,) = shamir_mnemonic.generate_mnemonics(1, [(threshold, len(holders))], secret)
    return tuple(Share(holder, tuple(line.split())) for holder, line in zip(holders, mnemonics, strict=True))


def join_shares(lines: Sequence[str]) -> bytes:
    """Return the secret of which these are shares, one line of words each; UsageError says what is missing."""
    shares = [" ".join(line.lower().split()) for line in lines if line.strip()]
    try:
        return bytes(shamir_mnemonic.combine_mnemonics(shares))
    except shamir_mnemonic.MnemonicError as error:
        raise UsageError(f"these words open nothing: {error}") from None


def check_share(line: str) -> str:
    """Return the words of one share; UsageError if one of them was written down wrongly."""
    words = " ".join(line.lower().split())
    try:
        shamir_mnemonic.share.Share.from_mnemonic(words)
    except shamir_mnemonic.MnemonicError as error:
        raise UsageError(f"these are not the words of a share: {error}") from None
    return words


def _check_holders(threshold: int, holders: Sequence[str]) -> None:
    wrong = [name for name in holders if not _NAME.fullmatch(name)]
    if wrong:
        raise UsageError(f"{wrong[0]!r} is no name of a holder: up to 40 letters, digits, dots and dashes")
    if len(set(holders)) != len(holders):
        raise UsageError("a holder is named twice, and would have two shares")
    if not 2 <= len(holders) <= MOST_HOLDERS:
        raise UsageError(f"shares are for 2 to {MOST_HOLDERS} holders")
    if not 2 <= threshold <= len(holders):
        raise UsageError(f"the threshold for {len(holders)} holders is a number from 2 to {len(holders)}")
