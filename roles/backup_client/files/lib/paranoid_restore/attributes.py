# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What belongs to an entry beside its content: compared as it is now with as it was saved.

Borg passes over an owner or an extended attribute that it cannot set (Borg 1.4, archive.py, `restore_attrs`), so what
it set is looked at again.
"""

from __future__ import annotations

import os
import stat
from typing import Any, Optional, Union

from borg import xattr
from borg.archive import get_item_uid_gid
from borg.platform import acl_get, get_flags, set_flags

CLOCK_NS = 1000  # file systems round times
_LISTS = ("acl_access", "acl_default")
Item = Any  # borg.item.Item


def find_difference(item: Item, path: str, found: os.stat_result, descriptor: Optional[int] = None) -> str:
    """Return what is not as it was saved, in a word; empty if all is. Owners are looked up by name, then by number.

    With ``descriptor``, of the open file, that is asked instead of the path.
    """
    if (found.st_uid, found.st_gid) != get_item_uid_gid(item, numeric=False):
        return "owner"
    if abs(found.st_mtime_ns - item.mtime) >= CLOCK_NS:
        return "time"
    if stat.S_ISLNK(item.mode):
        return ""
    if stat.S_IMODE(found.st_mode) != stat.S_IMODE(item.mode):
        return "mode"
    if not _has_any(item) and _is_bare(path if descriptor is None else descriptor):
        return ""
    if xattr.get_all(path if descriptor is None else descriptor) != dict(item.get("xattrs") or {}):
        return "extended attributes"
    lists: dict[str, Any] = {}
    acl_get(path, lists, found, fd=descriptor)
    if any(lists.get(name) != item.get(name) for name in _LISTS):
        return "access list"
    return ""


def _has_any(item: Item) -> bool:
    return bool(item.get("xattrs")) or any(name in item for name in _LISTS)


def _is_bare(place: Union[str, int]) -> bool:
    """Tell whether something has neither extended attributes nor access lists, which Linux keeps as such."""
    try:
        return not os.listxattr(place)
    except (AttributeError, OSError):
        return False  # Borg's own functions know other systems, and file systems without attributes.


def lends_rights(item: Item) -> bool:
    """Tell whether it is a program that runs with more rights than those of who starts it."""
    bits = item.mode & (stat.S_ISUID | stat.S_ISGID)
    return stat.S_ISREG(item.mode) and bool(bits or b"security.capability" in (item.get("xattrs") or {}))


def has_flags(item: Item) -> bool:
    """Tell whether it was saved with flags such as immutable, which only what can have them is asked for."""
    return bool(item.get("bsdflags")) and (stat.S_ISREG(item.mode) or stat.S_ISDIR(item.mode))


def has_its_flags(item: Item, path: str, found: os.stat_result) -> bool:
    """Tell whether something has the flags that it was saved with."""
    return not has_flags(item) or bool(get_flags(path, found) == item.bsdflags)


def give_flags(item: Item, path: str) -> None:
    """Give something its flags; raise OSError. Nothing can be done to it afterwards."""
    set_flags(path, item.bsdflags)
