# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A NAS that is away, that breaks off or that hangs is a result like any other, and none of them is waited for long."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from typing import Any
from unittest.mock import MagicMock

import pytest
from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase
from ansible_collections.paranoid.backup.plugins.action import nas

WELL = {"changed": False, "status": {"problems": []}, "snapshot": "", "problem": ""}


def run(monkeypatch: pytest.MonkeyPatch, does: Callable[[], dict[str, Any]], ask: str = "status") -> dict[str, Any]:
    """What the action returns when the module does this."""
    monkeypatch.setattr(ActionBase, "run", lambda _self, _tmp, _task_vars: {})
    monkeypatch.setattr(ActionBase, "_execute_module", lambda _self, _name, task_vars: does())
    task = MagicMock(args={"ask": ask}, async_val=0)
    nothing = MagicMock()
    return nas.ActionModule(task, nothing, nothing, nothing, nothing, nothing).run(None, {})


def hang() -> dict[str, Any]:
    """A connection that was lost in the middle, and that tries again, as ssh's plugin does."""
    for _attempt in range(2):
        try:
            time.sleep(600)
        except Exception:
            continue
    raise AssertionError("it was waited for")


def fail(error: Exception) -> Callable[[], dict[str, Any]]:
    def raise_it() -> dict[str, Any]:
        raise error

    return raise_it


@pytest.mark.parametrize(
    ("does", "problem", "away"),
    [
        (lambda: WELL, "", False),
        (fail(AnsibleConnectionFailure("no route")), "no route", True),
        (fail(AnsibleError("no such module")), "no such module", False),
        (lambda: {"unreachable": True, "msg": "gone"}, "gone", True),
        (lambda: {"failed": True, "module_stderr": "no python"}, "no python", False),
        (lambda: {"failed": True}, "it gave no reason", False),
        (hang, "it gave no answer in 0 seconds: look at the NAS", True),
    ],
)
def test_whatever_happens_is_a_result(
    does: Callable[[], dict[str, Any]], problem: str, away: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if does is hang:
        monkeypatch.setitem(nas.PATIENCE, "status", 0.05)
    assert run(monkeypatch, does) == {
        **WELL,
        "problem": problem,
        "away": away,
        "status": {} if problem else WELL["status"],
    }
    assert signal.getsignal(signal.SIGALRM) is signal.SIG_DFL and signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_a_timeout_of_the_task_itself_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def remaining() -> dict[str, Any]:
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 3000
        return WELL

    before = signal.signal(signal.SIGALRM, lambda _number, _frame: None)
    signal.setitimer(signal.ITIMER_REAL, 4000)
    try:
        assert run(monkeypatch, remaining, ask="snapshot")["problem"] == ""
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 3000
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
