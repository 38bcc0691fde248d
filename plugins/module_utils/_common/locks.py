# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Locks by flock: one session per client, a bounded number per server. The kernel releases them with the process."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ansible_collections.paranoid.backup.plugins.module_utils._common.errors import SessionError

_POLL = 0.2  # seconds between two attempts


@contextmanager
def client_lock(run_dir: str, client: str, note: str) -> Iterator[None]:
    """Hold the lock of one client; SessionError ``locked`` at once if another session has it."""
    with _noted_lock(os.path.join(run_dir, "locks", client), client, note, 0):
        yield


@contextmanager
def port_lock(run_dir: str, host: str, note: str, patience: float) -> Iterator[None]:
    """Hold the lock of a host's only port (transport ssh); its own sessions and those as a keyholder share it.

    SessionError ``locked`` if another session keeps it for ``patience`` seconds.
    """
    with _noted_lock(os.path.join(run_dir, "ports", host), host, note, patience):
        yield


@contextmanager
def _noted_lock(path: str, host: str, note: str, patience: float) -> Iterator[None]:
    deadline = time.monotonic() + patience
    while (descriptor := _try_lock(path)) is None and time.monotonic() < deadline:
        time.sleep(_POLL)
    if descriptor is None:
        raise SessionError("locked", f"another session of {host} is under way ({_read_note(path)}): wait for it to end")
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, note.encode(), 0)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def slot(run_dir: str, slots: int, patience: float, clock: Callable[[], float] = time.monotonic) -> Iterator[int]:
    """Hold one of the server's slots; SessionError ``no_slot`` if none gets free within ``patience`` seconds."""
    deadline = clock() + patience
    while True:
        for number in range(slots):
            descriptor = _try_lock(os.path.join(run_dir, "slots", str(number)))
            if descriptor is not None:
                try:
                    yield number
                finally:
                    os.close(descriptor)
                return
        if clock() >= deadline:
            raise SessionError("no_slot", f"all {slots} slots of the server stayed taken for {patience:.0f} s")
        time.sleep(_POLL)


def _try_lock(path: str) -> int | None:
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _read_note(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as handle:
        return handle.read(200).strip() or "just started"
