# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A restore between the hooks of hooks.d: whatever ends it, those that were begun come to their end."""

from __future__ import annotations

import select
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Optional

from paranoid_dispatcher.errors import Failed
from paranoid_dispatcher.hooks import Alone, Hook
from paranoid_dispatcher.journal import OF_RESTORE, Journal
from paranoid_dispatcher.owner import HOOKS
from paranoid_dispatcher.owner_hooks import OwnerHooks, explain_start, find_hooks, hook_environment

from paranoid_restore.errors import RestoreError, printable

_TICK_MS = 500
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass
class Stop:
    """Whether somebody wants the end: Ctrl-C, a signal, a terminal that is gone. Hooks are not cut off by it."""

    reason: str = ""
    waits: bool = False

    def on_signal(self, number: int, _frame: Optional[FrameType]) -> None:
        """Remember it, and end the work unless a hook is at it."""
        self.reason = self.reason or f"ended by {signal.Signals(number).name}"
        if not self.waits:
            raise KeyboardInterrupt

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let nothing be interrupted meanwhile."""
        self.waits, before = True, self.waits
        try:
            yield
        finally:
            self.waits = before


@contextmanager
def between_hooks(config: Mapping[str, Any], target: str) -> Iterator[OwnerHooks]:
    """Run the hooks around what is done to TARGET; RestoreError if one before it fails.

    Those that fail after it are in ``failures`` of what is yielded.
    """
    if not config.get("owner_dir"):
        yield OwnerHooks()
        return
    stop = Stop()
    before = {number: signal.signal(number, stop.on_signal) for number in _ENDING}
    try:
        with ExitStack() as held:
            yield held.enter_context(_ending_well(_make_hooks(config, target, stop), stop))
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _make_hooks(config: Mapping[str, Any], target: str, stop: Stop) -> OwnerHooks:
    journal = Journal(Path(config["base_dir"]), OF_RESTORE)
    environment = {**hook_environment(str(config["client"])), "PARANOID_BACKUP_TARGET": target}

    def run(hook: Hook, told: Mapping[str, str]) -> str:
        with stop.held():
            failure = _run(hook, {**environment, **told}, float(config["hook_seconds"]), stop)
        if hook.before and stop.reason:
            raise KeyboardInterrupt
        return failure

    try:
        found = find_hooks(Path(config["owner_dir"]) / HOOKS)
    except Failed as error:
        raise RestoreError(str(error)) from None
    for line in found.skipped:
        _show(line.encode())
    # What failed is said here; only what is still owed may have to be told by another.
    return OwnerHooks(found, "restore", run, lambda owed, _failures: journal.write(owed, ()))


@contextmanager
def _ending_well(hooks: OwnerHooks, stop: Stop) -> Iterator[OwnerHooks]:
    reason = "it was cut off"
    try:
        try:
            hooks.begin()
            yield hooks
            reason = ""
        except Failed as error:
            raise RestoreError(str(error)) from None
    except RestoreError as error:
        reason = str(error)
        raise
    except KeyboardInterrupt:
        reason = stop.reason
        raise
    finally:
        stop.waits = True
        for line in hooks.end(reason):
            _show(line.encode())


def _run(hook: Hook, environment: dict[str, str], seconds: float, stop: Stop) -> str:
    """Run one to its end, and show what it says; return what is wrong with it, as a sentence."""
    alone = Alone()
    alone.log = _show
    try:
        alone.start(hook, environment, seconds)
    except OSError as error:
        return explain_start(hook, error)
    while (failure := alone.look(stop.reason if hook.before else "")) is None:
        poll = select.poll()
        for descriptor in alone.descriptors:
            poll.register(descriptor, select.POLLIN)
        for descriptor, _event in poll.poll(_TICK_MS):
            alone.read(descriptor)
    return f"the {hook} {failure}" if failure else ""


def _show(data: bytes) -> None:
    """Write one line for a person; nobody may be there any more."""
    try:
        sys.stderr.write(printable(data.decode("utf-8", "replace").rstrip("\n")) + "\n")
        sys.stderr.flush()
    except OSError:
        return
