# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a connection may do: for each policy the calls of Borg's protocol that are answered, and a budget to delete."""

from __future__ import annotations

from dataclasses import dataclass, field

from paranoid_gate.kept import Kept

READ_CALLS = frozenset(
    {
        "negotiate",
        "open",
        "rollback",
        "__len__",
        "get",
        "list",
        "scan",
        "load_key",
        "check",
        "get_free_nonce",
        # `borg check` encrypts to compare, and reserves nonces for it, without writing any object.
        "commit_nonce_reservation",
    }
)
_WRITE_CALLS = READ_CALLS | {"put", "delete", "commit"}
_CREATE_CALLS = READ_CALLS | {"put", "commit", "save_key"}


@dataclass(frozen=True, slots=True)
class Policy:
    """What a connection may do; calls that are not listed are refused.

    ``may_create``: make the repository, with its key and first manifest; from the first commit on, only read.
    ``may_write``: store objects, delete its own, and keep the progress of a partial check.
    ``may_trim``: delete also objects of earlier sessions, within the budget.
    """

    name: str
    calls: frozenset[str]
    may_create: bool = False
    may_write: bool = False
    may_trim: bool = False


@dataclass(frozen=True, slots=True)
class Budget:
    """What a connection may delete of what was there before it: objects, stored bytes, archives."""

    objects: int = 0
    bytes: int = 0
    archives: int = 0


@dataclass(frozen=True, slots=True)
class Options:
    """What the engine allows one connection: its command line, except for the report's descriptor."""

    policy: Policy
    path: str
    repository_id: str | None = None
    budget: Budget = Budget()
    quota: int | None = None
    first_segment: int | None = None
    kept: Kept = field(default_factory=Kept)


POLICIES = {
    policy.name: policy
    for policy in (
        Policy("create", _CREATE_CALLS, may_create=True),
        Policy("append", _WRITE_CALLS, may_write=True),
        Policy("read", READ_CALLS),
        Policy("trim", _WRITE_CALLS, may_write=True, may_trim=True),
    )
}
