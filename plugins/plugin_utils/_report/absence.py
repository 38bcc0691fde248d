# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sentences about clients that are not there."""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.paranoid.backup.plugins.plugin_utils._record.roll_call import Absence, Absent, Roll
from ansible_collections.paranoid.backup.plugins.plugin_utils._report.formatting import (
    format_duration,
    format_number,
    join_names,
)

SUMMARIES = {
    Absence.UNLISTED: "not in the inventory",
    Absence.MOVED: "at another address than the inventory says",
    Absence.LEFT_OUT: "left out of this run",
}


def describe_age(absent: Absent) -> str:
    """Return how old a client's newest good archive is: ``last success 3 d 04 h ago``, or that there is none."""
    return f"last success {format_duration(absent.age)} ago" if absent.age is not None else "never backed up"


def describe_absent(absent: Absent) -> str:
    """Return what is to be known of an absent client, without its name."""
    moved = f"the server goes to {absent.address}, the inventory says {absent.wanted}: run site.yml for it; "
    where = f", on {absent.server}" if absent.why is Absence.UNLISTED else ""
    return f"{moved if absent.why is Absence.MOVED else ''}{describe_age(absent)}{where}"


def describe_roll(roll: Roll) -> list[str]:
    """Return a line for each absent client, and for each server that cannot say who is missing."""
    named = [f"{one.client} is {SUMMARIES[one.why]}: {describe_absent(one)}" for one in roll.absent]
    return [*named, *(f"nobody knows who is missing on {problem}" for problem in roll.problems)]


def summarize(absent: Sequence[Absent]) -> list[str]:
    """Return a sentence for each kind: ``2 clients left out of this run: a and b.``"""
    found = {why: [one.client for one in absent if one.why is why] for why in SUMMARIES}
    return [
        f"{format_number(len(names))} client{'s' if len(names) > 1 else ''} {SUMMARIES[why]}: {join_names(names)}."
        for why, names in found.items()
        if names
    ]
