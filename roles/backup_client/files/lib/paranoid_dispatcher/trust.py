# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a file is root's alone: what the owner of this host wrote, and nobody else can have changed."""

from __future__ import annotations

import os
import pwd
import stat
from pathlib import Path

TOP = Path("/")  # where the directories above begin
_OTHERS = stat.S_IWGRP | stat.S_IWOTH  # with an access list, the group's bits are all that it gives (acl(5))


def find_distrust(path: Path) -> str:
    """Say why others than root could have written PATH, or put it there; empty if nobody could."""
    for place in reversed([one for one in (path, *path.parents) if one == TOP or TOP in one.parents]):
        try:
            status = os.lstat(place)
        except OSError as exc:
            return f"{place} cannot be looked at: {exc.strerror}"
        if stat.S_ISLNK(status.st_mode):
            return f"{place} is a link: put what it leads to in its place"
        if status.st_uid != 0:
            return f"{place} belongs to {_name(status.st_uid)}: look what it holds, then give it to root (chown)"
        if status.st_mode & _OTHERS:
            return f"others than root may write {place}: look what it holds, then take that away (chmod go-w)"
    return ""


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"the user {uid}"
