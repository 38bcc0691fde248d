# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Escrows for people who are recipients no more: removed once the newest one is seen to open, and never unseen.

What they kept of it they can still open, for the key stays the same until the client gets a new repository. So the
ledger remembers who they were, and `former_holders` names them until then.
"""

from __future__ import annotations

from ansible_collections.paranoid.backup.plugins.module_utils._borg.repository import recorded_id
from ansible_collections.paranoid.backup.plugins.module_utils._common.errors import SessionError
from ansible_collections.paranoid.backup.plugins.module_utils._config.site import Site
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import ForgetEntry
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.escrow import (
    KEPT,
    Escrow,
    describe_state,
    list_escrows,
    remove_escrow,
)
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.rehearsals import is_proven


def plan_forgetting(site: Site, by: str) -> tuple[ForgetEntry | None, list[Escrow]]:
    """Return which escrows are for former holders, and the ledger's entry for removing them, None without any.

    SessionError while the newest one is not for those for whom it should be, or nobody saw it open: a client that was
    broken into may have sent rubbish last.
    """
    wanted = {one["recipient"] for one in site.client.escrow_recipients}
    kept = list_escrows(site)
    going = [one for one in kept if any(recipient.recipient not in wanted for recipient in one.recipients)]
    if not going:
        return None, []
    if describe_state(site)["state"] != KEPT:
        why = f"the newest escrow of {site.name} is not for whom it should be"
        raise SessionError("refused", f"{why}: run site.yml, then escrow.yml for it")
    if not is_proven(site, kept[-1].digest):
        why = f"nobody has seen that the newest escrow of {site.name} opens"
        raise SessionError("refused", f"{why}: first escrow.yml --tags prove --limit {site.name}, by one who stays")
    former = [one.holder for escrow in going for one in escrow.recipients if one.recipient not in wanted]
    digests, holders = tuple(one.digest for one in going), tuple(dict.fromkeys(former))
    return ForgetEntry(site.name, recorded_id(site) or "", digests, holders, by), going


def forget_escrows(site: Site, entry: ForgetEntry, going: list[Escrow]) -> None:
    """Remove them; the ledger has the entry first, for who they were for is known nowhere else afterwards."""
    site.ledger.append(entry)
    for escrow in going:
        remove_escrow(site, escrow)


def former_holders(site: Site) -> list[str]:
    """Return who had an escrow of the present key that was removed."""
    identifier = recorded_id(site)
    rows = (row.entry for row in site.ledger.entries("forget", site.name))
    own = (entry for entry in rows if isinstance(entry, ForgetEntry) and entry.repository_id == identifier)
    return list(dict.fromkeys(holder for entry in own for holder in entry.holders))
