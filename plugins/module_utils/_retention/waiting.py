# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What waits for a person before anything is let go or freed: a clock, an archive that shrank, an anomaly."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from ansible_collections.paranoid.backup.plugins.module_utils._common.clock import Moment, this_moment
from ansible_collections.paranoid.backup.plugins.module_utils._common.errors import SessionError
from ansible_collections.paranoid.backup.plugins.module_utils._common.text import one_line
from ansible_collections.paranoid.backup.plugins.module_utils._config.site import Site
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.clock_watch import look_at_clock
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.history import History
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.ledger import Ledger
from ansible_collections.paranoid.backup.plugins.module_utils._retention.anomaly import pending_anomaly
from ansible_collections.paranoid.backup.plugins.module_utils._retention.content import pending
from ansible_collections.paranoid.backup.plugins.module_utils._watch.witness import find_ahead

SHOWN = 200  # characters of what is wrong: a report shows 300, with what is to be done
CLOCK_CURE = "set it right, or run accept.yml with backup_accept=clock"


def refuse_doubted_clock(ledger: Ledger) -> None:
    """Raise SessionError ``refused`` while the server's clock cannot be believed: nothing is old enough by it."""
    doubt = _doubt_clock(ledger, this_moment())
    if doubt:
        raise SessionError("refused", doubt)


def _doubt_clock(ledger: Ledger, now: Moment, ahead: float | None = None) -> str:
    doubt = look_at_clock(ledger, now, ahead).doubt
    return f"the server's clock cannot be believed ({doubt}): {CLOCK_CURE}" if doubt else ""


def waits_for_person(site: Site, history: History, now: datetime, ahead: float | None = None) -> str:
    """Say what keeps everything as it is until a person has looked, and what to do; empty if nothing does.

    ``ahead`` is by how many seconds the server's clock is ahead of the controller's, None if that told nothing: then
    the newest witness of a watch may.
    LedgerError if the ledger cannot be read.
    """
    ahead = ahead if ahead is not None else find_ahead(site.server, now)
    doubt = _doubt_clock(site.ledger, replace(this_moment(), time=now), ahead)
    return doubt or describe_pending(history, site.client.anomaly_sessions)


def describe_pending(history: History, needed: int) -> str:
    """Say what about a client's archives waits for a person; after ``needed`` usual backups an anomaly is over."""
    shrunk = pending(history)
    if shrunk:
        return f"the last archive is not as it was ({one_line(shrunk, SHOWN)}): bring it back, or run accept.yml"
    anomaly = pending_anomaly(history, needed)
    return f"{anomaly}: look why, then run accept.yml" if anomaly else ""
