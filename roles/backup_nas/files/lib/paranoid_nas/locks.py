# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs of this program keep each other from, beside its configuration.

Snapshots, and each copy, have locks of their own: a copy that takes days, hangs, or is fed a byte an hour by its
source delays no snapshot, no rollback and no other copy.
"""

from __future__ import annotations

import fcntl
import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

from paranoid_nas.storage import NasError


@dataclass(frozen=True)
class Work:
    """What one run at a time may do, or many that ``share`` it; by the end of its lock's name, and for people."""

    end: str
    what: str
    share: bool = False


SNAPSHOTS = Work(".take", "snapshots")
EXPIRED = Work(".expire", "what has had its time")
NOTES = Work(".seen", "its notes")


class BusyError(NasError):
    """Another run of this program is at work on the same."""


def for_copy(dataset: str) -> Work:
    """Return the work on one copy."""
    return Work(f".copy-{_short(dataset)}", dataset)


def on_disk(pool: str) -> Work:
    """Return the work on a removable pool, which several copies may do together."""
    return Work(f".disk-{_short(pool)}", f"the disk of {pool}", share=True)


def taking_away(pool: str) -> Work:
    """Return the import or the export of a removable pool, while nobody is at work on it."""
    return Work(f".disk-{_short(pool)}", f"the disk of {pool}")


def _short(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:8]


@contextmanager
def alone(config: str, on: Work, seconds: float = 0) -> Iterator[None]:
    """Hold the lock of a work; BusyError if another run still has it after so many seconds."""
    until = time.monotonic() + seconds
    with _opened(f"{config}{on.end}.lock") as lock:
        while not _is_locked(lock.fileno(), fcntl.LOCK_SH if on.share else fcntl.LOCK_EX):
            if time.monotonic() >= until:
                raise BusyError(f"another run is at work on {on.what}: let it finish")
            time.sleep(0.2)
        yield


@contextmanager
def giving_way() -> Iterator[None]:
    """Leave something to the run that is at work on it."""
    try:
        yield
    except BusyError:
        return


def _opened(path: str) -> IO[str]:
    try:
        return open(path, "a", encoding="utf-8")
    except OSError as error:
        raise NasError(f"{path}: {error.strerror}") from None


def _is_locked(lock: int, how: int) -> bool:
    try:
        fcntl.flock(lock, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
