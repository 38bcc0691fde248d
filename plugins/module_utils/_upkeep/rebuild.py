# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lost server is made again from the dataset with the repositories.

Everything is looked at first (`plan_rebuild`); a machine with a living ledger is refused. Then, in this order, each
step whole or not at all, so that a call that was cut off is simply made again:

1. The ledger is put in place, with an entry for each client.
2. Each client that this machine does not know yet: its files are given to its user, what the spare knows of it is
   brought back, it is marked as one that is only read (`rebuilt`), and last, its repository is known again.

A client whose repository is missing, another one, or not made of plain files gets the mark alone: it says why, and
nobody makes an empty repository in its place.
"""

from __future__ import annotations

import json
import os
import pwd
import secrets
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.paranoid.backup.plugins.module_utils._audit.baseline import Baseline
from ansible_collections.paranoid.backup.plugins.module_utils._audit.verdict import Budget
from ansible_collections.paranoid.backup.plugins.module_utils._borg.repository import end_swap, repository_id
from ansible_collections.paranoid.backup.plugins.module_utils._borg.stale_locks import free_locks
from ansible_collections.paranoid.backup.plugins.module_utils._common.clock import stamp
from ansible_collections.paranoid.backup.plugins.module_utils._common.errors import SessionError
from ansible_collections.paranoid.backup.plugins.module_utils._common.files import (
    atomic_write,
    directory_beneath,
    save_json,
)
from ansible_collections.paranoid.backup.plugins.module_utils._common.names import repository_user, valid_client_name
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.chain import ChainHead
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import RepositoryEntry
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.ledger import Ledger
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.intent import Intent, note_intent
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.rebuilt import Rebuilt, read_mark, write_mark
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.spare import list_spare, read_spare
from ansible_collections.paranoid.backup.plugins.module_utils._upkeep.handover import Links, hand_over
from ansible_collections.paranoid.backup.plugins.module_utils._upkeep.rebuilt_ledger import (
    LedgerSource,
    find_ledger,
    place_ledger,
)
from ansible_collections.paranoid.backup.plugins.module_utils._upkeep.repository_files import newest_transaction

_REPOSITORY = "repository.json"
_AUDITED = ("baseline.json", "compactions.json")


@dataclass(frozen=True)
class Places:
    """Where the repositories are, and where this machine's own state and configuration are to be."""

    root: str
    state_dir: str
    config_dir: str


@dataclass(frozen=True)
class Plan:
    """``found`` have a repository on the dataset; ``missing`` should have one; ``new`` of both are to be done."""

    places: Places
    ledger: LedgerSource
    found: tuple[str, ...]
    missing: tuple[str, ...]
    new: tuple[str, ...]


@dataclass
class Work:
    """What one call does: which files are whose, and what it told of each client."""

    check: bool
    links: Links = field(default_factory=dict)
    marks: dict[str, Rebuilt] = field(default_factory=dict)


def plan_rebuild(places: Places, known: ChainHead, anew: bool) -> Plan:
    """Look at all there is, change nothing; SessionError if there is nothing to rebuild, or this server is not lost."""
    found = _list_repositories(places.root)
    spare = list_spare(places.root)
    if not found and not spare:
        raise SessionError("refused", f"{places.root} has no repositories: mount the dataset, or name its place")
    ledger = find_ledger(places.root, places.state_dir, known, anew)
    missing = tuple(one for one in spare if one not in found)
    done = [one for one in (*found, *missing) if os.path.lexists(os.path.join(places.state_dir, one, _REPOSITORY))]
    new = tuple(one for one in (*found, *missing) if one not in done)
    return Plan(places, ledger, found, missing, new)


def rebuild(plan: Plan, check: bool = False) -> Work:
    """Do it; with ``check``, only tell what there is to tell. LedgerError or OSError if it cannot be done."""
    work = Work(check)
    history = _read_ids(plan.ledger, plan.new)
    if plan.new and not check:
        place_ledger(plan.ledger, plan.places.root, plan.places.state_dir, plan.new)
    for client in plan.new:
        try:
            work.marks[client] = _adopt(plan, client, work, history.get(client))
        except SessionError as error:
            work.marks[client] = Rebuilt((), error.reason)
        if not check:
            _finish(plan.places, client, work.marks[client])
    return work


def list_waiting(state_dir: str, clients: Iterable[str]) -> list[str]:
    """Return the clients that can only restore until a full audit."""
    marks = {client: read_mark(state_dir, client) for client in clients}
    return sorted(client for client, mark in marks.items() if mark is not None and not mark.problem)


