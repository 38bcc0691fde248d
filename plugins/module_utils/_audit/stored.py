# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An audit in its place: against the baseline that the last one left, leaving the next."""

from __future__ import annotations

import json
from collections.abc import Set as AbstractSet
from contextlib import nullcontext, suppress
from typing import Any

from ansible_collections.paranoid.backup.plugins.module_utils._audit.baseline import Baseline
from ansible_collections.paranoid.backup.plugins.module_utils._audit.incremental import audit
from ansible_collections.paranoid.backup.plugins.module_utils._audit.kept import Kept
from ansible_collections.paranoid.backup.plugins.module_utils._audit.kept_lists import keep_list
from ansible_collections.paranoid.backup.plugins.module_utils._audit.owners import index_before, kept_archives
from ansible_collections.paranoid.backup.plugins.module_utils._audit.presence import Expectation
from ansible_collections.paranoid.backup.plugins.module_utils._audit.verdict import ALARM, CLEAN, AuditVerdict, Budget
from ansible_collections.paranoid.backup.plugins.module_utils._borg.repository import repository_id
from ansible_collections.paranoid.backup.plugins.module_utils._common.errors import SessionError
from ansible_collections.paranoid.backup.plugins.module_utils._common.files import save_json
from ansible_collections.paranoid.backup.plugins.module_utils._config.site import Site
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import LedgerError

_LIMIT = 16 * 1024 * 1024


def audit_since_baseline(
    site: Site,
    policy: str,
    budget: Budget | None = None,
    going: AbstractSet[str] = frozenset(),
    archive: str = "",
) -> tuple[AuditVerdict, Baseline | None]:
    """Audit what was done under ``policy`` since the last audit; the caller holds the client's lock.

    ``going`` are the ids of the archives that a trim may delete; ``archive`` the id of the one that the client says
    it brought. All others that the ledger knows must be there; if it cannot be read, the session fails for that.

    The next audit compares with the second, once the ledger has the verdict and ``save_baseline`` was called.
    """
    path = baseline_path(site)
    try:
        old = load_baseline(path)
    except (OSError, ValueError) as error:
        why = f"the baseline {path} cannot be read, so nothing can be compared ({error}): audit in full, then remove it"
        return AuditVerdict(ALARM, (why,)), None
    if old is None and repository_id(site.client.repository) is None:
        return AuditVerdict(CLEAN, ()), None  # Its making failed: there is nothing yet that could have been touched.
    expected, kept, last = Expectation(archive=archive), Kept(), -1
    if old is None and policy == "create":  # It is new: what the ledger knows was in another one, which is lost.
        return audit(site.client.repository, None, policy)
    with suppress(LedgerError):
        history = site.ledger.history(site.name)
        staying = tuple(one.id for one in history.archives if one.id not in going)
        expected, kept = Expectation(staying, archive, tuple(going)), kept_archives(site, history, going)
        last = max(history.transactions, default=-1)
    with index_before(site) if policy == "trim" else nullcontext() as before:
        return audit(site.client.repository, old, policy, budget, site.client.compression, expected, kept, before, last)


def save_baseline(site: Site, baseline: Baseline | None) -> None:
    """Have the next audit compare with ``baseline``, or with the same as this one where there is none.

    The list of archives of that state is kept, for it may be the last one before a client takes it.
    """
    if baseline is not None:
        keep_list(site, baseline.transaction)
        save_json(baseline_path(site), baseline.to_dict())


def baseline_path(site: Site) -> str:
    """Return where the client's baseline is kept, out of reach of the repository's own user."""
    return site.state_file("baseline.json")


def last_baseline(site: Site) -> Baseline:
    """Return what the last audit left; SessionError when there was none, or it cannot be read."""
    path = baseline_path(site)
    try:
        found = load_baseline(path)
    except (OSError, ValueError) as error:
        raise SessionError("server_error", f"the baseline {path} cannot be read: {error}") from None
    if found is None:
        raise SessionError("server_error", f"{site.name} was never audited: run audit.yml for it")
    return found


def load_baseline(path: str) -> Baseline | None:
    """Return the baseline at ``path``, None before the first audit; ValueError when it is not one."""
    try:
        with open(path, encoding="utf-8") as handle:
            content: Any = json.loads(handle.read(_LIMIT))
    except FileNotFoundError:
        return None
    if not isinstance(content, dict):
        raise ValueError("not a baseline")
    return Baseline.from_dict(content)
