# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Escrow: passphrase and key of this host's backups, encrypted here for those who may open them."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from paranoid_dispatcher.errors import Failed
from paranoid_dispatcher.output import printable
from paranoid_dispatcher.toolbox import Toolbox, require_success

AGE_SECONDS = 60
_HOW_TO = (
    "The passphrase goes to /etc/paranoid-backup/passphrase of the host (root, mode 0400), or into BORG_PASSPHRASE. "
    "The key is needed only where the repository has lost its own, or was made with keyfile: save it, and "
    "run `borg key import REPOSITORY FILE`."
)

Record = dict[str, Any]


def make_escrow(tools: Toolbox) -> Record:
    """Return the ciphertext (age, armored) and whom it is for; the same one as long as nothing has changed."""
    recipients = tools.config.escrow_recipients
    if not recipients:
        raise Failed(f"{tools.config.client} has no recipients: set backup_client_escrow_recipients, run site.yml")
    secrets = {
        "passphrase": tools.read_passphrase(),
        "key": require_success(tools.borg("key", "export", "::", "-")).stdout.decode(),
    }
    state = Path(tools.config.base_dir) / "escrow.json"
    inputs = hashlib.sha256(json.dumps([secrets, recipients]).encode()).hexdigest()
    ciphertext = _load(state, inputs)
    if not ciphertext:
        ciphertext = _encrypt(_describe(tools.config.client, secrets), recipients)
        _save(state, {"inputs": inputs, "ciphertext": ciphertext})
    told = [{"holder": holder, "recipient": recipient} for holder, recipient in recipients]
    return {"escrow": {"ciphertext": ciphertext, "recipients": told}}


def _describe(client: str, secrets: dict[str, str]) -> bytes:
    made = datetime.now(timezone.utc).isoformat(timespec="seconds")
    record = {"schema": 1, "client": client, "made": made, "how_to": _HOW_TO, **secrets}
    return json.dumps(record, indent=2).encode() + b"\n"


def _encrypt(text: bytes, recipients: tuple[tuple[str, str], ...]) -> str:
    """Encrypt TEXT for all RECIPIENTS; nothing of it is in argv or on the disk."""
    argv = ["age", "--encrypt", "--armor"]
    for _holder, recipient in recipients:
        argv += ["--recipient", recipient]
    try:
        done = subprocess.run(argv, input=text, capture_output=True, check=False, timeout=AGE_SECONDS, cwd="/")
    except FileNotFoundError as exc:
        raise Failed("age is not installed on this host: install the package age") from exc
    except subprocess.TimeoutExpired as exc:
        raise Failed(f"age did not end within {AGE_SECONDS} s") from exc
    if done.returncode:
        said = [line for line in done.stderr.decode("utf-8", "replace").splitlines() if line.startswith("age: error")]
        raise Failed(f"age takes one of the recipients not: {printable(said[0] if said else 'it gave no reason', 200)}")
    return done.stdout.decode("ascii")


def _load(state: Path, inputs: str) -> str:
    """Return the ciphertext of the same secrets for the same people, empty if there is none."""
    try:
        record = json.loads(state.read_bytes())
    except (OSError, ValueError):
        return ""  # It is made anew.
    return str(record["ciphertext"]) if isinstance(record, dict) and record.get("inputs") == inputs else ""


def _save(state: Path, record: Record) -> None:
    fresh = state.with_suffix(".new")
    fresh.write_text(json.dumps(record), encoding="ascii")
    os.replace(fresh, state)