def _adopt(plan: Plan, client: str, work: Work, recorded: str | None) -> Rebuilt:
    """Make a client's repository usable here and return what to mark it with; SessionError if it is not to be used."""
    places = plan.places
    directory = os.path.join(places.root, client)
    repository = os.path.join(directory, "repo")
    _restore_record(places, client, work.check)
    if client in plan.missing:
        raise SessionError("repository_missing", f"{repository} is not on the dataset, but {client} had one there")
    if not work.check:
        end_swap(repository)
    expected = _spare_id(places.root, client) or recorded
    there = repository_id(repository)
    if there is None or (expected and there != expected):
        holds = f"repository {there[:12]}" if there else "no repository"
        had = f", but {client} had {expected[:12]}" if expected else ""
        raise SessionError("wrong_repository", f"{repository} holds {holds}{had}")
    user = _account(client)
    if user is not None:
        hand_over(directory, client, user, work.links, work.check)
    if not work.check:
        free_locks(repository, None)
    told = () if expected else ("that the repository is this client's, only its place on the dataset says",)
    return Rebuilt((*plan.ledger.told, *told, *_restore_state(places, client, repository, work.check)))


def _finish(places: Places, client: str, mark: Rebuilt) -> None:
    """Mark the client, and last, know its repository; until then the next call does it all again."""
    write_mark(places.state_dir, client, mark)
    if not mark.problem:
        found = repository_id(os.path.join(places.root, client, "repo"))
        content = {"schema": 1, "id": found, "created": stamp()}
        save_json(os.path.join(places.state_dir, client, _REPOSITORY), content)


def _restore_state(places: Places, client: str, repository: str, check: bool) -> list[str]:
    """Bring back what an audit must know; return what is not known any more."""
    contents = {name: read_spare(places.root, "clients", client, name) for name in _AUDITED}
    baseline = _take_baseline(client, contents["baseline.json"])
    if not check:
        for name, content in contents.items():
            if content is not None:
                path = os.path.join(places.state_dir, client, name)
                os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
                atomic_write(path, content)
    if baseline is None:
        return ["nothing tells how the last session left the repository, nor its highest nonce: it is taken as it lies"]
    newest = newest_transaction(repository)
    if newest is None or newest <= baseline.transaction:
        return []
    if not check:  # As after a crash, the next session finds out what it did.
        intent = Intent(secrets.token_hex(16), "backup", "", stamp(), "append", Budget())
        note_intent(os.path.join(places.state_dir, client), intent)
    return [f"a session was under way: of transactions {baseline.transaction} to {newest} the ledger does not know"]


def _take_baseline(client: str, content: bytes | None) -> Baseline | None:
    try:
        return None if content is None else Baseline.from_dict(json.loads(content))
    except (ValueError, TypeError) as error:
        raise SessionError("server_error", f"the spare baseline of {client} cannot be read: {error}") from None


def _restore_record(places: Places, client: str, check: bool) -> None:
    """Bring back the client's configuration and pinned host keys, unless site.yml has written newer ones."""
    path = os.path.join(places.config_dir, "clients", client + ".json")
    keys = os.path.join(places.config_dir, "known_hosts", client)
    record = _load(read_spare(places.root, "clients", client, "client.json"))
    pinned = read_spare(places.root, "clients", client, "known_hosts")
    if check or os.path.lexists(path) or record.get("client") != client or pinned is None:
        return
    for directory in (os.path.dirname(path), os.path.dirname(keys)):
        os.makedirs(directory, mode=0o755, exist_ok=True)
    atomic_write(keys, pinned, 0o644)
    repository = os.path.join(places.root, client, "repo")
    own = {"repository": repository, "repository_user": repository_user(client), "known_hosts_file": keys}
    atomic_write(path, json.dumps({**record, **own}, indent=2).encode(), 0o644)


def _spare_id(root: str, client: str) -> str | None:
    found = _load(read_spare(root, "clients", client, _REPOSITORY)).get("id")
    return found if isinstance(found, str) else None


def _load(content: bytes | None) -> dict[str, Any]:
    with suppress(ValueError):
        found = json.loads(content or b"{}")
        return found if isinstance(found, dict) else {}
    return {}


def _account(client: str) -> tuple[int, int] | None:
    """Return uid and gid of a repository's user, None where check mode has not made it."""
    with suppress(KeyError):
        found = pwd.getpwnam(repository_user(client))
        return found.pw_uid, found.pw_gid
    return None


def _read_ids(ledger: LedgerSource, clients: Iterable[str]) -> dict[str, str]:
    """Return the repositories' ids, as the ledger knows them."""
    if not ledger.path:
        return {}
    with Ledger.read(ledger.path) as opened:
        rows = {client: opened.newest(client, "repository") for client in clients}
    entries = {client: row.entry for client, row in rows.items() if row}
    return {client: one.repository_id for client, one in entries.items() if isinstance(one, RepositoryEntry)}


def _list_repositories(root: str) -> tuple[str, ...]:
    """Return the clients that have a directory with a repository, or with the copy of a rollback that was cut off."""
    found = []
    with suppress(FileNotFoundError), directory_beneath(root) as place:
        for name in sorted(filter(valid_client_name, os.listdir(place))):
            with suppress(OSError), directory_beneath(place, name) as directory:
                if {"repo", "repo.new"}.intersection(os.listdir(directory)):
                    found.append(name)
    return tuple(found)
