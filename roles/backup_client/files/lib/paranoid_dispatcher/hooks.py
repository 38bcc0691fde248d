# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operator's hooks: run here and not by borgmatic, so that they outlive it, each with a time limit of its own.

Borgmatic (strict_borgmatic.py) asks on a socket that it inherits; one line of JSON each way, one request at a time:

- ``{"kind": stage, "owed": [hook, ...]}`` names the after hooks that a stage must end with;
- ``{"run": hook}`` runs one; an after hook is then no longer owed.

The answer is ``{"code": exit code, "reason": one line}``. What is owed when borgmatic has ended, whatever
ended it, is run by `has_more`.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Optional

from paranoid_dispatcher.hook_output import HookOutput
from paranoid_dispatcher.journal import Journal
from paranoid_dispatcher.output import printable

CHANNEL = "PARANOID_BACKUP_HOOKS"  # the environment variable with the number of borgmatic's end of the socket
SOFT_FAILURE = 75  # borgmatic's manual, "soft failures": a hook says that there is nothing to do
END_SECONDS = 10.0  # between SIGTERM and SIGKILL
REQUEST_MAX = 4 * 1024 * 1024
# Innermost first: the order in which borgmatic itself leaves its stages.
STAGES = ("action", "repository", "configuration", "error", "everything")
# The outer shell waits for the inner one: a hook that kills its parent's group kills nothing but itself, and one that
# ignores the signal that it sends to its own group lives on. What the outer one has to say of signals nobody wants.
_OUTER = 'trap : HUP INT QUIT TERM USR1 USR2; exec 3>&2 2>/dev/null; (exec /bin/sh -c "$1" 2>&3 3>&-); exit $?'
_SHELL = ["/bin/sh", "-c", _OUTER, "hook"]


