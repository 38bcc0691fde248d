# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Crash recovery: conclude what was cut off before anything new begins: it must not look like tampering, nor hide any.

Work that changes a repository writes a note before it begins, and removes it when ledger and baseline know the result.
So the notes are the states, and a recovery that is itself cut off begins again with the same one:

- No note: nothing was cut off. Stale locks are freed, which happens in every state.
- ``compacting.json``, the baseline before a compaction: Borg checks the repository, and what it holds is compared with
  that baseline. A compaction that committed goes into the ledger. If all is sound, its state becomes the baseline; if
  not, the alarm is recorded and freezes the client; either way the note goes. If the check did not run to its end, or
  the ledger rejects the entry, SessionError, and the note stays.
- ``underway.json`` (`intent`), what a session was allowed to do: it is audited under its own policy and budget. It goes
  into the ledger as failed, an alarm freezes the client, the baseline advances and the note goes. If the ledger rejects
  a trim or an alarm, baseline and note stay; after a trim, SessionError.

A compaction is concluded before a session, whose audit compares with the state that the compaction left.
"""

from __future__ import annotations

import os
from contextlib import suppress

from ansible_collections.paranoid.backup.plugins.module_utils._audit.baseline import Baseline
from ansible_collections.paranoid.backup.plugins.module_utils._audit.incremental import rebase
from ansible_collections.paranoid.backup.plugins.module_utils._audit.owners import (
    forget_index,
    keep_index,
    note_compaction,
)
from ansible_collections.paranoid.backup.plugins.module_utils._audit.stored import (
    audit_since_baseline,
    baseline_path,
    load_baseline,
    save_baseline,
)
from ansible_collections.paranoid.backup.plugins.module_utils._audit.verdict import ALARM, AuditVerdict
from ansible_collections.paranoid.backup.plugins.module_utils._borg import repository as place
from ansible_collections.paranoid.backup.plugins.module_utils._borg.command import run_borg
from ansible_collections.paranoid.backup.plugins.module_utils._borg.stale_locks import free_locks
from ansible_collections.paranoid.backup.plugins.module_utils._common.clock import stamp
from ansible_collections.paranoid.backup.plugins.module_utils._common.errors import SessionError
from ansible_collections.paranoid.backup.plugins.module_utils._common.files import save_json
from ansible_collections.paranoid.backup.plugins.module_utils._config.site import Site
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import CompactionEntry, LedgerError
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.bookkeeping import (
    record_and_advance,
    record_audit,
)
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.intent import Intent, read_intent
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.outcome import Conclusion, GateSummary, Outcome

_CUT_OFF = "the server was cut off in the middle of this session"


def recover(site: Site) -> None:
    """Free stale locks, and conclude what was cut off; the caller holds the client's lock."""
    free_locks(site.client.repository, site.server.host_id)
    compaction, session = _read_note(site), read_intent(site)
    if compaction is None and session is None:
        return
    place.check_repository(site)
    if compaction is not None:
        try:
            conclude_compaction(site, compaction)
        except LedgerError as error:
            raise SessionError("server_error", str(error)) from None
    if session is not None:
        _conclude_session(site, session)


def begin_compaction(site: Site, before: Baseline) -> None:
    """Write the note: segments are about to be rewritten, and ``before`` is what they held."""
    keep_index(site)
    save_json(_note_path(site), before.to_dict())


def conclude_compaction(site: Site, before: Baseline) -> tuple[AuditVerdict, CompactionEntry | None]:
    """Check what a compaction left, record it if it committed, and save the new baseline unless it is an alarm.

    The ledger's entry is written first: from then on no rollback may rely on what the compaction freed.
    """
    code, said = run_borg(site, "check", "--repository-only")  # It replays segments that no index covers yet.
    if code not in (0, 1):
        reason = f"nothing tells what a compaction of {site.name} left, borg check ended with {code}: {said}"
        raise SessionError("check_failed", reason)
    found, after = rebase(site.client.repository, before)
    if code:
        found = AuditVerdict(ALARM, (*found.findings, f"borg check after a compaction: {said}"))
    entry = None
    if after.transaction != before.transaction:
        note_compaction(site, before.transaction, after.transaction)
        entry = CompactionEntry(site.name, before.size, after.size, after.transaction)
        site.ledger.append(entry)
    if found.verdict == ALARM:
        record_audit(site, found, after)
    else:
        save_baseline(site, after)
    forget_compaction(site)
    return found, entry


def forget_compaction(site: Site) -> None:
    """Remove the note of a compaction, if there is one."""
    with suppress(FileNotFoundError):
        os.unlink(_note_path(site))
    forget_index(site)


def _conclude_session(site: Site, session: Intent) -> None:
    before = None
    with suppress(ValueError):  # If it cannot be read, the audit below raises an alarm.
        before = load_baseline(baseline_path(site))
    found, baseline = audit_since_baseline(site, session.policy, session.budget, frozenset(session.named))
    moved = baseline is not None and (before is None or baseline.transaction > before.transaction)
    outcome = Outcome(
        site.name,
        session.verb,
        session.session,
        session.run_id,
        Conclusion("failed", "server_error", _CUT_OFF),
        session.started,
        stamp(),
        0.0,
        maintain={"named": session.named, "deleted": ()},
        gate=GateSummary(transaction=baseline.transaction if baseline and moved else None),
    )
    outcome = record_and_advance(site, outcome, found, baseline)
    if read_intent(site) is not None and found.verdict != ALARM:
        raise SessionError("server_error", f"what the last maintenance deleted is {outcome.conclusion.reason}")


def _read_note(site: Site) -> Baseline | None:
    """Return the baseline before the compaction that was cut off, None if none was."""
    try:
        return load_baseline(_note_path(site))
    except ValueError as error:
        raise SessionError("server_error", f"{_note_path(site)} cannot be read: {error}") from None


def _note_path(site: Site) -> str:
    return site.state_file("compacting.json")
