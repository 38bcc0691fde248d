# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks a NAS by the module of the same name; one that is away, or hangs, must cost no backup of anybody."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase

# Seconds: the module ends by itself before, unless connection or disks are gone. ssh alone would wait for hours.
PATIENCE = {"status": 240.0, "snapshot": 960.0}


class _TooLateError(BaseException):
    """No answer in time; a retry of the connection must not take it for one of its own errors."""


@contextmanager
def _bounded(seconds: float) -> Iterator[None]:
    """Raise _TooLateError in what is done within, after so many seconds; a task's own timeout has precedence."""

    def give_up(_number: int, _frame: Any) -> None:
        raise _TooLateError

    if signal.getsignal(signal.SIGALRM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGALRM, give_up)
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)


class ActionModule(ActionBase):
    """Starts the module on the NAS, and never fails: what goes wrong is the result's problem."""

    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the module's documented result."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        seconds = PATIENCE.get(self._task.args.get("ask", "status"), PATIENCE["status"])
        away = False
        try:
            with _bounded(seconds):
                said: dict[str, Any] = self._execute_module("paranoid.backup.nas", task_vars=task_vars)
        except AnsibleConnectionFailure as error:
            away, said = True, {"failed": True, "msg": str(error)}
        except AnsibleError as error:
            said = {"failed": True, "msg": str(error)}
        except _TooLateError:
            away, said = True, {"failed": True, "msg": f"it gave no answer in {seconds:.0f} seconds: look at the NAS"}
        if said.get("failed") or said.get("unreachable"):
            problem = str(said.get("msg") or said.get("module_stderr") or "it gave no reason")
            away = away or bool(said.get("unreachable"))
            said = {"changed": False, "status": {}, "snapshot": "", "problem": problem}
        return result | {"away": away} | said
