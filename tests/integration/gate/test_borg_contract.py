# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the gate relies on in Borg 1.4. A failure here means: read Borg's changes before letting a new version in."""

from __future__ import annotations

import hashlib
import inspect

import borg
import pytest
from borg.crypto.nonces import NonceManager
from borg.locking import ExclusiveLock, Lock
from borg.remote import RemoteRepository, RepositoryServer
from borg.repository import LoggedIO, Repository

KNOWN_CALLS = {
    "__len__", "break_lock", "check", "commit", "commit_nonce_reservation", "delete", "destroy", "get",
    "get_free_nonce", "inject_exception", "list", "load_key", "negotiate", "open", "put", "rollback", "save_key",
    "scan",
}  # fmt: skip


def digest(thing: object) -> str:
    return hashlib.sha256(inspect.getsource(thing).encode()).hexdigest()[:16]  # type: ignore[arg-type]


def test_version() -> None:
    assert borg.__version__.startswith("1.4."), "the gate knows the 1.4 line only"


def test_protocol_has_no_new_calls() -> None:
    assert set(RepositoryServer.rpc_methods) == KNOWN_CALLS


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("open", ["path", "create", "lock_wait", "lock", "exclusive", "append_only", "make_parent_dirs"]),
        ("check", ["repair", "save_space", "max_duration"]),
        ("commit", ["save_space", "compact", "threshold", "cleanup_commits"]),
        ("put", ["id", "data", "wait"]),
        ("delete", ["id", "wait"]),
        ("list", ["limit", "marker"]),
        ("scan", ["limit", "marker"]),
        ("save_key", ["keydata"]),
        ("commit_nonce_reservation", ["next_unreserved", "start_nonce"]),
    ],
)
def test_client_sends_these_arguments(method: str, arguments: list[str]) -> None:
    assert list(inspect.signature(getattr(RemoteRepository, method)).parameters)[1:] == arguments


@pytest.mark.parametrize(
    ("thing", "known"),
    [
        (RepositoryServer.serve, "2256e017f5335912"),
        (RepositoryServer.negotiate, "b81953cc3690e00c"),
        (RepositoryServer.open, "db9ca14042ee7e87"),
        (RemoteRepository.call_many, "48be99a2247b4531"),
        (Repository, "c8882342162287be"),
        (LoggedIO, "c77901ecfdb18562"),
        (Lock, "725b7146c879b291"),
        (ExclusiveLock, "99fb3f94ccf9d164"),
        (NonceManager, "c55f7c12488d1251"),
    ],
    ids=lambda value: getattr(value, "__qualname__", "known"),
)
def test_source_is_what_was_read(thing: object, known: str) -> None:
    assert digest(thing) == known, f"{borg.__version__} has another {thing!r} than the gate was written for"
