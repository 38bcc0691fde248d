# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sentences about clients that are not there."""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.paranoid.backup.plugins.module_utils._common.formatting import (
    format_duration,
    format_number,
)
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.roll_call import Absence, Absent, Roll

SUMMARIES = {
    Absence.UNLISTED: "not in the inventory",
    Absence.MOVED: "at another address",
    Absence.CHANGED: "changed in the inventory",
    Absence.LEFT_OUT: "left out of this run",
}


def describe_age(absent: Absent) -> str:
    """Return how old a client's newest good archive is: ``last success 3 d 04 h ago``, or that there is none."""
    return f"last success {format_duration(absent.age)} ago" if absent.age is not None else "never backed up"


def describe_absent(absent: Absent) -> str:
    """Return what is to be known of an absent client, without its name."""
    outdated = {
        Absence.MOVED: f"the server goes to {absent.address}, the inventory says {absent.wanted}",
        Absence.CHANGED: "the inventory says other things to save than the host was told",
    }
    where = f", on {absent.server}" if absent.why is Absence.UNLISTED else ""
    cure = f"{outdated[absent.why]}: run site.yml for it; " if absent.why in outdated else ""
    return f"{cure}{describe_age(absent)}{where}"


def describe_roll(roll: Roll) -> list[str]:
    """Return a line for each absent client, and for each server that cannot say who is missing."""
    named = [f"{one.client} is {SUMMARIES[one.why]}: {describe_absent(one)}" for one in roll.absent]
    return [*named, *(f"nobody knows who is missing on {problem}" for problem in roll.problems)]


def summarize(absent: Sequence[Absent]) -> str:
    """Return one sentence: ``1 client is not in the inventory, 2 are left out of this run.``; empty for nobody."""
    counted = [(sum(one.why is why for one in absent), what) for why, what in SUMMARIES.items()]
    parts = [f"{format_number(count)} {'is' if count == 1 else 'are'} {what}" for count, what in counted if count]
    if not parts:
        return ""
    number, _space, rest = parts[0].partition(" ")
    return ", ".join([f"{number} client{'' if number == '1' else 's'} {rest}", *parts[1:]]) + "."
