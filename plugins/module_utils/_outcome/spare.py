# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The spare: what a lost server is made again from, kept beside the repositories, on their dataset.

After each session it has the ledger, a server's and a client's configuration, the pinned host keys, and what the audit
must know. Nothing in it opens a backup or a client: passphrases never come to the server, and keys are made anew.
A copy or a snapshot of the dataset has it, too, in a state that fits the repositories.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import UTC, datetime

from ansible_collections.paranoid.backup.plugins.module_utils._common.errors import SessionError
from ansible_collections.paranoid.backup.plugins.module_utils._common.files import (
    atomic_write_beneath,
    directory_beneath,
    open_beneath,
    read_beneath,
)
from ansible_collections.paranoid.backup.plugins.module_utils._common.names import valid_client_name
from ansible_collections.paranoid.backup.plugins.module_utils._config.server import SCHEMA
from ansible_collections.paranoid.backup.plugins.module_utils._config.site import Site
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.copying import extend_copy
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import LedgerError
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.ledger import NAME, Ledger

SPARE = ".server"  # No client can have a name that begins with a dot.
STATE_FILES = ("repository.json", "baseline.json", "compactions.json")
SPARE_LIMIT = 16 * 1024 * 1024  # bytes of one file


def save_spare(site: Site) -> str:
    """Have the spare hold what this client's session left; return why it does not, in one line, empty if it does.

    The caller holds the client's lock, and has found the ledger's chain whole. A failure is no failure of the session:
    the backup is there. It is told in every mail until it is mended.
    """
    root = site.server.repository_root
    path = os.path.join(root, SPARE, NAME)
    if not _is_mounted(site):
        return f"{os.path.join(root, SPARE)} is not there: mount the dataset"
    try:
        with _locked(root) as directory:
            _mirror(directory, {"server.json": _dump(site.server)})
            with _own_directory(directory, "clients") as clients, _own_directory(clients, site.name) as own:
                _mirror(own, _list_files(site))
            return extend_copy(site.ledger, path)
    except (OSError, LedgerError) as error:
        return f"{os.path.join(root, SPARE)} is {_age(path)} and cannot be written: {error}"


def refuse_lost(site: Site) -> None:
    """Raise SessionError if the copy of the ledger has what the ledger here lacks: this server was lost, or it was cut.

    Asked before a repository is made: provisioning alone would take a client's repository for a new one.
    """
    root = site.server.repository_root
    if not has_spare(root, NAME):
        return
    path, living = os.path.join(root, SPARE, NAME), os.path.join(site.server.state_dir, NAME)
    try:
        with Ledger.read(path) as copy:
            head = copy.head()
        is_known = os.path.exists(living) and site.ledger.holds(head)
    except LedgerError as error:
        raise SessionError("rebuilding", f"it cannot be told whether this server was lost: {error}") from None
    if not is_known:
        why = f"{path} has an entry {head.seq} that the ledger of this server lacks. If the server was lost"
        raise SessionError("rebuilding", f"{why}, run rebuild_server.yml; else see docs/ledger.md, Copies")


def has_spare(root: str, *names: str) -> bool:
    """Tell whether the spare on the dataset at ``root`` has this file, and root's own it is."""
    try:
        with directory_beneath(root, SPARE) as directory, os.fdopen(open_beneath(directory, *names)) as handle:
            return os.fstat(directory).st_uid == os.fstat(handle.fileno()).st_uid == os.geteuid()
    except FileNotFoundError:
        return False


def read_spare(root: str, *names: str) -> bytes | None:
    """Return a file of the spare on the dataset at ``root``, None if it does not have it; raise OSError."""
    return read_beneath(root, SPARE, *names, limit=SPARE_LIMIT) if has_spare(root, *names) else None


def list_spare(root: str) -> list[str]:
    """Return the names of the clients that the spare on the dataset at ``root`` has."""
    with suppress(FileNotFoundError), directory_beneath(root, SPARE, "clients") as directory:
        return sorted(filter(valid_client_name, os.listdir(directory)))
    return []


def _is_mounted(site: Site) -> bool:
    """Whether the dataset is there; where it is not, the spare would land on another disk, and be hidden later."""
    root = site.server.repository_root
    if site.server.require_mount:
        return os.path.ismount(root)
    return os.path.isdir(os.path.join(root, SPARE)) or os.path.isdir(os.path.dirname(site.client.repository))


def _list_files(site: Site) -> dict[str, bytes | None]:
    """Return what is to be kept of a client by its name there; None for what is not there."""
    sources = {"known_hosts": site.client.known_hosts_file, **{name: site.state_file(name) for name in STATE_FILES}}
    return {"client.json": _dump(site.client), **{name: _read(path) for name, path in sources.items()}}


def _mirror(directory: int, files: Mapping[str, bytes | None]) -> None:
    """Write those files that differ, and remove those that are gone."""
    for name, content in files.items():
        kept = None
        with suppress(FileNotFoundError):
            kept = read_beneath(directory, name, limit=SPARE_LIMIT)
        if content is None and kept is not None:
            os.unlink(name, dir_fd=directory)
        elif content is not None and content != kept:
            atomic_write_beneath(directory, name, content)


@contextmanager
def _locked(root: str) -> Iterator[int]:
    """Hold the spare for one process, which then writes what others left to do as well."""
    with directory_beneath(root) as parent, _own_directory(parent, SPARE) as directory:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        lock = os.open("lock", flags, 0o600, dir_fd=directory)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield directory
        finally:
            os.close(lock)


@contextmanager
def _own_directory(parent: int, name: str) -> Iterator[int]:
    """Open a directory that only this user may enter; make it where it is missing."""
    with suppress(FileExistsError):
        os.mkdir(name, 0o700, dir_fd=parent)
    with directory_beneath(parent, name) as directory:
        if os.fstat(directory).st_uid != os.geteuid():
            raise PermissionError(f"{name} belongs to somebody else")
        yield directory


def _dump(config: object) -> bytes:
    return json.dumps({"schema": SCHEMA, **asdict(config)}, indent=1).encode()  # type: ignore[call-overload]


def _read(path: str) -> bytes | None:
    try:
        with open(path, "rb") as handle:
            return handle.read(SPARE_LIMIT)
    except FileNotFoundError:
        return None


def _age(path: str) -> str:
    """Return of when the spare is, by its ledger: as good as its newest entry."""
    with suppress(OSError):
        return "of " + datetime.fromtimestamp(os.stat(path).st_mtime, UTC).isoformat(timespec="minutes")
    return "not there yet"
