# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What somebody should have been told and could not: kept for the runner, which tries again, and named until it is out.

Where no runner started the run there is no spool. Then the run keeps its mark, and the next report names it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from email.message import EmailMessage
from hashlib import sha256
from typing import Any

from ansible_collections.paranoid.backup.plugins.module_utils._common.files import atomic_write
from ansible_collections.paranoid.backup.plugins.module_utils._common.text import one_line
from ansible_collections.paranoid.backup.plugins.plugin_utils._mail.notices import Notice
from ansible_collections.paranoid.backup.plugins.plugin_utils._targets import Target

SPOOL = "PARANOID_BACKUP_SPOOL"  # The runner's own directory, in which it finds what it should try again.
_LARGEST = 16 * 1024 * 1024


def keep_letter(run_id: str, mail: EmailMessage, recipients: tuple[str, ...], error: str) -> bool:
    """Keep a mail for these recipients, and why they do not have it; return whether a runner tries again."""
    whom = sha256("\n".join(recipients).encode()).hexdigest()[:12]
    text = mail.as_bytes().decode("ascii", "surrogateescape")
    return _keep(f"{run_id}.{whom}.letter", {"recipients": recipients, "error": error, "mail": text})


def keep_notice(run_id: str, notice: Notice, target: Target, place: int, error: str) -> bool:
    """Keep a notice for a place, and why it does not have it; return whether a runner tries again."""
    return _keep(f"{run_id}.{place}.notice", {"target": target.name, "error": error, **notice.to_dict()})


def list_waiting() -> tuple[str, ...]:
    """Return ``<run id>: <what waits for whom, and why>`` of all that is in the runner's spool, oldest first."""
    spool = os.environ.get(SPOOL, "")
    try:
        names = sorted(os.listdir(spool)) if spool else []
    except OSError:  # The runner makes it when something waits.
        return ()
    found = (
        (name, _load(os.path.join(spool, name))) for name in names if name.endswith((".letter", ".notice", ".eml"))
    )
    return tuple(one_line(_describe(name, content), 500) for name, content in found)


def _keep(name: str, content: Mapping[str, Any]) -> bool:
    spool = os.environ.get(SPOOL, "")
    if not spool:
        return False
    try:
        os.makedirs(spool, mode=0o700, exist_ok=True)
        atomic_write(os.path.join(spool, name), json.dumps(content).encode())
    except OSError:
        return False
    return True


def _load(path: str) -> Mapping[str, Any]:
    """Return what a file of the spool holds, empty where it is no JSON: the runner's own mails are none."""
    try:
        with open(path, "rb") as file:
            found = json.loads(file.read(_LARGEST))
        return found if isinstance(found, dict) else {}
    except (OSError, ValueError, RecursionError):
        return {}


def _describe(name: str, content: Mapping[str, Any]) -> str:
    run_id, _dot, kind = name.partition(".")
    why = f": {content['error']}" if content.get("error") else ""
    if kind.endswith("letter"):
        whom = content.get("recipients")
        return f"{run_id}: its mail to {', '.join(map(str, whom)) if isinstance(whom, list) else 'somebody'}{why}"
    if kind.endswith("notice"):
        return f"{run_id}: its notice to {content.get('target', 'a place')}{why}"
    return f"{run_id}: what the runner itself told of it"
