# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of archives goes back to one that the server has kept: every archive on it can be restored again.

Nothing is taken from the repository, and no key is needed: the list is stored once more as the client once sent it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ansible_collections.paranoid.backup.plugins.module_utils._audit.incremental import audit
from ansible_collections.paranoid.backup.plugins.module_utils._audit.kept_lists import (
    KeptList,
    kept_lists,
    load_list,
    read_list,
)
from ansible_collections.paranoid.backup.plugins.module_utils._audit.stored import last_baseline, save_baseline
from ansible_collections.paranoid.backup.plugins.module_utils._audit.verdict import ALARM
from ansible_collections.paranoid.backup.plugins.module_utils._borg.command import store_list
from ansible_collections.paranoid.backup.plugins.module_utils._borg.index import newest_index
from ansible_collections.paranoid.backup.plugins.module_utils._common.errors import SessionError, alarm_error
from ansible_collections.paranoid.backup.plugins.module_utils._config.site import Site
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import ListEntry
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.bookkeeping import repository_alarm
from ansible_collections.paranoid.backup.plugins.module_utils._upkeep.guarded import audit_and_record


@dataclass(frozen=True)
class Restoration:
    """Which list comes back, with its ``data``, and what that means, as the ledger has it: see `ListEntry`."""

    kept: KeptList
    data: bytes
    lost: tuple[str, ...]
    restored: tuple[str, ...]
    changes: bool


def prepare_restoration(site: Site, transaction: int, check: bool) -> Restoration:
    """Return what restoring the list as of ``transaction`` means; SessionError when it would lead to what is gone.

    What came since the last audit is audited first, and an alarm recorded: nobody shall hide it under a new list.
    """
    found = audit_and_record(site, check=check)
    if found.verdict == ALARM:
        raise alarm_error(repository_alarm(site.name, found))
    kept = _kept_at(site, transaction)
    history = site.ledger.history(site.name)
    trim = history.first_trim_after(kept.transaction)
    if trim is not None:
        day = trim.time.date().isoformat()
        why = f"the list of transaction {kept.transaction} has archives that the maintenance of {day} deleted"
        raise SessionError("refused", f"{why}: use a later list, or roll back")
    lost, restored = history.lost_by(kept.transaction), history.restored_by(kept.transaction)
    _refuse_absent(site, [*restored, *(one.id for one in history.archives if one.id not in lost)])
    data = load_list(site, kept)
    return Restoration(kept, data, lost, restored, changes=data != read_list(site.client.repository))


def restore_list(site: Site, wanted: Restoration, reason: str, by: str) -> int:
    """Store the list again, and return the transaction of that; SessionError when anything else has changed."""
    before = last_baseline(site)
    code, said = store_list(site, wanted.data)
    if code:
        raise SessionError("server_error", f"the list of {site.name} cannot be stored: {said}")
    # The list may shrink, for this is what a person wants; all else is as strict as after a backup.
    found, after = audit(site.client.repository, replace(before, manifest_floor=0), "append")
    if found.verdict == ALARM or after is None:
        raise alarm_error(repository_alarm(site.name, found))
    if read_list(site.client.repository) != wanted.data:
        raise SessionError("server_error", f"the list of {site.name} is not the one that was stored: audit it in full")
    told = (wanted.lost, after.transaction, wanted.restored, by)
    site.ledger.append(ListEntry(site.name, reason, wanted.kept.transaction, *told))
    save_baseline(site, replace(after, manifest_floor=after.manifest))
    return after.transaction


def _kept_at(site: Site, transaction: int) -> KeptList:
    """Return the list as it was after ``transaction``."""
    kept = kept_lists(site)
    before = [one for one in kept if one.transaction <= transaction]
    if not before:
        known = ", ".join(str(one.transaction) for one in kept) or "none"
        why = f"no list of {site.name} is kept of transaction {transaction} or before it"
        raise SessionError("refused", f"{why}; there are those of {known}")
    return before[-1]


def _refuse_absent(site: Site, archives: list[str]) -> None:
    """Raise SessionError unless the repository holds these archives: no list helps those that are gone."""
    with newest_index(site.client.repository) as index:
        absent = [one for one in archives if index is None or index.find(bytes.fromhex(one)) is None]
    if absent:
        why = f"{len(absent)} archives of that list are not in the repository any more"
        raise SessionError("archives_missing", f"{why}: roll back, or look for a snapshot")
