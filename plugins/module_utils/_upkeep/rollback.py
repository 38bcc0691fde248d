# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rollback: a repository goes back to a transaction of its own, or to a copy; what was there is kept as evidence.

Source of the steps: Borg 1.4, docs/usage/notes, "Append-only mode", and that a nonce must never be used twice.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from typing import Optional

from ansible_collections.paranoid.backup.plugins.module_utils._audit.incremental import audit
from ansible_collections.paranoid.backup.plugins.module_utils._audit.kept_lists import forget_lists
from ansible_collections.paranoid.backup.plugins.module_utils._audit.segment_listing import free_nonce
from ansible_collections.paranoid.backup.plugins.module_utils._audit.stored import (
    baseline_path,
    load_baseline,
    save_baseline,
)
from ansible_collections.paranoid.backup.plugins.module_utils._audit.verdict import ALARM
from ansible_collections.paranoid.backup.plugins.module_utils._borg import repository as place
from ansible_collections.paranoid.backup.plugins.module_utils._borg.command import run_borg
from ansible_collections.paranoid.backup.plugins.module_utils._borg.segments import ends_with_commit
from ansible_collections.paranoid.backup.plugins.module_utils._common.errors import SessionError, alarm_error
from ansible_collections.paranoid.backup.plugins.module_utils._common.files import Owner
from ansible_collections.paranoid.backup.plugins.module_utils._common.process import account
from ansible_collections.paranoid.backup.plugins.module_utils._config.site import Site
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import RollbackEntry
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.bookkeeping import repository_alarm
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.crash_recovery import forget_compaction
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.intent import clear_intent
from ansible_collections.paranoid.backup.plugins.module_utils._upkeep.repository_files import (
    carry_nonce,
    copy_repository,
    cut,
    keep_evidence,
    segment_files,
    swap_in,
)


@dataclass(frozen=True)
class Target:
    """Where to go back to: the last ``transaction``, and the directory of a copy (None: the repository's own past)."""

    transaction: int
    copy: Optional[str]


def target_transaction(held: Site, transaction: int) -> Target:
    """Return the target for a transaction of the repository itself; SessionError when it cannot be reached."""
    compaction = held.ledger.history(held.name).first_compaction_after(transaction)
    if compaction is not None:
        day = compaction.time.date().isoformat()
        raise SessionError(
            "refused", f"the compaction of {day} freed what transaction {transaction} needs: use a snapshot"
        )
    own = {file.number: file for file in segment_files(held.client.repository)}
    if transaction not in own or not ends_with_commit(own[transaction]):
        raise SessionError("refused", f"{held.name} has no transaction {transaction}: ledger_info lists them")
    return Target(transaction, None)


def target_snapshot(held: Site, snapshot: str) -> Target:
    """Return the target for a directory that holds a copy of the repository; SessionError when it is no such copy."""
    expected = place.recorded_id(held)
    if expected is None or place.repository_id(os.path.realpath(snapshot)) != expected:
        raise SessionError("wrong_repository", f"{snapshot} holds no copy of {held.name}'s repository")
    copy = os.path.realpath(snapshot)  # The path is the operator's, and may be a link; what lies in it may not.
    commits = [file.number for file in segment_files(copy) if ends_with_commit(file)]
    if not commits:
        raise SessionError("refused", f"the copy in {snapshot} has no transaction")
    return Target(commits[-1], copy)


def consequences(held: Site, target: Target, reason: str) -> RollbackEntry:
    """Return the ledger's entry: which archives are lost, and which deleted ones come back."""
    history, back_to = held.ledger.history(held.name), target.transaction
    return RollbackEntry(held.name, reason, history.lost_by(back_to), back_to, history.restored_by(back_to))


def roll_back(held: Site, target: Target, entry: RollbackEntry, moment: str) -> str:
    """Go back, and return where the evidence is; SessionError when the result is not sound, with evidence in place."""
    repository = held.client.repository
    evidence = os.path.join(os.path.dirname(repository), f"evidence-{moment}")
    nonce = _highest_nonce(held, target)
    if target.copy is None:
        keep_evidence(repository, evidence)
        carry_nonce(nonce, repository, _owner(held))
        cut(repository, target.transaction, _owner(held))
    else:
        copy_repository(target.copy, place.beside(repository), _owner(held))
        carry_nonce(nonce, place.beside(repository), _owner(held))
        swap_in(repository, evidence)
    code, said = run_borg(held, "check", "--repository-only")  # It also makes the index anew.
    if code:
        raise SessionError(
            "server_error", f"{held.name} is damaged after the rollback: {said}; evidence is in {evidence}"
        )
    found, baseline = audit(repository, None, "append")
    if found.verdict == ALARM or baseline is None:
        raise alarm_error(repository_alarm(held.name, found))
    held.ledger.append(entry)
    forget_lists(held, after=baseline.transaction)
    save_baseline(held, baseline)
    clear_intent(held)
    forget_compaction(held)
    return evidence


def _highest_nonce(held: Site, target: Target) -> Optional[int]:
    known = []
    for repository in (held.client.repository, target.copy):
        with suppress(OSError, ValueError):  # What an attacker broke says nothing; baseline and copy still do.
            known.append(free_nonce(repository) if repository else None)
    with suppress(OSError, ValueError):
        baseline = load_baseline(baseline_path(held))
        known.append(baseline.nonce if baseline else None)
    return max((nonce for nonce in known if nonce is not None), default=None)


def _owner(held: Site) -> Owner:
    """Return whom the repository belongs to, None where this user is the only one."""
    if os.geteuid() != 0:
        return None
    user = account(held.client.repository_user)
    return user.pw_uid, user.pw_gid
