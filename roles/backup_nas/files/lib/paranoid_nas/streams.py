# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One stream from a sender to a receiver, which is ended when nothing moves any more.

A first copy over a slow line takes days, so nothing bounds its duration. But a source that hangs while its ssh lives,
and a disk that takes nothing more, would be waited for until somebody looks.
"""

from __future__ import annotations

import os
import selectors
import subprocess
import time
from collections.abc import Sequence
from typing import IO, Optional, cast

from paranoid_nas.asking import end, in_one_line, start
from paranoid_nas.storage import SilentError

_PIECE = 1 << 20  # bytes at most that are on their way
_SAID = 4096  # bytes of a complaint that are kept, however long it is
_LOOK = 0.05  # seconds between two looks whether a side has ended
_GO = 60.0  # seconds that a sender may take to end after its receiver


class Side:
    """A command at one end; ``code`` and ``said``, its complaint, are known when ``flow`` has returned."""

    def __init__(self, argv: Sequence[str], prefix: Sequence[str] = ()) -> None:
        self.argv = [*prefix, *argv]
        self.name = f"{' '.join(argv[:2])} {argv[-1]}"
        self.code: Optional[int] = None
        self.said = b""


def flow(sender: Side, receiver: Side, patience: float) -> None:
    """Have one side's output become the other's input; SilentError if nothing moved for ``patience`` seconds."""
    source = start(sender.argv)
    try:
        target = start(receiver.argv, takes=subprocess.PIPE, gives=subprocess.DEVNULL)
        try:
            _Stream(source, target, sender, receiver, patience).run()
        finally:
            end(target)
    finally:
        end(source)


class _Stream:
    """What is under way: ``held`` has come, and waits until the receiver takes it."""

    def __init__(
        self,
        source: subprocess.Popen[bytes],
        target: subprocess.Popen[bytes],
        sender: Side,
        receiver: Side,
        patience: float,
    ) -> None:
        self.source, self.target, self.sender, self.receiver = source, target, sender, receiver
        self.patience, self.moved = patience, time.monotonic()
        self.held, self.passed = b"", 0
        self.output, self.input = cast(IO[bytes], source.stdout), cast(IO[bytes], target.stdin)
        os.set_blocking(self.input.fileno(), False)
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.output, selectors.EVENT_READ, self._take)
        for process, side in ((source, sender), (target, receiver)):
            self._listen(cast(IO[bytes], process.stderr), side)

    def run(self) -> None:
        """Return when both sides have ended."""
        with self.selector:
            while None in (self.source.poll(), self.target.poll()) or not self.output.closed:
                self._move(_LOOK)
                self._look()
            self._move(0)  # what they said last
        self.sender.code, self.receiver.code = self.source.returncode, self.target.returncode

    def _move(self, seconds: float) -> None:
        for key, _events in self.selector.select(seconds):
            key.data()

    def _take(self) -> None:
        self.held, self.moved = os.read(self.output.fileno(), _PIECE), time.monotonic()
        self.passed += len(self.held)
        if not self.held:
            self._close()
        elif not self._hand_on():  # Until then nothing more is taken.
            self.selector.unregister(self.output)
            self.selector.register(self.input, selectors.EVENT_WRITE, self._go_on)

    def _go_on(self) -> None:
        if self._hand_on() and not self.output.closed:
            self.selector.unregister(self.input)
            self.selector.register(self.output, selectors.EVENT_READ, self._take)

    def _hand_on(self) -> bool:
        """Hand on what is held; tell whether all of it was taken, or nobody is there to take it."""
        try:
            taken = os.write(self.input.fileno(), self.held)
        except BlockingIOError:
            return False
        except BrokenPipeError:
            self._close()
            return True
        self.held, self.moved = self.held[taken:], time.monotonic()
        return not self.held

    def _close(self) -> None:
        """Nothing more is to come: the receiver sees the end, and a sender that goes on writing is ended by that."""
        for end_of_it in (self.output, self.input):
            if end_of_it in self.selector.get_map():
                self.selector.unregister(end_of_it)
            end_of_it.close()
        self.held = b""

    def _listen(self, complaints: IO[bytes], side: Side) -> None:
        def hear() -> None:
            piece = os.read(complaints.fileno(), _SAID)
            side.said = (side.said + piece)[:_SAID]
            if not piece:
                self.selector.unregister(complaints)
                complaints.close()

        self.selector.register(complaints, selectors.EVENT_READ, hear)

    def _look(self) -> None:
        """End a sender whose receiver is gone, and both if nothing moves."""
        waited = time.monotonic() - self.moved
        if self.target.poll() is None:
            if waited > self.patience:
                raise SilentError(f"{self._name_who_hangs()} for {waited / 60:.0f} minutes, after {self.passed} bytes")
        elif not self.output.closed:
            self._close()
            self.moved = time.monotonic()
        elif self.source.poll() is None and waited > min(self.patience, _GO):
            self.sender.said = self.sender.said or b"it did not end after its receiver"
            end(self.source)

    def _name_who_hangs(self) -> str:
        if not self.output.closed and not self.held:
            words = in_one_line(self.sender.said)
            return f"{self.sender.name}: it hangs{words and f' ({words})'}, and sent nothing"
        return f"{self.receiver.name}: it hangs, and took nothing"
