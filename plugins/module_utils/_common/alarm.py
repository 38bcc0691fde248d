# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An alarm: data from where it is raised, through ledger, result and record, to where people read it.

The words are made here alone, for the terminal, the mail and the page.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from ansible_collections.paranoid.backup.plugins.module_utils._common.text import one_line

HISTORY = "history"  # the audit after a session
REPOSITORY = "repository"  # an audit outside a session
CONTENT = "content"  # a maintenance, which sees what only the key shows
LEDGER = "ledger"  # the check of the ledger's chain
WORDS = "words"  # only a sentence is known, as in a ledger of 0.1.0
KINDS = frozenset({HISTORY, REPOSITORY, CONTENT, LEDGER, WORDS})
_LIMIT = 500  # characters of a line
_PREFIX = "ALARM: "


@dataclass(frozen=True)
class Alarm:
    """What was found about ``client``, as sentences; ``since`` is when it froze the client, ISO 8601, empty if not."""

    kind: str
    client: str
    findings: tuple[str, ...]
    since: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON types."""
        return {**asdict(self), "findings": list(self.findings)}


def alarm_from_words(client: str, words: str) -> Alarm:
    """Return the alarm of which only a line is known; it keeps its words."""
    return Alarm(WORDS, client, (words,))


def alarm_sentence(alarm: Alarm) -> str:
    """Return what a person reads after the word ALARM."""
    found = "; ".join(alarm.findings)
    if alarm.kind == HISTORY:
        found = f"the history of {alarm.client} was touched, it is frozen now: {found}"
    elif alarm.kind == REPOSITORY:
        found = f"{alarm.client}'s repository is not as it was left, it is frozen: {found}"
    elif alarm.kind == CONTENT:
        found = f"{alarm.client}'s repository is not whole, it is frozen: {found}"
    return one_line(found.removeprefix(_PREFIX), _LIMIT - len(_PREFIX))


def alarm_line(alarm: Alarm) -> str:
    """Return the line that a terminal or a log shows when an alarm is raised."""
    return alarm.findings[0] if alarm.kind == WORDS and alarm.findings else _PREFIX + alarm_sentence(alarm)


def frozen_sentence(alarm: Alarm) -> str:
    """Return what a person reads about a client that is frozen and whose backups go on."""
    sentence = alarm_sentence(alarm)
    return sentence if alarm.kind in (REPOSITORY, CONTENT) else f"{alarm.client} is frozen: {sentence}"


def frozen_line(alarm: Alarm, since: str) -> str:
    """Return the line for what is refused because of an earlier alarm; ``since`` in the reader's form."""
    what_to_do = "look, roll back or not, then unfreeze it"
    return one_line(f"{alarm.client} is frozen since {since}: {what_to_do} ({alarm_line(alarm)})", _LIMIT)
