# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What follows a session: its entries in the ledger, and the freeze that an alarm brings."""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.paranoid.backup.plugins.module_utils import _place as place
from ansible_collections.paranoid.backup.plugins.module_utils._ledger_entries import (
    Audit,
    Entry,
    Freeze,
    LedgerError,
    RepositoryCreated,
    session_entry,
)
from ansible_collections.paranoid.backup.plugins.module_utils._maintain import trim_entry
from ansible_collections.paranoid.backup.plugins.module_utils._outcome import Outcome, Verdict
from ansible_collections.paranoid.backup.plugins.module_utils._records import ClientRecord, ServerRecord
from ansible_collections.paranoid.backup.plugins.module_utils._trim_cycle import open_ledger


def enter(server: ServerRecord, client: ClientRecord, outcome: Outcome) -> Outcome:
    """Put the session into the ledger and return its outcome, which is a failure when the ledger took it not."""
    entries = _entries(server, client, outcome)
    if not entries:
        return outcome
    try:
        with open_ledger(server) as ledger:
            for entry in entries:
                ledger.append(entry)
            if outcome.verdict.code == "alarm" and ledger.freeze_state(client.client) is None:
                ledger.append(Freeze(client.client, outcome.verdict.reason, outcome.session))
            state = ledger.freeze_state(client.client)
    except LedgerError as error:
        reason = "; ".join(part for part in (outcome.verdict.reason, f"not recorded: {error}") if part)
        return replace(outcome, verdict=Verdict("failed", outcome.verdict.code or "server_error", reason))
    return replace(outcome, frozen=state.entry.reason if state and isinstance(state.entry, Freeze) else "")


def _entries(server: ServerRecord, client: ClientRecord, outcome: Outcome) -> list[Entry]:
    if outcome.verb == "create" and outcome.verdict.status == "ok":
        if not outcome.changed:
            return []  # No session was held: the repository is there.
        made = place.recorded_id(server, client) or ""
        return [RepositoryCreated(client.client, made, outcome.session), session_entry(outcome.to_dict())]
    entries: list[Entry] = [session_entry(outcome.to_dict())]
    if outcome.audit and outcome.audit["verdict"] != "clean":
        found = outcome.audit
        entries.append(Audit(client.client, outcome.session, found["verdict"], tuple(found["findings"])))
    trim = trim_entry(outcome)
    if trim is not None:
        entries.append(trim)
    return entries
