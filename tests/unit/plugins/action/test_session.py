# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action plugin: when it holds the session itself, and that its result is the module's."""

from __future__ import annotations

import os
import time
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.paranoid.backup.plugins.action import session
from ansible_collections.paranoid.backup.plugins.module_utils._common.clock import boot_name
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.outcome import Conclusion, Outcome
from ansible_collections.paranoid.backup.plugins.module_utils._session.order import Order

MODULE = {"status": "ok", "from": "the module"}


class Action:
    """The action with an engine and a module of the test's own; ``orders`` and ``modules`` are what they were asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.verdict, self.changed = Conclusion("ok"), True
        self.orders: list[Order] = []
        self.modules: list[dict[str, Any]] = []
        self._patch = monkeypatch

    def run(
        self, args: dict[str, Any], *, transport: str = "local", uid: int = 0, async_val: int = 0, check: bool = False
    ) -> dict[str, Any]:
        self._patch.setattr(os, "geteuid", lambda: uid)
        self._patch.setattr(session, "perform", self._perform)
        self._patch.setattr(session, "require_report", lambda _task, _host: None)
        self._patch.setattr(ActionBase, "run", lambda _self, _tmp, _vars: {})
        task: Any = SimpleNamespace(args=args, async_val=async_val, check_mode=check)
        nothing: Any = None
        connection: Any = SimpleNamespace(transport=transport)
        plugin = session.ActionModule(task, connection, nothing, nothing, nothing, nothing)
        self._patch.setattr(plugin, "_execute_module", self._module)
        return plugin.run(task_vars={"a": 1})

    def _perform(self, order: Order) -> Outcome:
        self.orders.append(order)
        return Outcome(order.client, order.verb, "1" * 32, order.run_id, self.verdict, "s", "f", 1.5, self.changed)

    def _module(self, name: str, module_args: dict[str, Any], **options: Any) -> dict[str, Any]:
        self.modules.append({"name": name, "module_args": module_args, **options})
        return dict(MODULE)


@pytest.fixture
def action(monkeypatch: pytest.MonkeyPatch) -> Action:
    return Action(monkeypatch)


BACKUP = {"client": "web1", "verb": "backup"}


def test_here_as_root_the_worker_does_it(action: Action) -> None:
    result = action.run({**BACKUP, "fail_fast": "yes", "open_for": "60"})
    assert action.modules == []
    assert action.orders == [Order("web1", "backup", fail_fast=True, open_for=60)]
    assert (result["status"], result["changed"], "failed" in result) == ("ok", True, False)


@pytest.mark.parametrize(
    ("where", "is_async"),
    [({"transport": "ssh"}, False), ({"uid": 1000}, False), ({"async_val": 30}, True)],
)
def test_elsewhere_the_module_does_it(action: Action, where: dict[str, Any], is_async: bool) -> None:
    assert action.run(BACKUP, **where) == MODULE
    assert action.orders == []
    [module] = action.modules
    told = module.pop("module_args")
    assert module == {"name": "paranoid.backup.session", "task_vars": {"a": 1}, "wrap_async": is_async}
    assert abs(told.pop("asked_at") - time.time()) < 60, "the controller's clock is a witness of the server's"
    assert told.pop("asked_on") == boot_name() and told == BACKUP


def test_check_mode_reaches_the_order(action: Action) -> None:
    action.run(BACKUP, check=True)
    assert action.orders == [Order("web1", "backup", check=True)]


def test_a_failed_outcome_fails_the_task_with_its_reason(action: Action) -> None:
    action.verdict, action.changed = Conclusion("failed", "quota", "web1 is at its quota"), False
    result = action.run(BACKUP)
    assert (result["failed"], result["msg"], result["changed"]) == (True, "web1 is at its quota", False)
    assert (result["code"], result["reason"]) == ("quota", "web1 is at its quota")


def test_a_skipped_outcome_is_no_failure(action: Action) -> None:
    action.verdict = Conclusion("skipped", "fail_fast", "not started")
    assert "failed" not in action.run(BACKUP)


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ({"client": "web1"}, "verb"),
        ({**BACKUP, "verb": "destroy"}, "destroy"),
        ({**BACKUP, "open_for": "x"}, "open_for"),
        ({**BACKUP, "more": 1}, "more"),
    ],
)
def test_bad_options_are_named_and_reach_no_engine(action: Action, args: dict[str, Any], words: str) -> None:
    with pytest.raises(AnsibleActionFail, match=words):
        action.run(args)
    assert action.orders == []
