# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock of runs: one at a time. It goes with the process that holds it, whatever ends that."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from paranoid_runner.config import Config
from paranoid_runner.errors import UsageError

LOCK = "run.lock"


@contextmanager
def hold_lock(config: Config) -> Iterator[bool]:
    """Hold the lock of runs, which goes with the process; yield whether it was free."""
    try:
        descriptor = os.open(config.state / LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        why = f"{config.state}: {error.strerror}"
        raise UsageError(f"{why}; become the user of the runner, or run the role backup_runner again") from None
    try:
        yield _lock(descriptor)
    finally:
        os.close(descriptor)


def is_busy(config: Config) -> bool:
    """Whether a run is at work."""
    with hold_lock(config) as is_free:
        return not is_free


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def now() -> datetime:
    """Return the time in UTC."""
    return datetime.now(UTC)
