# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""People who hold identities, and a client that is told to escrow its key for them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from keeper import Keeper

SECRET = "only for tests"  # Keeper's passphrase


def make_identity(place: Path, kind: str = "age") -> tuple[Path, str]:
    """Make an identity of age or of ssh; return its file and its recipient."""
    if kind == "age":
        subprocess.run(["age-keygen", "-o", place], check=True, capture_output=True)
        done = subprocess.run(["age-keygen", "-y", place], check=True, capture_output=True, text=True)
        return place, done.stdout.strip()
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "", "-f", place], check=True)
    return place, place.with_suffix(".pub").read_text().strip()


def entrust(keeper: Keeper, *recipients: tuple[str, str]) -> None:
    """Say on both sides, as site.yml does, who is to open this client's escrow."""
    entries = [{"holder": holder, "recipient": recipient} for holder, recipient in recipients]
    path = keeper.world.own / "client.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"escrow_recipients": entries}))
    keeper.world.client["escrow_recipients"] = entries
    keeper.world.write()


def ciphertexts(keeper: Keeper) -> list[Path]:
    """Return what the server has kept, oldest first."""
    return sorted((keeper.repository.parent / "escrow").glob("*.age"))


def decrypt(ciphertext: Path, identity: Path) -> dict[str, Any] | None:
    """Return what is in an escrow, None where the identity does not open it."""
    done = subprocess.run(["age", "-d", "-i", identity, ciphertext], capture_output=True, check=False)
    return json.loads(done.stdout) if done.returncode == 0 else None
