# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A repository that no client writes to any more: set aside as it is, and destroyed when its time is over.

Borg 1.4 cannot change the key that a repository's data is encrypted with, so who has the key of a client is only kept
from what comes by a new repository. The old one goes to ``<repository root>/<client>/old-<id>/``, with its escrow,
where the client's user on the server cannot enter. Wherever that is cut off, sessions are refused and the same call
goes on: the repository moves first, then the ledger gets its entry, and ``repository.json``, by which it is known,
goes last.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from datetime import datetime, timedelta

from ansible_collections.paranoid.backup.plugins.module_utils._borg import repository as place
from ansible_collections.paranoid.backup.plugins.module_utils._common.errors import SessionError
from ansible_collections.paranoid.backup.plugins.module_utils._common.files import sync_directory
from ansible_collections.paranoid.backup.plugins.module_utils._common.process import account
from ansible_collections.paranoid.backup.plugins.module_utils._config.site import Site
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import DestroyEntry, RetireEntry
from ansible_collections.paranoid.backup.plugins.module_utils._outcome import escrow
from ansible_collections.paranoid.backup.plugins.module_utils._retention.cycle import refuse_broken, refuse_frozen
from ansible_collections.paranoid.backup.plugins.module_utils._retention.rules import (
    RetentionError,
    horizon,
    parse_rules,
)

_STATE = "retired"  # below a client's state: what belonged to repositories that were set aside


@dataclass(frozen=True)
class Wish:
    """What a person wants: why, who, and for how many days it is kept (None: as long as its retention says)."""

    reason: str
    by: str
    keep_days: int | None = None


def plan_retirement(site: Site, wish: Wish, now: datetime) -> RetireEntry | None:
    """Return the ledger's entry for a repository that is to be set aside; None if there is none that anybody used.

    One that was set aside only in part has its entry already, and that one is returned. SessionError for a repository
    that is not the one that provisioning recorded.
    """
    identifier = place.recorded_id(site)
    if identifier is None:
        return None
    begun = find_retirement(site, identifier)
    if begun is not None:
        return begun
    beside = f"old-{identifier[:12]}"
    if place.repository_id(os.path.join(_beside(site), beside, "repo")) != identifier:
        place.check_repository(site)
    archives = site.ledger.history(site.name).archives
    if not archives and site.ledger.newest(site.name, "retire") is not None:
        return None  # It was made by the last call, which went wrong later.
    until = (now + _keep_for(site, wish.keep_days)).date().isoformat()
    return RetireEntry(site.name, wish.reason, wish.by, identifier, beside, until, len(archives))


def retire(site: Site, entry: RetireEntry) -> None:
    """Set the repository aside, with its escrow and what the server knows of it; an empty directory takes its place."""
    target = os.path.join(_beside(site), entry.place)
    os.makedirs(target, mode=0o700, exist_ok=True)
    if not os.path.lexists(os.path.join(target, "repo")):
        _make_empty(site)
        os.rename(site.client.repository, os.path.join(target, "repo"))
    place.end_swap(site.client.repository)
    if os.path.isdir(escrow.directory(site)) and not os.path.lexists(os.path.join(target, "escrow")):
        os.rename(escrow.directory(site), os.path.join(target, "escrow"))
    for path in (target, _beside(site)):
        sync_directory(path)
    if find_retirement(site, entry.repository_id) is None:
        site.ledger.append(entry)
    _set_state_aside(site, entry)


def plan_destruction(site: Site, repository_id: str, wish: Wish, now: datetime) -> DestroyEntry | None:
    """Return the ledger's entry for a repository that is to be destroyed, None if it is gone.

    SessionError if it must stay.
    """
    entry = find_retirement(site, repository_id)
    if entry is None:
        raise SessionError("refused", f"{site.name} has no retired repository {repository_id[:64]!r}: see ledger_info")
    refuse_broken(site.ledger, site.name, now)
    refuse_frozen(site.ledger, site.name)
    if place.recorded_id(site) == entry.repository_id:
        raise SessionError("refused", f"{site.name}'s repository was set aside only in part: run rekey.yml again")
    if now.date().isoformat() < entry.until:
        raise SessionError(
            "refused", f"{site.name}'s repository {entry.repository_id[:12]} is kept until {entry.until}"
        )
    target = os.path.join(_beside(site), entry.place)
    if not os.path.lexists(target) and _is_destroyed(site, entry.repository_id):
        return None
    return DestroyEntry(site.name, wish.reason, wish.by, entry.repository_id, _size(target))


