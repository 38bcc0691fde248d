# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""paranoid-backup escrow: shares of a recovery identity, for people who only together may open what is escrowed."""

from __future__ import annotations

import argparse
import datetime
import os
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path

from paranoid_runner.errors import UsageError
from paranoid_runner.identity import SECRET_BYTES, find_recipient, format_identity
from paranoid_runner.shares import Share, check_share, join_shares, split_secret
from paranoid_runner.sheets import Quorum, format_html, format_text


def make_shares(options: argparse.Namespace) -> str:
    """Make an identity, write a page for each holder, forget it, and return its public recipient."""
    holders = [name.strip() for name in options.holders.split(",")]
    secret = secrets.token_bytes(SECRET_BYTES)
    shares = split_secret(secret, options.threshold, holders)
    recipient = find_recipient(format_identity(secret))
    quorum = Quorum(recipient, tuple(holders), options.threshold, datetime.date.today().isoformat())
    _require_same(secret, shares, options.threshold)
    _make_directory(options.out)
    for share in shares:
        _write_new(options.out / f"{share.holder}.txt", format_text(share, quorum))
        _write_new(options.out / f"{share.holder}.html", format_html(share, quorum))
    sys.stderr.write(
        f"Print one page for each holder from {options.out}, then delete it: nothing else has the identity.\n"
        "Its recipient, for backup_client_escrow_recipients:\n"
    )
    return recipient


def open_identity(options: argparse.Namespace) -> str:
    """Write the identity that the holders' words make, and return its recipient."""
    identity = format_identity(join_shares(_read_shares()))
    recipient = find_recipient(identity)
    _write_new(options.out, identity + "\n")
    sys.stderr.write(f"{options.out} opens what is escrowed for this recipient; delete it after use:\n")
    return recipient


def check_words(_options: argparse.Namespace) -> str:
    """Say that one holder's words are whole."""
    (share,) = _read_shares(only_one=True)
    check_share(share)
    return "these words are a whole share"


def _read_shares(only_one: bool = False) -> list[str]:
    """Return lines of words: asked for on a terminal, until an empty line, else from standard input."""
    if not sys.stdin.isatty():
        lines = [line for line in sys.stdin.read().splitlines() if line.strip()]
        if not lines or (only_one and len(lines) > 1):
            raise UsageError("give the words of one share on one line")
        return lines
    shares: list[str] = []
    while line := input(f"Words of share {len(shares) + 1} (empty when there are no more): ").strip():
        try:
            shares.append(check_share(line))
        except UsageError as error:
            sys.stderr.write(f"{error}; type them again\n")
        if only_one and shares:
            break
    if not shares:
        raise UsageError("no words were given")
    return shares


def _require_same(secret: bytes, shares: Sequence[Share], threshold: int) -> None:
    """Open the identity once with the last shares before it is forgotten."""
    if join_shares([" ".join(share.words) for share in shares[-threshold:]]) != secret:
        raise UsageError("the shares do not make the identity again: do not use them, and report this")


def _make_directory(path: Path) -> None:
    try:
        path.mkdir(mode=0o700)
    except OSError as error:
        raise UsageError(f"{path} cannot be made: {error.strerror}; name a directory that is not there yet") from None


def _write_new(path: Path, text: str) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}; name a file that is not there yet") from None
    with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
        handle.write(text)
