# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which directories are left out for what lies in them: a tag counts only where root alone can have put it."""

from __future__ import annotations

import os
import stat
from typing import Callable, Optional

from borg.constants import CACHE_TAG_CONTENTS, CACHE_TAG_NAME

OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


class Tags:
    """Decide about one open directory after the other. Borg asks by path; a path could lead elsewhere by then.

    ANYBODY are paths below which a tag counts whoever has put it. TELL gets each directory that is left out, with the
    name of its tag.
    """

    def __init__(self, anybody: tuple[str, ...], tell: Callable[[str, str], None]) -> None:
        self._anybody = tuple(os.path.normpath(path).rstrip("/") + "/" for path in anybody)
        self._tell = tell
        self._path, self._directory = "", -1

    def remember(self, path: str, directory: int) -> None:
        """Remember the directory that Borg has just opened: it asks for the tags of this one."""
        self._path, self._directory = path, directory

    def of(self, path: str, exclude_caches: bool, exclude_if_present: Optional[list[str]]) -> list[str]:
        """Return the names of the tags that count (what borg.helpers.dir_is_tagged does)."""
        if path != self._path:
            raise RuntimeError(f"asked for the tags of {path!r}, but {self._path!r} was opened: this Borg is unknown")
        anybody = (path + "/").startswith(self._anybody)
        if not anybody and not only_root_writes(os.fstat(self._directory)):
            return []
        names = [name for name in exclude_if_present or () if self._counts(name, anybody)]
        if exclude_caches and self._counts(CACHE_TAG_NAME, anybody) and self._says_cache():
            names.insert(0, CACHE_TAG_NAME)
        if names:
            self._tell(path, names[0])
        return names

    def _counts(self, name: str, anybody: bool) -> bool:
        """Whether NAME is a file or a directory, itself and no link; a name with a slash leads out of the directory."""
        try:
            found = os.stat(name, dir_fd=self._directory, follow_symlinks=False)
        except (OSError, ValueError):
            return False
        plain = stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)
        return plain and "/" not in name and (anybody or only_root_writes(found))

    def _says_cache(self) -> bool:
        try:
            tag = os.open(CACHE_TAG_NAME, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=self._directory)
            with open(tag, "rb") as file:
                return bytes(file.read(len(CACHE_TAG_CONTENTS))) == bytes(CACHE_TAG_CONTENTS)
        except OSError:
            return False


def only_root_writes(found: os.stat_result) -> bool:
    """Whether root alone can write there; the group's bits are also the most that an access list gives to others."""
    return found.st_uid == 0 and not found.st_mode & OTHERS_WRITE