def destroy(site: Site, entry: DestroyEntry) -> None:
    """Remove a retired repository for good, and enter that into the ledger once nothing of it is left."""
    retirement = find_retirement(site, entry.repository_id)
    if retirement is None:
        raise SessionError("refused", f"{site.name} has no retired repository {entry.repository_id[:12]}")
    for path in (
        os.path.join(_beside(site), retirement.place),
        site.state_file(os.path.join(_STATE, retirement.place)),
    ):
        if os.path.lexists(path):
            shutil.rmtree(path)  # By descriptors: what its user left there as links is removed, not followed.
            sync_directory(os.path.dirname(path))
    site.ledger.append(entry)


def find_retirement(site: Site, repository_id: str) -> RetireEntry | None:
    """Return the entry by which a repository (its id, or how it begins) was set aside, None if it was not."""
    for row in site.ledger.entries("retire", site.name):
        entry = row.entry
        if (
            isinstance(entry, RetireEntry)
            and len(repository_id) >= 12
            and entry.repository_id.startswith(repository_id)
        ):
            return entry
    return None


def _keep_for(site: Site, days: int | None) -> timedelta:
    """Return how long a repository is kept that nobody adds to any more."""
    if days is not None:
        return timedelta(days=days)
    try:
        longest = horizon(parse_rules(site.client.retention or {}))
    except RetentionError as error:
        raise SessionError("refused", str(error)) from None
    if longest is None:
        why = f"the retention of {site.name} keeps archives without end"
        raise SessionError("refused", f"{why}: say for how many days the old ones are kept (backup_keep_days)")
    return longest + timedelta(days=site.client.hold_days)


def _make_empty(site: Site) -> None:
    """Make the directory that is to take the repository's place; `end_swap` puts it there."""
    fresh = place.beside(site.client.repository)
    if os.path.lexists(fresh):  # What a rollback left that was cut off, or this.
        shutil.rmtree(fresh)
    os.mkdir(fresh, 0o700)
    if os.geteuid() == 0:
        user = account(site.client.repository_user)
        os.chown(fresh, user.pw_uid, user.pw_gid, follow_symlinks=False)


def _set_state_aside(site: Site, entry: RetireEntry) -> None:
    """Move what the server knows of the repository out of the next one's way, the note that it exists last."""
    target, own = site.state_file(os.path.join(_STATE, entry.place)), site.state_file("")
    os.makedirs(target, mode=0o700, exist_ok=True)
    names = sorted(os.listdir(own), key=lambda name: (name == "repository.json", name))
    for name in names:
        if name != _STATE:
            os.replace(os.path.join(own, name), os.path.join(target, name))
    sync_directory(own)


def _beside(site: Site) -> str:
    """Return the directory of all that the server keeps of a client's data, which is root's."""
    return os.path.dirname(site.client.repository)


def _is_destroyed(site: Site, repository_id: str) -> bool:
    rows = site.ledger.entries("destroy", site.name)
    return any(isinstance(row.entry, DestroyEntry) and row.entry.repository_id == repository_id for row in rows)


def _size(path: str) -> int:
    """Return the bytes of all files below a directory that only root enters; links are not followed.

    0 if it is not there: a destruction that was cut off has removed it, and only the ledger does not know yet.
    """
    if not os.path.lexists(path):
        return 0
    return sum(
        os.stat(name, dir_fd=parent, follow_symlinks=False).st_size
        for _below, _directories, names, parent in os.fwalk(path)
        for name in names
    )
