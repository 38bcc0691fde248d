# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rollback: bring a repository back to one of its own transactions, or to a copy, and keep the old state as evidence.

The steps are those of Borg 1.4, docs/usage/notes, "Append-only mode", and one more: no nonce may be used twice.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass

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
    newest_transaction,
    segment_files,
    swap_in,
)


@dataclass(frozen=True)
class Target:
    """Where to go back to: the last ``transaction``, and the directory of a copy (None: the repository's own past)."""

    transaction: int
    copy: str | None


def refuse_older_state(site: Site) -> None:
    """Raise SessionError if the repository went back without a rollback, as when an older copy of the disk came back.

    Borg on the client would take it for an attack, and nonces be used twice: a rollback to where it is mends both.
    """
    newest = newest_transaction(site.client.repository)
    later = [one for one in site.ledger.history(site.name).transactions if newest is None or one > newest]
    if newest is None or not later:
        return
    how = f"rollback.yml --limit {site.name} -e backup_rollback_transaction={newest} -e backup_reason=..."
    why = f"{site.name}'s repository is an older one: it ends with transaction {newest}, and there was {later[-1]}"
    raise SessionError("refused", f"{why}. First have server and client agree on it: {how}")


def target_transaction(site: Site, transaction: int) -> Target:
    """Return the target for a transaction of the repository itself; SessionError if it cannot be reached.

    Its newest one can always be reached, for nothing goes: an older copy does not know of later compactions.
    """
    if transaction == newest_transaction(site.client.repository):
        return Target(transaction, None)
    compaction = site.ledger.history(site.name).first_compaction_after(transaction)
    if compaction is not None:
        day = compaction.time.date().isoformat()
        raise SessionError(
            "refused", f"the compaction of {day} freed what transaction {transaction} needs: use a snapshot"
        )
    own = {file.number: file for file in segment_files(site.client.repository)}
    if transaction not in own or not ends_with_commit(own[transaction]):
        raise SessionError("refused", f"{site.name} has no transaction {transaction}: ledger_info lists them")
    return Target(transaction, None)


def target_snapshot(site: Site, snapshot: str) -> Target:
    """Return the target for a directory that holds a copy of the repository; SessionError if it is no such copy."""
    expected = place.recorded_id(site)
    if expected is None or place.repository_id(os.path.realpath(snapshot)) != expected:
        raise SessionError("wrong_repository", f"{snapshot} holds no copy of {site.name}'s repository")
    copy = os.path.realpath(snapshot)  # The path is the operator's, and may be a link; what lies in it may not.
    commits = [file.number for file in segment_files(copy) if ends_with_commit(file)]
    if not commits:
        raise SessionError("refused", f"the copy in {snapshot} has no transaction")
    return Target(commits[-1], copy)


def plan_rollback(site: Site, target: Target, reason: str) -> RollbackEntry:
    """Return the ledger's entry: the archives that are lost, and the deleted ones that come back."""
    history, back_to = site.ledger.history(site.name), target.transaction
    return RollbackEntry(site.name, reason, history.lost_by(back_to), back_to, history.restored_by(back_to))


def roll_back(site: Site, target: Target, entry: RollbackEntry, moment: str) -> str:
    """Go back, and return the evidence's directory; SessionError, with evidence kept, if the result is not sound."""
    repository = site.client.repository
    evidence = os.path.join(os.path.dirname(repository), f"evidence-{moment}")
    nonce = _highest_nonce(site, target)
    if target.copy is None:
        keep_evidence(repository, evidence)
        carry_nonce(nonce, repository, _owner(site))
        cut(repository, target.transaction, _owner(site))
    else:
        copy_repository(target.copy, place.beside(repository), _owner(site))
        carry_nonce(nonce, place.beside(repository), _owner(site))
        swap_in(repository, evidence)
    code, said = run_borg(site, "check", "--repository-only")  # It also makes the index anew.
    if code:
        raise SessionError(
            "server_error", f"{site.name} is damaged after the rollback: {said}; evidence is in {evidence}"
        )
    found, baseline = audit(repository, None, "append")
    if found.verdict == ALARM or baseline is None:
        raise alarm_error(repository_alarm(site.name, found))
    site.ledger.append(entry)
    forget_lists(site, after=baseline.transaction)
    save_baseline(site, baseline)
    clear_intent(site)
    forget_compaction(site)
    return evidence


def _highest_nonce(site: Site, target: Target) -> int | None:
    known = []
    for repository in (site.client.repository, target.copy):
        with suppress(OSError, ValueError):  # An attacker may have broken one; the others still count.
            known.append(free_nonce(repository) if repository else None)
    with suppress(OSError, ValueError):
        baseline = load_baseline(baseline_path(site))
        known += [baseline.nonce, baseline.highest_nonce] if baseline else []
    return max((nonce for nonce in known if nonce is not None), default=None)


def _owner(site: Site) -> Owner:
    """Return the repository's owner, None if this process cannot change it."""
    if os.geteuid() != 0:
        return None
    user = account(site.client.repository_user)
    return user.pw_uid, user.pw_gid
