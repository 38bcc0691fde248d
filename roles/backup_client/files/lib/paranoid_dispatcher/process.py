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

from paranoid_dispatcher.activity import LOOK_SECONDS, Activity
from paranoid_dispatcher.errors import Failed
from paranoid_dispatcher.hooks import CHANNEL, Alone, Hook, Hooks
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
    argv: list[str],
    environment: dict[str, str],
    link: ServerLink,
    told: Optional[Callable[[bytes], None]] = None,
    hooks: Optional[Hooks] = None,
) -> Done:
    """Run ARGV in its own process group until it ends, with its HOOKS; end the whole group when LINK says so.

    TOLD gets what it writes to the descriptor that its environment names in `EVIDENCE`.
    """
    with _pipe() as (reading, writing):
        channels = {EVIDENCE: str(writing.fileno())} if told else {}
        if hooks:
            channels[CHANNEL] = str(hooks.theirs.fileno())
        process = _start(argv, {**environment, **channels}, [int(number) for number in channels.values()])
        writing.close()
        if process.stdout is None or process.stderr is None:
            raise Failed("no pipes for the work's output")
        more = {reading.fileno(): told} if told else {}
        pump = Pump(link, process.stdout.fileno(), process.stderr.fileno(), more, hooks)
        stopped = _Work(process.pid, pump, link, hooks).follow()
        pump.drain(GRACE_SECONDS)
        return Done(process.wait(), pump.stdout, pump.log, stopped)


def run_hook(hook: Hook, environment: dict[str, str], seconds: float, link: ServerLink) -> str:
    """Run one hook by itself; return how it failed, empty if it did not. LINK ends what comes before the work."""
    alone, activity = Alone(), Activity()
    pump = Pump(link, hooks=alone)
    pid = alone.start(hook, environment, seconds).pid
    while (failure := alone.look(link.stop_reason if hook.before else "")) is None:
        pump.turn(TICK_SECONDS)
        if activity.has_moved([pid]) and pump.silent_for() >= LOOK_SECONDS:
            pump.beat()
    if failure:
        alone.log(f"hook: the {hook} {failure}\n".encode())
    pump.drain(GRACE_SECONDS)
    return failure


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


class _Work:
    """A command at work. It is not reaped here, so that its group keeps its number."""

    def __init__(self, leader: int, pump: Pump, link: ServerLink, hooks: Optional[Hooks]) -> None:
        self._leader, self._pump, self._link, self._hooks = leader, pump, link, hooks
        self._activity, self._stopped, self._kill_at = Activity(), "", 0.0

    def follow(self) -> str:
        """Pump until the leader and all hooks that are still owed have ended; return why it was stopped."""
        while (status := os.waitid(os.P_PID, self._leader, os.WEXITED | os.WNOHANG | os.WNOWAIT)) is None:
            self._turn("the session ended" if self._stopped else "")
            self._end()
        if self._stopped or status.si_status:
            # Borg outlives a borgmatic that was killed.
            _signal_group(self._leader, signal.SIGKILL)
        if self._hooks:
            while self._hooks.running or self._hooks.has_more(not (self._stopped or status.si_status)):
                self._turn("the session ended" if self._stopped else "borgmatic ended")
        return self._stopped

    def _turn(self, stop: str) -> None:
        self._pump.turn(TICK_SECONDS)
        at_work = [self._leader]
        if self._hooks:
            self._hooks.look(stop)
            at_work += [self._hooks.running.pid] if self._hooks.running else []
        if self._activity.has_moved(at_work) and self._pump.silent_for() >= LOOK_SECONDS:
            self._pump.beat()

    def _end(self) -> None:
        """Ask the group to end when it must; kill it when it has had its time, in which no hook is counted."""
        now = time.monotonic()
        if not self._stopped:
            self._stopped, self._kill_at = self._link.stop_reason, now + GRACE_SECONDS
            if self._stopped:
                _signal_group(self._leader, signal.SIGTERM)
        elif self._hooks and self._hooks.running:
            self._kill_at = now + GRACE_SECONDS
        elif now > self._kill_at:
            _signal_group(self._leader, signal.SIGKILL)


def _die_with_parent() -> None:
    # FreeBSD has no such call; there the end of the link alone ends the work.
    with contextlib.suppress(AttributeError):
        _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _signal_group(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, number)
