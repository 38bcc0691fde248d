# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Borg's locks in a repository that processes of ours left behind when they were killed.

Borg removes a lock itself when its process is dead. After a power cut another process may have that number, and the
repository would stay locked. Source: Borg 1.4, ``borg.locking``: the directory ``lock.exclusive`` holds a file
``<host id>.<process>-<thread>``, the JSON in ``lock.roster`` lists such triples.
"""

from __future__ import annotations

import json
import os
import re
from contextlib import suppress

from ansible_collections.paranoid.backup.plugins.module_utils._common.files import directory_beneath, read_beneath

_ROSTER_LIMIT = 64 * 1024  # bytes


def free_locks(repository: str, host_id: str | None) -> None:
    """Remove the locks of ``host_id``; whoever holds the client's lock knows that nobody of ours is at work there.

    A person's Borg has a host id of its own, so its locks stay. None is everybody: on a dataset that came from a lost
    machine all locks are those of processes that are gone. Follows no link of the repository's user.
    """
    with suppress(FileNotFoundError, NotADirectoryError), directory_beneath(repository) as directory:
        _free_exclusive(directory, host_id)
        if _is_ours(directory, host_id):
            os.unlink("lock.roster", dir_fd=directory)


def _free_exclusive(repository: int, host_id: str | None) -> None:
    with suppress(OSError):  # It is not there, not a directory, or somebody else's: Borg then says so.
        with directory_beneath(repository, "lock.exclusive") as lock:
            for name in os.listdir(lock):
                if host_id is None or re.fullmatch(re.escape(host_id) + r"\.\d+-[0-9a-f]+", name):
                    os.unlink(name, dir_fd=lock)
        os.rmdir("lock.exclusive", dir_fd=repository)


def _is_ours(repository: int, host_id: str | None) -> bool:
    """Tell whether all locks in the roster are of ``host_id``."""
    if host_id is None:
        return "lock.roster" in os.listdir(repository)
    try:
        listed = json.loads(read_beneath(repository, "lock.roster", limit=_ROSTER_LIMIT))
        return all(entry[0] == host_id for entries in listed.values() for entry in entries)
    except (OSError, ValueError, AttributeError, TypeError, IndexError, KeyError, RecursionError):
        return False
