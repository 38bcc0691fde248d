# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a command in its own process group, and end the whole group when the session must end."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import FileIO
from typing import Optional

from paranoid_dispatcher.errors import Failed
from paranoid_dispatcher.pump import Pump
from paranoid_dispatcher.server_link import TICK_SECONDS, ServerLink

GRACE_SECONDS = 10.0
EVIDENCE = "PARANOID_BACKUP_EVIDENCE"  # strict_borgmatic.py reads it
PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Done:
    """A command that has ended: its exit status, the end of its output and log, and why it was stopped, if it was."""

    returncode: int
    stdout: bytes
    log: bytes
    stopped: str


def run(
    argv: list[str], environment: dict[str, str], link: ServerLink, told: Optional[Callable[[bytes], None]] = None
) -> Done:
    """Run ARGV in its own process group until it ends; end the whole group when LINK says so.

    TOLD gets what it writes to the descriptor that its environment names in `EVIDENCE`.
    """
    with _pipe() as (reading, writing):
        channel = {EVIDENCE: str(writing.fileno())} if told else {}
        process = _start(argv, {**environment, **channel}, [int(number) for number in channel.values()])
        writing.close()
        if process.stdout is None or process.stderr is None:
            raise Failed("no pipes for the work's output")
        pump = Pump(link, process.stdout.fileno(), process.stderr.fileno(), {reading.fileno(): told} if told else {})
        stopped = _follow(process.pid, pump, link)
        pump.drain(GRACE_SECONDS)
        return Done(process.wait(), pump.stdout, pump.log, stopped)


@contextlib.contextmanager
def _pipe() -> Iterator[tuple[FileIO, FileIO]]:
    reading, writing = os.pipe()
    with FileIO(reading) as reader, FileIO(writing, "w") as writer:
        yield reader, writer


def _start(argv: list[str], environment: dict[str, str], passed: list[int]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        cwd="/",
        start_new_session=True,
        preexec_fn=_die_with_parent,
        pass_fds=passed,
    )


def _follow(leader: int, pump: Pump, link: ServerLink) -> str:
    """Pump until LEADER ends; return why it was stopped. It is not reaped here, so its group keeps its number."""
    stopped, kill_at = "", 0.0
    while (status := os.waitid(os.P_PID, leader, os.WEXITED | os.WNOHANG | os.WNOWAIT)) is None:
        pump.turn(TICK_SECONDS)
        if not stopped:
            stopped, kill_at = link.stop_reason, time.monotonic() + GRACE_SECONDS
            if stopped:
                _signal_group(leader, signal.SIGTERM)
        elif time.monotonic() > kill_at:
            _signal_group(leader, signal.SIGKILL)
    if stopped or status.si_status:
        # Borg outlives a borgmatic that was killed.
        _signal_group(leader, signal.SIGKILL)
    return stopped


def _die_with_parent() -> None:
    _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _signal_group(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, number)
