# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sentences about those who watch from elsewhere, and up to where each has signed the ledger."""

from __future__ import annotations

from collections.abc import Iterable

from ansible_collections.paranoid.backup.plugins.module_utils._common.formatting import (
    count_seconds,
    format_duration,
    format_number,
)
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.results import LedgerHead, WitnessResult

LATE_SECONDS = 3 * 86400


def describe_witnesses(ledgers: Iterable[LedgerHead], now: str) -> list[str]:
    """Return a line for each watch that has signed: ``by tower up to entry 4711, 3 h 02 min ago, on vault``."""
    return [
        f"by {one.name} {_describe(one, now)}, on {ledger.host}"
        for ledger in ledgers
        for one in ledger.witnesses
        if one.seq
    ]


def list_late(ledger: LedgerHead, now: str) -> tuple[str, ...]:
    """Return a line for each watch of this server that has not signed for three days, or never did."""
    return tuple(
        f"{one.name} has signed it {_describe(one, now)}"
        if one.seq
        else f"{one.name} has never signed it: is it set up, and does it reach the server?"
        for one in ledger.witnesses
        if not one.seq or _age(one, now) is None or (_age(one, now) or 0) > LATE_SECONDS
    )


def _describe(one: WitnessResult, now: str) -> str:
    age = _age(one, now)
    when = f"{format_duration(age)} ago" if age is not None else "at a time that is not known"
    return f"up to entry {format_number(one.seq)}, {when}"


def _age(one: WitnessResult, now: str) -> float | None:
    return count_seconds(one.time, now)
