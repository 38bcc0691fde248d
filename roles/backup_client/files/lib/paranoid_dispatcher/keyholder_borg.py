# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Borg as a keyholder runs it, in Borg's own Python: it encrypts with nonces of its own, whatever the server shows.

Borg itself goes on where the list of archives ended, or where the server says. On a second host with the same key that
is where the client encrypts, when the server shows an older state. So a keyholder begins at random in the lower half,
which clients have left (`nonces.py`), remembers how far it came, and neither asks the server nor tells it.
"""

from __future__ import annotations

import os
import secrets
import sys
from typing import Any

from borg.archiver import main
from borg.crypto import key
from borg.crypto.nonces import NonceManager

FIRST = 2**61  # below lies what clients used before they began in the upper half
_SPAN = 2**62  # where a keyholder may begin; two of them meet less than once in a million times
END = 2**63


class KeyholderNonces(NonceManager):  # type: ignore[misc]
    """Borg's own, which hears neither the list of archives nor the server."""

    nonce_file: str

    def __init__(self, repository: Any, manifest_nonce: int) -> None:
        super().__init__(repository, manifest_nonce)
        self.nonce_file = os.path.join(os.path.dirname(self.nonce_file), "keyholder-nonce")
        self.manifest_nonce = self.get_local_free_nonce() or FIRST + secrets.randbelow(_SPAN)

    def get_repo_free_nonce(self) -> None:
        """Ask nobody."""

    def commit_repo_nonce_reservation(self, next_unreserved: int, start_nonce: int | None) -> None:
        """Tell nobody: the server's number is the client's."""

    def commit_local_nonce_reservation(self, next_unreserved: int, start_nonce: int | None) -> None:
        """Remember how far this host came; never enter the upper half."""
        if not FIRST < next_unreserved < END:
            raise ValueError(f"{self.nonce_file} leaves the keyholders' half")
        super().commit_local_nonce_reservation(next_unreserved, start_nonce)


if __name__ == "__main__":
    key.NonceManager = KeyholderNonces
    sys.exit(main())
