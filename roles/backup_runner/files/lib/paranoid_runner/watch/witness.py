# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sign the head of a ledger that was proven. The server's side, with the form of the message: `_watch/witness.py`."""

from __future__ import annotations

import json
import subprocess
from datetime import datetime, timedelta
from pathlib import Path

from paranoid_runner.watch.chain import Head
from paranoid_runner.watch.document import Told

NAMESPACE = "paranoid-backup-witness"
TITLE = "paranoid.backup ledger head v1"
AGAIN = timedelta(hours=20)  # so that it is never three days old while the watch looks


class NotSigned(Exception):
    """The head could not be signed; the message is one line."""


def is_wanted(told: Told, name: str, now: datetime) -> bool:
    """Whether the head that a server told is to be signed: it is a new one, or the signature that is kept grows old."""
    seq, kept = told.witnesses.get(name, (0, None))
    return told.head.seq > 0 and (seq != told.head.seq or kept is None or abs(now - kept) > AGAIN)


def make_message(host_id: str, head: Head, seen: datetime) -> str:
    """Return what is signed."""
    return f"{TITLE}\nserver {host_id}\nhead {head}\nseen {seen.isoformat(timespec='seconds')}\n"


def sign(key: Path, message: str) -> bytes:
    """Return what the server takes: message and signature (ssh-keygen(1), -Y sign). NotSigned if it cannot be made."""
    argv = ["ssh-keygen", "-Y", "sign", "-q", "-f", str(key), "-n", NAMESPACE]
    try:
        done = subprocess.run(argv, input=message.encode(), capture_output=True, check=False, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        raise NotSigned("ssh-keygen cannot be run here") from None
    if done.returncode != 0:
        raise NotSigned(f"ssh-keygen does not sign with {key}: is it this user's, without a passphrase?")
    return json.dumps({"schema": 1, "message": message, "signature": done.stdout.decode("ascii")}).encode()
