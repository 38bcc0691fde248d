# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names: which names a client may have, and what its user on the server is called."""

from __future__ import annotations

import hashlib
import re

_CLIENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", re.ASCII)
# What useradd (shadow) and pw (FreeBSD) both accept.
_ID = re.compile(r"[0-9a-f]{64}")
_USER = re.compile(r"[a-z_][a-z0-9_-]*", re.ASCII)
_USER_MAX = 31
_KEPT = 18
_RUN_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,63}", re.ASCII)
_HASHED = re.compile(r".*-[0-9a-f]{8}")


def valid_client_name(name: str) -> bool:
    """Tell whether NAME can name a client: it becomes a file name, a host key alias and part of a user name."""
    return _CLIENT.fullmatch(name) is not None and ".." not in name


def valid_id(text: str) -> bool:
    """Tell whether TEXT is an id of Borg's, of a repository or an archive: 64 hex digits."""
    return _ID.fullmatch(text) is not None


def is_run_id(text: str) -> bool:
    """Tell whether TEXT can be a run id, which names a directory of reports and a flag file of the engine."""
    return _RUN_ID.fullmatch(text) is not None


def repository_user(client: str) -> str:
    """Return the user that owns CLIENT's repository on the server; ValueError when CLIENT is no valid name."""
    if not valid_client_name(client):
        raise ValueError(
            f"{client[:80]!r} cannot name a client: use at most 63 of A-Z a-z 0-9 . _ -, "
            "a letter or digit first, and no '..'"
        )
    user = f"bk-{client}"
    # A client called like another one's hashed user must not share that user.
    if len(user) <= _USER_MAX and _USER.fullmatch(user) and not _HASHED.fullmatch(user):
        return user
    kept = re.sub(r"[^a-z0-9_-]", "", client.lower())[:_KEPT]
    return f"bk-{kept}-{hashlib.sha256(client.encode()).hexdigest()[:8]}"
