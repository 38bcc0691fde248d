# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ends of ansible-playbook that it tells no callback: a signal, Ctrl-C, an error that is not of one task."""

from __future__ import annotations

import atexit
import os
import signal
from collections.abc import Callable
from types import FrameType

_ENDS = (signal.SIGTERM, signal.SIGHUP)


class EarlyExit:
    """Calls ``report`` with one sentence when the process ends before ``disarm`` was called.

    SIGTERM and SIGHUP become an interrupt: on that, Ansible ends its workers, unwinds and exits as usual. On the
    signals themselves it would end at once, or not at all.
    """

    def __init__(self, report: Callable[[str], None]) -> None:
        self._report = report
        self._process = os.getpid()
        self._why = "ansible-playbook ended before the run had come to its end; its output says why"
        atexit.register(self._on_exit)
        self._before = {number: signal.getsignal(number) for number in _ENDS}
        for number, handler in self._before.items():
            if handler != signal.SIG_IGN:  # as under nohup
                signal.signal(number, self._on_signal)

    def disarm(self) -> None:
        """Let the run end as it should: put everything back as it was."""
        atexit.unregister(self._on_exit)
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        if os.getpid() != self._process:  # a worker, which inherited this handler
            signal.raise_signal(number)
        self._why = f"the run was ended by {signal.Signals(number).name}"
        signal.raise_signal(signal.SIGINT)

    def _on_exit(self) -> None:
        if os.getpid() == self._process:
            self._report(self._why)
