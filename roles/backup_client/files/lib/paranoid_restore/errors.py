# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What went wrong, in words for the person at the keyboard."""

from __future__ import annotations

import errno

_HINTS = {
    errno.EBUSY: "something is mounted there: umount it, or --to another place",
    errno.EROFS: "the file system is mounted read-only",
    errno.EPERM: "it may not be changed: is it immutable? (lsattr, chattr -i)",
    errno.ENOSPC: "the disk is full: free space, and run the command again",
    errno.EDQUOT: "a quota is full",
    errno.ENOTEMPTY: "a directory is in the way",
    errno.EXDEV: "something is mounted below it: umount that",
}


class RestoreError(Exception):
    """The message is one line: what is wrong, and what to do."""


def explain(error: OSError) -> str:
    """Return why an entry could not be written or removed."""
    return _HINTS.get(error.errno or 0, error.strerror or str(error))


def printable(text: str) -> str:
    """Return a text for a terminal: whoever may name a file on this host chooses its characters."""
    return "".join(c if c.isprintable() else "?" for c in text.encode("utf-8", "replace").decode())
