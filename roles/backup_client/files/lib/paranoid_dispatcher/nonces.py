# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where this host's Borg encrypts, so that no server can lead it to nonces that encrypted something else.

Borg begins at the highest of three: what this host used, what the list of archives used, and what the server says is
free (Borg 1.4, crypto/nonces.py). A server that shows older states, or invents, leads two hosts with one key to the
same nonces, or a host that was installed anew to those of its predecessor. Whoever sees two ciphertexts of one nonce
sees the difference of the plaintexts.

So the halves are divided. A client begins in the upper one, which no keyholder enters: whatever the server says, what
this host used itself is higher than all that keyholders did. A host that remembers nothing begins where the clock puts
it, above all that an earlier installation can have written by then. Keyholders stay in the lower half, and hear nobody
(`keyholder_borg.py`).
"""

from __future__ import annotations

import os
import time
from pathlib import Path

UPPER_HALF = 2**63
_PER_SECOND = 2**28  # nonces: 4 GiB, and what Borg reserves each time that it starts
_CLOCK_LIMIT = 2**62  # nonces: 540 years; then the server's gate still has room


def is_new(base_dir: Path) -> bool:
    """Tell whether Borg has opened no repository from here."""
    return not any(_security(base_dir).glob("*/manifest-timestamp"))


def keep_apart(base_dir: Path) -> None:
    """Have Borg begin in the upper half with each repository that it knows."""
    for path in _security(base_dir).glob("*"):
        nonce = path / "nonce"
        if not nonce.exists() or int(nonce.read_text("ascii"), 16) < UPPER_HALF:
            _write(nonce, UPPER_HALF + min(int(time.time()) * _PER_SECOND, _CLOCK_LIMIT))


def _security(base_dir: Path) -> Path:
    return base_dir / ".config/borg/security"


def _write(path: Path, nonce: int) -> None:
    """Write a whole file: half a number would be a lower one."""
    part = path.with_name("nonce.new")
    with part.open("w", encoding="ascii") as handle:
        handle.write(f"{nonce:016x}")
        handle.flush()
        os.fsync(handle.fileno())
    part.replace(path)