@dataclass(frozen=True)
class Hook:
    """One command: the stage it belongs to, whether it comes before or after, and how it is run.

    A hook of hooks.d has a ``program`` with its arguments, which no shell reads.
    """

    kind: str
    before: bool
    name: str
    command: str
    umask: Optional[int] = None
    directory: str = "/"
    program: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Name it as people know it."""
        return f'{self.name} hook "{printable(self.command, 120)}"'


class Running:
    """A hook at work, in a session of its own; its output is read here, and bounded."""

    def __init__(self, hook: Hook, environment: dict[str, str], seconds: float, log: Callable[[bytes], None]) -> None:
        self.hook, self.stopped = hook, ""
        self.output = HookOutput(log)
        self._until, self._seconds = time.monotonic() + seconds, seconds
        self._process = subprocess.Popen(
            hook.program or [*_SHELL, hook.command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=hook.directory,
            start_new_session=True,
            umask=-1 if hook.umask is None else hook.umask,
        )
        self.pid = self._process.pid
        self._watch = _open_pidfd(self.pid)
        self.pipe = self._process.stdout.fileno() if self._process.stdout else -1
        os.set_blocking(self.pipe, False)

    @property
    def descriptors(self) -> list[int]:
        """What wakes the loop: its output, and its end where the kernel can tell (Linux 5.3)."""
        return [number for number in (self.pipe, self._watch) if number >= 0]

    @property
    def seconds_left(self) -> float:
        """Seconds until it is ended."""
        return max(0.0, self._until - time.monotonic())

    def read(self) -> None:
        """Take what it printed. One that has closed its output may still be at work."""
        try:
            data = os.read(self.pipe, 64 * 1024)
        except BlockingIOError:
            return
        self.output.add(data)
        if not data:
            self.pipe = -1

    def look(self, stop: str) -> Optional[int]:
        """Return its exit code once it has ended; end it if its time is over or STOP says why it must."""
        code = self._process.poll()
        if code is not None:
            return code
        if not self.stopped and (stop or not self.seconds_left):
            self.stopped = stop or f"it did not end within {self._seconds:.0f} s (backup_client_hook_seconds)"
            self._signal(signal.SIGTERM)
            self._until = time.monotonic() + END_SECONDS
        elif self.stopped and not self.seconds_left:
            self._signal(signal.SIGKILL)
        return None

    def close(self) -> None:
        """Take the rest of its output. What it left in the background keeps its own end of the pipe, and lives."""
        for _turn in range(64):
            if self.pipe < 0 or not _is_readable(self.pipe):
                break
            self.read()
        self.output.close()
        if self._process.stdout:
            self._process.stdout.close()
        if self._watch >= 0:
            os.close(self._watch)

    def _signal(self, number: signal.Signals) -> None:
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            return


class Hooks:
    """The hooks of one verb.

    ``failures`` are sentences, as is ``skipped``: a before hook said that there is nothing to do.
    """

    def __init__(
        self, seconds: int, environment: dict[str, str], journal: Journal, note: Callable[[str, float], None]
    ) -> None:
        self._seconds, self._environment, self._journal, self._note = seconds, environment, journal, note
        self._ours, self.theirs = socket.socketpair()
        self._ours.setblocking(False)
        self._owed: dict[str, list[Hook]] = {}
        self._received = bytearray()
        self._open = True
        self.running: Optional[Running] = None
        self.failures: list[str] = []
        self._after_failures: list[str] = []
        self.skipped = ""
        self.before_failed = False
        # Called when a before hook has done its work, and when an after hook begins: what they mount is there between.
        self.look_around: Callable[[bool], None] = lambda before: None
        self.log: Callable[[bytes], None] = lambda data: None

    @property
    def descriptors(self) -> list[int]:
        """What wakes the loop: a request, or the hook at work."""
        if self.running:
            return self.running.descriptors
        return [self._ours.fileno()] if self._open else []

    def read(self, descriptor: int) -> None:
        """Take what came on a descriptor."""
        if self.running and descriptor == self.running.pipe:
            self.running.read()
        elif descriptor == self._ours.fileno():
            self._receive()

    def look(self, stop: str) -> None:
        """Act on what has ended. STOP ends a before hook; an after hook has its time."""
        if self.running:
            code = self.running.look(stop if self.running.hook.before else "")
            if code is not None:
                self._conclude(self.running, code)
        while not self.running and b"\n" in self._received:
            line, _sep, rest = self._received.partition(b"\n")
            self._received = bytearray(rest)
            self._serve(json.loads(line))

    def has_more(self, ended_well: bool) -> bool:
        """Run the next hook that is still owed now that borgmatic has ended; tell whether one is at work."""
        self._open = False
        self._received.clear()
        if ended_well:
            self._owed.pop("error", None)
        for kind in STAGES:
            if not self.running and self._owed.get(kind):
                self._start(self._owed[kind][0])
        return self.running is not None

    def close(self) -> None:
        """Close both ends."""
        self._ours.close()
        self.theirs.close()

    def _receive(self) -> None:
        try:
            data = self._ours.recv(64 * 1024)
        except (BlockingIOError, ConnectionError):
            data = b""
        self._received += data
        if not data or len(self._received) > REQUEST_MAX:
            self._open = False

    def _serve(self, request: dict[str, Any]) -> None:
        if "run" in request:
            self._start(Hook(**request["run"]))
            return
        self._owed[request["kind"]] = [Hook(**hook) for hook in request["owed"]]
        self._remember()
        self._answer(0, "")

    def _start(self, hook: Hook) -> None:
        owed = self._owed.get(hook.kind, [])
        if not hook.before:
            self.look_around(False)
        if not hook.before and owed and owed[0] == hook:
            owed.pop(0)
        self.log(f"hook: {hook.name}: {printable(hook.command, 300)}\n".encode())
        self._note(f"its {hook}", self._seconds)
        try:
            self.running = Running(hook, self._environment, self._seconds, self.log)
        except OSError as exc:
            self._fail(hook, f"could not be started: {exc.strerror}", 127)

    def _conclude(self, running: Running, code: int) -> None:
        running.close()
        self.running, said = None, running.output.quoted
        self._note("", 0)
        if running.stopped:
            self._fail(running.hook, explain_end(running, code), code or 124)
        elif code == SOFT_FAILURE:
            told = f"the {running.hook} ended with {code}, a soft failure: nothing to do now{said}"
            self.skipped = self.skipped or (told if running.hook.before else "")
            self._settle(code, told)
        elif code:
            self._fail(running.hook, explain_end(running, code), code)
        else:
            if running.hook.before:
                self.look_around(True)
            self._settle(0, "")

    def _fail(self, hook: Hook, how: str, code: int) -> None:
        reason = f"the {hook} {how}"
        self.failures.append(reason)
        if hook.before:
            self.before_failed = True
        else:
            self._after_failures.append(reason)
        self.log(f"hook: {reason}\n".encode())
        self._settle(code, reason)

    def _settle(self, code: int, reason: str) -> None:
        self._remember()
        self._answer(code, reason)

    def _remember(self) -> None:
        owed = [str(hook) for kind in STAGES if kind != "error" for hook in self._owed.get(kind, [])]
        self._journal.write(owed, self._after_failures)

    def _answer(self, code: int, reason: str) -> None:
        if self._open:
            try:
                self._ours.send(json.dumps({"code": code, "reason": reason}).encode() + b"\n")
            except OSError:
                self._open = False


class Alone:
    """One hook by itself, without borgmatic."""

    def __init__(self) -> None:
        self.log: Callable[[bytes], None] = lambda data: None
        self._running: Optional[Running] = None

    @property
    def descriptors(self) -> list[int]:
        """What wakes the loop."""
        return self._running.descriptors if self._running else []

    def start(self, hook: Hook, environment: dict[str, str], seconds: float) -> Running:
        """Start it; OSError if that cannot be."""
        self.log(f"hook: {hook.name}: {hook.command}\n".encode())
        self._running = Running(hook, environment, seconds, self.log)
        return self._running

    def read(self, descriptor: int) -> None:
        """Take what it printed."""
        if self._running and descriptor == self._running.pipe:
            self._running.read()

    def look(self, stop: str) -> Optional[str]:
        """Return how it failed once it has ended, empty if it did not; STOP says why it must end now."""
        if not self._running:
            return ""
        code = self._running.look(stop)
        if code is None:
            return None
        running, self._running = self._running, None
        running.close()
        return explain_end(running, code)


def explain_end(running: Running, code: int) -> str:
    """Say how a hook failed, with the last that it printed; empty if it did not."""
    if running.stopped:
        return f"was ended, for {running.stopped}{running.output.quoted}"
    return f"{_describe(code)}{running.output.quoted}" if code else ""


def _describe(code: int) -> str:
    """Say how it ended; the outer shell adds 128 to the signal that ended the inner one."""
    number = -code if code < 0 else code - 128
    try:
        return f"was killed by {signal.Signals(number).name}"
    except ValueError:
        return f"failed with exit code {code}"


def _open_pidfd(pid: int) -> int:
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):
        return -1


def _is_readable(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))
