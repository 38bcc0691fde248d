# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The clients that failed: few are told one by one, of many the causes and some examples of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ansible_collections.paranoid.backup.plugins.module_utils._common.formatting import format_number, join_names
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.model import Client
from ansible_collections.paranoid.backup.plugins.plugin_utils._report.log_excerpt import pick_new_lines
from ansible_collections.paranoid.backup.plugins.plugin_utils._report.tables import name_state

CAUSES_FROM = 8  # failures; fewer are a list that needs no summary
CAUSES_SHOWN = 12


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of each kind is shown.

    ``per_cause`` are failures that have the same code, ``logs`` how many of them have the end of their log, ``lines``
    what one of them or an entry may have, ``rows`` those of a table.
    """

    alerts: int
    failures: int
    per_cause: int
    logs: int
    lines: int
    entries: int
    rows: int


# The page on the disk names every client, and must still be one that a browser opens when some thousand fail. A mail is
# short, for people read it on a phone, and mail programs fold or cut what is above 100 kB.
WHOLE = Limits(alerts=50, failures=100, per_cause=100, logs=25, lines=20, entries=50, rows=1_000_000)
BRIEF = (
    Limits(alerts=20, failures=20, per_cause=3, logs=6, lines=8, entries=20, rows=60),
    Limits(alerts=5, failures=8, per_cause=2, logs=1, lines=4, entries=6, rows=20),
    Limits(alerts=2, failures=3, per_cause=1, logs=0, lines=2, entries=2, rows=3),
)


@dataclass(frozen=True, slots=True)
class Failure:
    """One client that failed: the reason, and the end of its log."""

    client: str
    label: str
    code: str
    reason: str
    refused: tuple[str, ...]
    log: str
    log_tail: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Cause:
    """Clients that failed with the same code."""

    code: str
    count: str
    names: str


def choose_failures(failed: Sequence[Client], limits: Limits) -> list[Client]:
    """Return those that are shown one by one: the first of each cause, before more of the same."""
    places: dict[str, int] = {}
    ranked = []
    for order, client in enumerate(failed):
        kind = name_kind(client)
        ranked.append((places.get(kind, 0), order, client))
        places[kind] = places.get(kind, 0) + 1
    chosen = sorted((one for one in ranked if one[0] < limits.per_cause), key=lambda one: one[:2])[: limits.failures]
    return [client for _place, _order, client in sorted(chosen, key=lambda one: one[1])]


def list_causes(failed: Sequence[Client], several: bool) -> tuple[Cause, ...]:
    """Return the causes of many failures, the most frequent first; none for few."""
    if len(failed) < CAUSES_FROM:
        return ()
    groups: dict[str, list[str]] = {}
    for client in failed:
        groups.setdefault(name_kind(client), []).append(format_name(client, several))
    ranked = sorted(groups.items(), key=lambda group: -len(group[1]))
    rest = sum(len(names) for _kind, names in ranked[CAUSES_SHOWN:])
    shown = [Cause(kind, format_number(len(names)), join_names(names)) for kind, names in ranked[:CAUSES_SHOWN]]
    return (*shown, *([Cause("others", format_number(rest), "see the record")] if rest else []))


def describe_failure(client: Client, several: bool, with_log: bool, lines: int) -> Failure:
    """Return what is to be said of one client, with so many lines of each kind."""
    session = client.session
    reason = session.reason if session else "the work started, but no result came"
    return Failure(
        client=format_name(client, several),
        label=name_state(client),
        code=session.code if session and session.code not in (client.state, name_state(client)) else "",
        reason="see the alarm above" if client.has_alarm else reason,
        refused=session.gate.refused[:lines] if session else (),
        log=session.log if session else "",
        log_tail=pick_new_lines(session.log_tail, reason)[-lines:] if session and with_log else (),
    )


def format_name(client: Client, several: bool) -> str:
    """Return a client's name, with its work where a run does ``several``."""
    return f"{client.name}, {client.work}" if several else client.name


def name_kind(client: Client) -> str:
    """Return the code of a failure, or the word for its state where there is none."""
    return (client.session.code if client.session else "") or name_state(client)
