# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What waits for a person although nothing failed: sessions unlike those before them, and a clock in doubt."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.paranoid.backup.plugins.module_utils._common.formatting import format_times, join_names
from ansible_collections.paranoid.backup.plugins.module_utils._retention.waiting import CLOCK_CURE
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.model import Run
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.results import UnusualResult

CLOCK_ADVICE = f"Retention and holds go by it, so nothing is let go or freed meanwhile: {CLOCK_CURE}."
UNUSUAL_ADVICE = (
    "Not like the sessions before them (docs/anomalies.md). Nothing is let go or freed until a person has looked and "
    "run accept.yml, or enough backups without any such sign have followed."
)
EXPECTED_ADVICE = "backup_client_expect_change_until says so; until then nothing is held to be unusual."


def list_clock_doubts(run: Run) -> list[tuple[str, tuple[str, ...]]]:
    """Return why the clock of each server cannot be believed, by the server's name; the last word counts."""
    told = [client.session for client in run.clients if client.session and client.session.ledger]
    last = {session.ledger.host: session.clock for session in told if session.ledger}
    return [(host, (doubt,)) for host, doubt in last.items() if doubt]


def list_unusual(run: Run) -> list[tuple[str, tuple[str, ...]]]:
    """Return what is unusual, or still waits, by client."""
    return [(name, _describe(one)) for name, one in _find(run).items() if one.is_waiting]


def list_expected(run: Run) -> list[tuple[str, tuple[str, ...]]]:
    """Return until when changes are announced, by client."""
    return [(name, (f"until {one.expected}",)) for name, one in _find(run).items() if one.expected]


def describe_waiting(run: Run) -> Iterator[str]:
    """Yield a sentence for the headline about each kind of these."""
    unusual = [name for name, one in _find(run).items() if one.is_waiting]
    if unusual:
        yield f"Unusual: {join_names(unusual)}."
    if list_clock_doubts(run):
        yield "The server's clock cannot be believed."


def _find(run: Run) -> dict[str, UnusualResult]:
    """Return what was noticed of each client; of several works of a run the one with an anomaly counts."""
    found: dict[str, UnusualResult] = {}
    for client in run.clients:
        noticed = client.session.unusual if client.session else None
        if noticed and (client.name not in found or noticed.anomaly or not found[client.name].anomaly):
            found[client.name] = noticed
    return found


def _describe(noticed: UnusualResult) -> tuple[str, ...]:
    lines = [", ".join(noticed.signals)] if noticed.signals else []
    if noticed.since:
        after = f"{noticed.normal} of {noticed.needed} usual backups since" if noticed.needed else "waits for a person"
        lines.append(format_times(f"unusual since {noticed.since}, {after}"))
    return tuple(lines)
