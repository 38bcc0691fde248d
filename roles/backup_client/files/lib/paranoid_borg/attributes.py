# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Extended attributes of one file, with a bound: XFS lets anybody give a file half a gigabyte of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Union

from borg import xattr

BYTES_MAX = 2**20

_get_all, _getxattr = xattr.get_all, xattr.getxattr


class _TooMany(Exception):
    """Nothing that Borg catches for a single attribute."""


class Attributes:
    """Read them as Borg does; TELL gets the path or descriptor of a file that is saved without them."""

    def __init__(self, tell: Callable[[Union[str, int]], None]) -> None:
        self._tell, self._left = tell, BYTES_MAX

    def get_all(self, path: Union[str, int], follow_symlinks: bool = False) -> dict[bytes, Any]:
        """Return all attributes of a file, or none if they are too many."""
        self._left = BYTES_MAX
        try:
            return dict(_get_all(path, follow_symlinks=follow_symlinks))
        except _TooMany:
            self._tell(path)
            return {}

    def getxattr(self, path: Any, name: bytes, *, follow_symlinks: bool = False) -> bytes:
        """Return one attribute's value."""
        value = bytes(_getxattr(path, name, follow_symlinks=follow_symlinks))
        self._left -= len(name) + len(value)
        if self._left < 0:
            raise _TooMany
        return value
