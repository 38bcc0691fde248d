# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Work on a client's repository outside a session: under its lock, audited, and recorded in the ledger."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

from ansible_collections.paranoid.backup.plugins.module_utils._audit.full import full_audit
from ansible_collections.paranoid.backup.plugins.module_utils._audit.stored import (
    audit_since_baseline,
    save_baseline,
)
from ansible_collections.paranoid.backup.plugins.module_utils._audit.verdict import ALARM, CLEAN, AuditVerdict
from ansible_collections.paranoid.backup.plugins.module_utils._borg import repository as place
from ansible_collections.paranoid.backup.plugins.module_utils._borg.stale_locks import free_locks
from ansible_collections.paranoid.backup.plugins.module_utils._common.clock import utc_now
from ansible_collections.paranoid.backup.plugins.module_utils._common.errors import SessionError
from ansible_collections.paranoid.backup.plugins.module_utils._common.locks import client_lock
from ansible_collections.paranoid.backup.plugins.module_utils._common.names import valid_client_name
from ansible_collections.paranoid.backup.plugins.module_utils._config.server import ConfigError
from ansible_collections.paranoid.backup.plugins.module_utils._config.site import Site, load_site
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import LedgerError
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.tamper_check import chain_problem
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.bookkeeping import record_audit
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.crash_recovery import recover
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.rebuilt import clear_mark
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.spare import save_spare


@contextmanager
def upkeep(
    config_dir: str, client: str, purpose: str, recover_first: bool = True, check: bool = False
) -> Iterator[Site]:
    """Hold the client's lock, so that nobody else works on its repository; every failure becomes a SessionError.

    With ``recover_first``, conclude first what was cut off; a repository that is to be replaced may be too broken.
    What was done is in the spare afterwards, too, unless it is a ``check``; should that fail, the next session tells.
    """
    if not valid_client_name(client):
        raise SessionError("not_provisioned", "the name of the client is not a valid name")
    try:
        site = load_site(config_dir, client)
        with client_lock(site.server.run_dir, client, purpose), closing(site):
            place.end_swap(site.client.repository)
            place.check_place(site)
            if recover_first:
                recover(site)
            else:
                free_locks(site.client.repository, site.server.host_id)
            yield site
            if not check and not chain_problem(site.ledger, utc_now()):
                save_spare(site)
    except ConfigError as error:
        raise SessionError("not_provisioned", str(error)) from None
    except LedgerError as error:
        raise SessionError("server_error", str(error)) from None
    except OSError as error:
        raise SessionError("server_error", f"the server cannot work: {error}") from None


def audit_and_record(site: Site, full: bool = False, check: bool = False) -> AuditVerdict:
    """Audit as after a session that could only append; record the verdict, and freeze on an alarm.

    With ``check``, write neither baseline nor ledger. A full one lifts the mark of a server that was made again.
    """
    place.check_repository(site)
    found, baseline = audit_since_baseline(site, "append")
    if full:
        whole = full_audit(site.client.repository)
        found = AuditVerdict(
            ALARM if ALARM in (found.verdict, whole.verdict) else CLEAN,
            found.findings + whole.findings,
            found.changes,
        )
    if not check:
        record_audit(site, found, baseline)
        save_baseline(site, baseline)
        if full:
            clear_mark(site)
    return found
