# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock of runs: one at a time. It goes with the process that holds it, whatever ends that."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from paranoid_runner.config import Config
from paranoid_runner.errors import UsageError

LOCK = "run.lock"
_PAUSES = (0.0, 0.02, 0.1, 0.3)  # seconds; who looks has the lock for microseconds


@contextmanager
def hold_lock(config: Config) -> Iterator[bool]:
    """Hold the lock of runs, which goes with the process; yield whether it was free.

    Somebody who only looks has it for a moment as well, and is waited for.
    """
    with _open_lock(config) as descriptor:
        yield any(_lock(descriptor, fcntl.LOCK_EX, pause) for pause in _PAUSES)


def is_busy(config: Config) -> bool:
    """Whether a run is at work. Any number of people may ask at once."""
    with _open_lock(config) as descriptor:
        return not _lock(descriptor, fcntl.LOCK_SH)


@contextmanager
def _open_lock(config: Config) -> Iterator[int]:
    try:
        descriptor = os.open(config.state / LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        why = f"{config.state}: {error.strerror}"
        raise UsageError(f"{why}; become the user of the runner, or run the role backup_runner again") from None
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _lock(descriptor: int, kind: int, pause: float = 0.0) -> bool:
    time.sleep(pause)
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def now() -> datetime:
    """Return the time in UTC."""
    return datetime.now(UTC)
