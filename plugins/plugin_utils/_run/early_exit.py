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
    """Calls ``tell`` with one sentence when the process ends before ``over`` was called.

    A signal to end becomes an interrupt: on that Ansible ends its workers, unwinds and exits as usual. On the other
    ones it would end at once, or not at all.
    """

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._process = os.getpid()
        self._why = "ansible-playbook ended before the run had come to its end; its output says why"
        atexit.register(self._ended)
        self._before = {number: signal.getsignal(number) for number in _ENDS}
        for number, handler in self._before.items():
            if handler != signal.SIG_IGN:  # as under nohup
                signal.signal(number, self._signalled)

    def over(self) -> None:
        """Note that the run ends as it should; from now on everything is as it was before."""
        atexit.unregister(self._ended)
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _signalled(self, number: int, _frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        if os.getpid() != self._process:  # a worker, which has this from us
            signal.raise_signal(number)
        self._why = f"the run was ended by {signal.Signals(number).name}"
        signal.raise_signal(signal.SIGINT)

    def _ended(self) -> None:
        if os.getpid() == self._process:
            self._tell(self._why)
