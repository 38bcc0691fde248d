# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a connection may do: for each policy the calls of Borg's protocol that are answered, and a budget to delete."""

from __future__ import annotations

from dataclasses import dataclass

_READ = frozenset(
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
_WRITE = _READ | {"put", "delete", "commit"}


@dataclass(frozen=True, slots=True)
class Policy:
    """A name and the calls that it allows; whatever is not listed is refused."""

    name: str
    calls: frozenset[str]


@dataclass(frozen=True, slots=True)
class Budget:
    """What a connection may delete of what was there before it: objects, stored bytes, archives."""

    objects: int = 0
    bytes: int = 0
    archives: int = 0


POLICIES = {
    "create": Policy("create", _READ | {"put", "commit", "save_key"}),
    "append": Policy("append", _WRITE),
    "read": Policy("read", _READ),
    "trim": Policy("trim", _WRITE),
}
