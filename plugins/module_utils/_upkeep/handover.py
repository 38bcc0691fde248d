# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a client on a dataset that comes from another machine: given to its user here.

Users have other numbers on another machine, so until this was done the files of one client may be those of another's
user. A client may have left anything there: nothing is followed, and nothing is given to a user but what is its own.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from typing import NoReturn

from ansible_collections.paranoid.backup.plugins.module_utils._common.errors import SessionError
from ansible_collections.paranoid.backup.plugins.module_utils._common.files import directory_beneath

_ROOT = (0, 0)
Links = dict[tuple[int, int], str]  # device and inode of what has several names, and whose repository has it


def hand_over(directory: str, client: str, owner: tuple[int, int], links: Links, check: bool = False) -> int:
    """Give ``repo`` below a client's directory to ``owner`` (uid, gid), all else there to root; count what changes.

    SessionError for what is no repository of plain files, or also in the repository of another client in ``links``,
    which is one for all clients of the dataset. With ``check``, change nothing.
    """
    changed = 0
    with directory_beneath(directory) as place:
        for name in sorted(os.listdir(place), key=lambda name: (name != "repo", name)):
            is_own = name == "repo"
            for parent, entry, path in _walk(place, name, directory):
                found = os.stat(entry, dir_fd=parent, follow_symlinks=False)
                if is_own:
                    _claim(found, path, client, links)
                elif links.get((found.st_dev, found.st_ino)) == client:
                    continue  # Evidence, which shares its segments with the repository.
                changed += _give(entry, parent, found, owner if is_own else _ROOT, check)
        wanted = (0, owner[1], 0o750)
        top = os.fstat(place)
        if (top.st_uid, top.st_gid, stat.S_IMODE(top.st_mode)) != wanted:
            changed += 1
            if not check:
                os.fchown(place, *wanted[:2])
                os.fchmod(place, wanted[2])
    return changed


def _walk(place: int, name: str, directory: str) -> Iterator[tuple[int, str, str]]:
    """Yield the descriptor of its directory, the name and the path of all below ``name``, and of ``name`` last."""
    for below, directories, files, parent in os.fwalk(name, topdown=False, onerror=_fail, dir_fd=place):
        for entry in (*directories, *files):
            yield parent, entry, os.path.join(directory, below, entry)
    yield place, name, os.path.join(directory, name)


def _claim(found: os.stat_result, path: str, client: str, links: Links) -> None:
    """Note that a file is this client's; SessionError if it is anybody else's, or no file."""
    if not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)):
        raise SessionError("wrong_repository", f"{path} is neither a file nor a directory: look at it, then remove it")
    if stat.S_ISREG(found.st_mode) and found.st_nlink > 1:
        other = links.setdefault((found.st_dev, found.st_ino), client)
        if other != client:
            raise SessionError("wrong_repository", f"{path} is a file of {other}'s, too: copy it, then remove the old")


def _give(name: str, parent: int, found: os.stat_result, owner: tuple[int, int], check: bool) -> bool:
    if (found.st_uid, found.st_gid) == owner:
        return False
    if not check:
        os.chown(name, *owner, dir_fd=parent, follow_symlinks=False)
    return True


def _fail(error: OSError) -> NoReturn:
    raise error
