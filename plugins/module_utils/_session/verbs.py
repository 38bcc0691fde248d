# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verbs: all that the server can ask of a client, one row each.

A new verb is one row here and one in the dispatcher (``paranoid_dispatcher/verbs.py`` and ``request.py``), which
trusts nothing of ours and so has a table of its own; tests/integration/dispatcher/test_contract.py compares the two.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum, auto


class Policy(StrEnum):
    """What the gates of a session allow, and what the audit then expects."""

    CREATE = "create"
    APPEND = "append"
    READ = "read"
    TRIM = "trim"


class Proof(Enum):
    """What the server must have seen before it believes a client that says ok."""

    NOTHING = auto()
    CONNECTION = auto()  # something came through the tunnel
    REPOSITORY = auto()  # there is a repository now
    ESCROW = auto()  # what it sends is encrypted, and came of this repository
    ARCHIVE = auto()  # an archive is named, and a list of archives was committed
    TRIM = auto()  # what it says about the archives that were named agrees with what the gates saw


class CheckMode(Enum):
    """What a session does in Ansible's check mode."""

    LOOK = auto()  # it performs ``info``, through the whole path
    FORETELL = auto()  # it asks nothing of the client and says what it would do


@dataclass(frozen=True)
class Verb:
    """One row. ``at_once`` bounds the connections to gates at the same time, ``at_all`` all of one session."""

    name: str
    policy: Policy
    proof: Proof = Proof.NOTHING
    check_mode: CheckMode = CheckMode.LOOK
    at_once: int = 1
    at_all: int = 64
    stays_open: bool = False
    keyholder_may: bool = False

    @property
    def makes_repository(self) -> bool:
        """Whether there is no repository before it."""
        return self.policy is Policy.CREATE

    @property
    def trims(self) -> bool:
        """Whether it deletes what the server's rules let go."""
        return self.policy is Policy.TRIM

    @property
    def changes(self) -> bool:
        """Whether it writes to the repository, so that anything a gate refused is a failure."""
        return self.policy is not Policy.READ

    @property
    def brings_archive(self) -> bool:
        """Whether the ledger keeps the archive that the client names."""
        return self.proof is Proof.ARCHIVE


_ROWS = (
    Verb("create", Policy.CREATE, Proof.REPOSITORY, CheckMode.FORETELL),
    Verb("backup", Policy.APPEND, Proof.ARCHIVE),
    Verb("escrow", Policy.READ, Proof.ESCROW),
    Verb("info", Policy.READ, Proof.CONNECTION, at_once=4, at_all=1000),
    Verb("open", Policy.READ, at_once=4, at_all=1000, stays_open=True),
    Verb("maintain", Policy.TRIM, Proof.TRIM, CheckMode.FORETELL, keyholder_may=True),
)
VERBS = {row.name: row for row in _ROWS}
LOOK = VERBS["info"]  # what a session performs in check mode where it looks
