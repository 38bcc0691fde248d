# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names: the form of client names, Borg's ids and run ids, and the name of a client's user on the server."""

from __future__ import annotations

import hashlib
import re

_CLIENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", re.ASCII)
_ID = re.compile(r"[0-9a-f]{64}")
# Both useradd (shadow) and pw (FreeBSD) accept such a name.
_USER = re.compile(r"[a-z_][a-z0-9_-]*", re.ASCII)
_USER_MAX = 31
_KEPT = 18  # characters of a client's name in a hashed user's name
_RUN_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,63}", re.ASCII)
_HASHED = re.compile(r".*-[0-9a-f]{8}")


def valid_client_name(name: str) -> bool:
    """Tell whether ``name`` can name a client: it becomes a file name, a host key alias and part of a user name."""
    return _CLIENT.fullmatch(name) is not None and ".." not in name


def valid_id(text: str) -> bool:
    """Tell whether ``text`` is the id of a repository or an archive of Borg's: 64 hex digits."""
    return _ID.fullmatch(text) is not None


def is_run_id(text: str) -> bool:
    """Tell whether ``text`` can be a run id: it names a directory of reports and a flag file of the engine."""
    return _RUN_ID.fullmatch(text) is not None


def repository_user(client: str) -> str:
    """Return the name of the user that owns the client's repository; ValueError if ``client`` is no valid name."""
    if not valid_client_name(client):
        raise ValueError(
            f"{client[:80]!r} cannot name a client: use at most 63 of A-Z a-z 0-9 . _ -, "
            "a letter or digit first, and no '..'"
        )
    user = f"bk-{client}"
    # A client whose name looks like another client's hashed user must not share that user.
    if len(user) <= _USER_MAX and _USER.fullmatch(user) and not _HASHED.fullmatch(user):
        return user
    kept = re.sub(r"[^a-z0-9_-]", "", client.lower())[:_KEPT]
    return f"bk-{kept}-{hashlib.sha256(client.encode()).hexdigest()[:8]}"
