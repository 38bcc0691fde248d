# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes below the runner: it is told of every orphan, so that nothing outlives a run (prctl(2), procctl(2))."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36  # Linux, include/uapi/linux/prctl.h
_P_PID, _PROC_REAP_ACQUIRE = 0, 2  # FreeBSD, sys/procctl.h
_TURN_SECONDS = 0.1
_KILLED_SECONDS = 10.0  # in which a process that was killed is gone
RUN_ID = "PARANOID_BACKUP_RUN_ID"  # in the environment of a run


def become_reaper() -> None:
    """Have processes whose parent dies become children of this one; raises OSError where the system refuses."""
    library = ctypes.CDLL(None, use_errno=True)
    if sys.platform.startswith("freebsd"):
        failed = library.procctl(_P_PID, ctypes.c_int64(0), _PROC_REAP_ACQUIRE, None)
    else:
        failed = library.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    if failed:
        raise OSError(ctypes.get_errno(), "this process cannot become the reaper of its children")


def list_children() -> list[int]:
    """Return the processes whose parent is this one."""
    own = os.getpid()
    return [pid for pid, parent in _list_parents().items() if parent == own]


def signal_children(number: signal.Signals) -> None:
    """Send a signal to each child."""
    for pid in list_children():
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def end_children(patience: float) -> None:
    """End what is left below this process: each gets one SIGTERM, for it may clean up, and SIGKILL after ``patience``.

    A child that ends leaves its own children to this process, so it looks until there are none.
    """
    _end_all(lambda: list_children() if _reap() else [], patience)


def end_run(run_id: str, patience: float) -> None:
    """End what is left of a run whose runner was killed, in the same way: its id is in their environment."""
    _end_all(lambda: _list_of_run(run_id), patience)


def _end_all(find_left: Callable[[], Sequence[int]], patience: float) -> None:
    """What hangs in the kernel outlives its SIGKILL, and nobody waits for it for ever: there is a run to tell of."""
    until = time.monotonic() + patience
    asked: set[int] = set()
    while (left := find_left()) and time.monotonic() < until + _KILLED_SECONDS:
        is_over = time.monotonic() > until
        for pid in left if is_over else set(left) - asked:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL if is_over else signal.SIGTERM)
        asked.update(left)
        time.sleep(_TURN_SECONDS)


def _reap() -> bool:
    """Take the exit codes of children that have ended; return whether there are others."""
    with suppress(ChildProcessError):
        while True:
            pid, _status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return True
    return False


def _list_of_run(run_id: str) -> list[int]:
    """Return the processes that have a run's id in their environment, as far as this one may see it."""
    mark = f"{RUN_ID}={run_id}"
    if sys.platform.startswith("freebsd"):
        argv = ["/bin/ps", "-axeww", "-o", "pid=,command="]
        told = subprocess.run(argv, capture_output=True, text=True, errors="replace", check=True).stdout
        return [int(line.split()[0]) for line in told.splitlines() if mark in line.split()]
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and mark in _read_environment(name)]


def _read_environment(pid: str) -> list[str]:
    try:
        return Path(f"/proc/{pid}/environ").read_text(encoding="utf-8", errors="replace").split("\0")
    except OSError:  # It ended meanwhile, or is somebody else's.
        return []


def _list_parents() -> dict[int, int]:
    """Return every process of this machine and its parent; FreeBSD has no /proc unless somebody mounts it."""
    if sys.platform.startswith("freebsd"):
        told = subprocess.run(["/bin/ps", "-axo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
        return {int(pid): int(parent) for pid, parent in map(str.split, told.splitlines())}
    return {int(name): _find_parent(name) for name in os.listdir("/proc") if name.isdigit()}


def _find_parent(pid: str) -> int:
    """Return the parent of a process, 0 if it is gone (proc(5): the fourth word of stat, after a name in brackets)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return 0
    return int(stat.rpartition(b")")[2].split()[1])
