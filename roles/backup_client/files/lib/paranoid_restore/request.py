# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An owner asks for a tunnel: a file that the next session tells of, and that an open tunnel removes.

It gives no right on the server: people read it. `paranoid_dispatcher.owner` reads what is written here.
"""

from __future__ import annotations

import json
import os
import sys
from datetime import datetime, timezone
from pathlib import Path

from paranoid_dispatcher.owner import REQUEST, TEXT_MAX, withdraw_request

from paranoid_restore.errors import RestoreError, printable


def ask(base_dir: Path, why: str) -> int:
    """Leave the request, instead of an earlier one."""
    words = printable(" ".join(why.split()))
    if not words or len(words) > TEXT_MAX:
        raise RestoreError(f"say in 1 to {TEXT_MAX} characters why, as --request 'the shop lost its pictures'")
    if (base_dir / "open").exists():
        raise RestoreError("a tunnel is open already: --list shows the archives")
    record = {"schema": 1, "why": words, "made": datetime.now(timezone.utc).isoformat(timespec="seconds")}
    draft = base_dir / f"{REQUEST}.new"
    try:
        draft.write_text(json.dumps(record), encoding="ascii")
        os.replace(draft, base_dir / REQUEST)
    except OSError as error:
        raise RestoreError(f"{base_dir}: {error.strerror}; only root may ask, on a provisioned host") from None
    sys.stdout.write(
        "asked: the next session tells the server's operator, who opens a tunnel; --withdraw takes it back\n"
    )
    return 0


def withdraw(base_dir: Path) -> int:
    """Take the request back."""
    withdraw_request(base_dir)
    sys.stdout.write("no tunnel is asked for\n")
    return 0
