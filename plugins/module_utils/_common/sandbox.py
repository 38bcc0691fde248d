# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A child that sees no network and, of all repositories, only its own; where Linux and root can give it that.

Whoever breaks a gate by what it makes Borg read is the client's user on the server then. From here it reaches nobody:
no address, no abstract socket, no shared memory, no file of another repository even if its mode would let it.
"""

from __future__ import annotations

import ctypes
import os
import sys
from contextlib import suppress

# Linux unshare(2), mount(2), umount2(2)
_NEW_MOUNTS, _NEW_IPC, _NEW_NETWORK = 0x20000, 0x8000000, 0x40000000
_NOSUID, _NODEV, _NOEXEC, _BIND, _REC, _SLAVE = 0x2, 0x4, 0x8, 0x1000, 0x4000, 0x80000
_DETACH = 2


def enter(repository: str, program: str) -> None:
    """Leave the machine's network, IPC and other repositories; a child of root calls it, before it changes its user.

    A repository lies in a directory of its client's, beside those of others. These are hidden unless ``program`` lies
    there. What the machine does not give, a container without CAP_SYS_ADMIN, say, stays as it is: `is_entered` tells.
    """
    if not sys.platform.startswith("linux"):
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_NEW_NETWORK | _NEW_IPC | _NEW_MOUNTS):
        return
    _mount(libc, None, "/", None, _SLAVE | _REC)  # nothing of this is seen outside; unmounting outside is seen here
    own = os.path.realpath(repository)
    root = os.path.dirname(os.path.dirname(own))
    with suppress(OSError):
        if root != "/" and not os.path.realpath(os.path.dirname(program)).startswith(f"{root}/"):
            _hide(libc, root, own)


def is_entered(pid: int) -> bool:
    """Tell whether a child has a network of its own, which is none."""
    try:
        return os.readlink(f"/proc/{pid}/ns/net") != os.readlink("/proc/self/ns/net")
    except OSError:
        return False


def _hide(libc: ctypes.CDLL, root: str, own: str) -> None:
    """Lay an empty directory over ``root``, and in it ``own``."""
    descriptor = os.open(own, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    if not _mount(libc, "tmpfs", root, "tmpfs", _NOSUID | _NODEV | _NOEXEC, "mode=0755,size=64k"):
        return
    os.makedirs(own, mode=0o755)
    if not _mount(libc, f"/proc/self/fd/{descriptor}", own, None, _BIND | _REC):
        libc.umount2(os.fsencode(root), _DETACH)


def _mount(libc: ctypes.CDLL, source: str | None, target: str, kind: str | None, flags: int, data: str = "") -> bool:
    words = [None if word is None else os.fsencode(word) for word in (source, target, kind, data)]
    return not libc.mount(words[0], words[1], words[2], ctypes.c_ulong(flags), words[3])
