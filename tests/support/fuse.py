# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A FUSE mount whose server never answers, as fusermount makes it for a user of this host."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

DEVICE = Path("/dev/fuse")
_MS_NOSUID_NODEV = 0x2 | 0x4
_MNT_DETACH = 2
_LIBC = ctypes.CDLL(None, use_errno=True)


@contextmanager
def mounting(path: Path, user: int, *options: str) -> Iterator[None]:
    """Mount over ``path`` (mount.fuse(8), fuse(4)); without ``allow_other`` the kernel keeps root out as well."""
    server = os.open(DEVICE, os.O_RDWR | os.O_CLOEXEC)
    kind = "40000" if path.is_dir() else "100000"
    data = ",".join((f"fd={server}", f"rootmode={kind}", f"user_id={user}", f"group_id={user}", *options))
    try:
        if _LIBC.mount(b"evil", os.fsencode(path), b"fuse.evil", _MS_NOSUID_NODEV, data.encode()):
            raise OSError(ctypes.get_errno(), f"cannot mount {path}")
        yield
    finally:
        _LIBC.umount2(os.fsencode(path), _MNT_DETACH)
        os.close(server)
