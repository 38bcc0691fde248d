# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether somebody was told what a run came to. A code alone is no proof: a callback that fails is only a warning."""

from __future__ import annotations

from dataclasses import dataclass

from paranoid_runner.records import WAITING, Record


@dataclass(frozen=True)
class Ended:
    """How ansible-playbook ended: its exit code, and why the runner itself ended it, if it did.

    ``is_last``: somebody wants the runner to end, so it starts nothing more.
    """

    code: int | None  # None: killed by a signal
    stopped: str = ""
    is_last: bool = False


def find_silence(ended: Ended, record: Record | None) -> str:
    """Return why nobody has heard of a run, as a clause; empty if its mail went out."""
    if record is None:
        return f"it left no record: {describe_end(ended)}"
    if record.finished is None:
        waiting = record.count("planned", "running")
        return f"it died: {describe_end(ended)}; {waiting} of {len(record.results)} clients had no result"
    if not record.is_told:
        return f"its mail ({record.status}) was not delivered: {record.mail_error or record.mail}"
    if record.unnoticed and record.mail == "none":
        return f"it sent no mail, and its notice ({record.status}) was not delivered: {record.unnoticed}"
    return ""


def find_waiting(record: Record | None) -> str:
    """Return what of a run waits in the spool, as a clause; empty if nothing does."""
    if record is None or record.mail != WAITING:
        return ""
    return f"its mail ({record.status}) waits in the spool for those who do not have it: {record.mail_error}"


def is_good(ended: Ended, record: Record | None) -> bool:
    """Whether the run went well and everybody was told so."""
    is_told = record is not None and record.is_told and record.mail != WAITING
    return ended.code == 0 and record is not None and is_told and record.status == "SUCCESS"


def describe_end(ended: Ended) -> str:
    """Return how it ended, as a clause."""
    if ended.stopped:
        return f"ansible-playbook was ended: {ended.stopped}"
    if ended.code is None:
        return "ansible-playbook was killed"
    return f"ansible-playbook ended with exit code {ended.code}"
