# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of verb maintain: which archives the client is to delete, and within which budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ansible_collections.paranoid.backup.plugins.module_utils._audit.baseline import Baseline
from ansible_collections.paranoid.backup.plugins.module_utils._audit.kept import Kept
from ansible_collections.paranoid.backup.plugins.module_utils._audit.owners import kept_archives
from ansible_collections.paranoid.backup.plugins.module_utils._audit.presence import missing_archives
from ansible_collections.paranoid.backup.plugins.module_utils._audit.stored import last_baseline
from ansible_collections.paranoid.backup.plugins.module_utils._audit.verdict import Budget
from ansible_collections.paranoid.backup.plugins.module_utils._borg.index import newest_index
from ansible_collections.paranoid.backup.plugins.module_utils._common.errors import SessionError
from ansible_collections.paranoid.backup.plugins.module_utils._common.names import valid_id
from ansible_collections.paranoid.backup.plugins.module_utils._config.server import ClientConfig
from ansible_collections.paranoid.backup.plugins.module_utils._config.site import Site
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import (
    KnownArchive,
    LedgerError,
)
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.history import History
from ansible_collections.paranoid.backup.plugins.module_utils._retention.cycle import (
    refuse_broken,
    refuse_frozen,
)
from ansible_collections.paranoid.backup.plugins.module_utils._retention.rules import (
    RetentionError,
    parse_rules,
    parse_zone,
    plan,
)
from ansible_collections.paranoid.backup.plugins.module_utils._retention.waiting import waits_for_person

NAMED_LIMIT = 1500  # archives of one trim; with its answer it must fit into one entry of the ledger
_KNOWN_LIMIT = 13_000  # archives of one request, which is at most 1 MiB
_LEAST_OBJECTS = 1000
_LEAST_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class TrimPlan:
    """What one maintenance asks for. ``archives`` are all that the ledger knows, ``drop`` those of them that it names.

    ``unknown_archives`` are ids that a person named and the ledger does not know. ``waiting`` says what is
    waited for, a compaction or a person; meanwhile nothing is named.
    """

    archives: tuple[KnownArchive, ...]
    keep: Mapping[str, tuple[str, ...]]
    drop: tuple[KnownArchive, ...]
    asked_before: frozenset[str]
    budget: Budget
    check_seconds: int
    waiting: str = ""
    unknown_archives: tuple[str, ...] = ()
    kept: Kept = field(default_factory=Kept)

    @property
    def named(self) -> tuple[str, ...]:
        """The ids of the archives to delete."""
        return tuple(archive.id for archive in self.drop) + self.unknown_archives

    @property
    def known(self) -> tuple[str, ...]:
        """The ids of all other archives that the repository should hold."""
        named = set(self.named)
        return tuple(archive.id for archive in self.archives if archive.id not in named)

    def request(self) -> dict[str, Any]:
        """Return the fields that the request has beyond verb and session."""
        return {"delete": self.named, "known": self.known, "check_seconds": self.check_seconds}

    def gate_options(self) -> tuple[str, ...]:
        """Return the budget as options of the gate."""
        budget = self.budget
        limits = {"--max-objects": budget.objects, "--max-bytes": budget.bytes, "--max-archives": budget.archives}
        return tuple(word for name, value in limits.items() for word in (name, str(value)))


def plan_trim(site: Site, now: datetime, unknown: Sequence[str] = (), ahead: float | None = None) -> TrimPlan:
    """Decide what to ask for at ``now``: the archives that the rules drop, and ``unknown``, ids that a person named.

    ``ahead`` is by how many seconds this clock is ahead of the controller's, None if that told nothing.

    SessionError if the client is frozen, its configuration has no valid rules, or the ledger knows one of ``unknown``.
    """
    client = site.client
    if client.retention is None:
        raise SessionError("not_provisioned", f"the record of {client.client} has no retention: run site.yml for it")
    try:
        rules, zone = parse_rules(client.retention), parse_zone(client.time_zone)
        refuse_broken(site.ledger, site.name, now)
        refuse_frozen(site.ledger, site.name)
        history = site.ledger.history(site.name)
        person = waits_for_person(site, history, now, ahead)
    except (RetentionError, LedgerError) as error:
        raise SessionError("server_error", str(error)) from None
    archives, asked = history.archives, history.requested
    if len(archives) > _KNOWN_LIMIT:
        raise SessionError("server_error", f"{client.client} has more than {_KNOWN_LIMIT} archives: keep fewer")
    decided = plan(archives, rules, now, zone)
    extra = _require_unknown(unknown, archives)
    why = waits_for(history, len(decided.drop) + len(extra), person)
    if why:
        return TrimPlan(archives, decided.keep, (), asked, Budget(), client.check_seconds, why)
    drop = decided.drop[: NAMED_LIMIT - len(extra)]
    budget = trim_budget(client, last_baseline(site), drop, len(extra), len(archives) + len(extra))
    if drop or extra:
        _refuse_missing(site, archives)
    kept = kept_archives(site, history, frozenset(archive.id for archive in drop))
    return TrimPlan(archives, decided.keep, drop, asked, budget, client.check_seconds, "", extra, kept)


def _refuse_missing(site: Site, archives: Sequence[KnownArchive]) -> None:
    """Ask for nothing while anything is missing: Borg deletes what no archive of its list needs any more."""
    with newest_index(site.client.repository) as index:
        missing = missing_archives(index, (one.id for one in archives)) if index is not None else ()
    if missing:
        lost = f"{site.name} misses {len(missing)} archives that nobody deleted"
        raise SessionError("archives_missing", f"{lost}: run a full audit, then look for a snapshot")


def trim_budget(
    client: ClientConfig, baseline: Baseline, drop: Sequence[KnownArchive], unknown: int, archives: int
) -> Budget:
    """Return the budget for deleting ``drop`` and so many unknown archives out of ``archives``.

    Limits in the client's configuration go first. Otherwise: an object that is deleted came with an archive that goes,
    or with one that went earlier. So the budget is what came with those that go, and their share of the repository.
    Small repositories get a little more room.
    """
    dropped = len(drop) + unknown
    if not dropped:
        return Budget()
    share = (baseline.objects or 0) * dropped // archives, baseline.size * dropped // archives
    objects = max(_LEAST_OBJECTS, share[0] + sum(archive.stored_objects for archive in drop))
    stored = max(_LEAST_BYTES, share[1] + sum(archive.stored_bytes for archive in drop))
    return Budget(
        objects if client.trim_max_objects is None else client.trim_max_objects,
        stored if client.trim_max_bytes is None else client.trim_max_bytes,
        dropped,
    )


def _require_unknown(unknown: Sequence[str], archives: Sequence[KnownArchive]) -> tuple[str, ...]:
    known = {archive.id for archive in archives}
    for one in unknown:
        if not valid_id(one):
            raise SessionError("refused", f"delete_unknown takes ids of archives, 64 hex digits each, not {one[:80]!r}")
        if one in known:
            raise SessionError(
                "refused", f"the ledger knows archive {one}: its rules decide about it, not delete_unknown"
            )
    if len(unknown) > NAMED_LIMIT:
        raise SessionError("refused", f"delete_unknown takes at most {NAMED_LIMIT} archives at once")
    return tuple(dict.fromkeys(unknown))


def waits_for(history: History, going: int, person: str = "") -> str:
    """Say why ``going`` archives stay that the rules let go, empty if they may go; ``person`` is what waits for one."""
    if person:
        return f"{person}; until then {going} archives stay"
    trim = history.waiting_trim
    if trim is None:
        return ""
    day = trim.time.date().isoformat()
    return f"the trim of {day} waits for its compaction, so {going} archives stay until then"
