# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module: options become an order, an outcome becomes Ansible's result."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.outcome import Conclusion, Outcome
from ansible_collections.paranoid.backup.plugins.module_utils._session.options import SESSION_SPEC
from ansible_collections.paranoid.backup.plugins.module_utils._session.order import Order
from ansible_collections.paranoid.backup.plugins.modules import session
from module_call import call


class Engine:
    """Stands in for the engine: notes the order and returns the outcome that the test wants."""

    def __init__(self, verdict: Conclusion, changed: bool) -> None:
        self.verdict, self.changed = verdict, changed
        self.orders: list[Order] = []

    def perform(self, order: Order) -> Outcome:
        self.orders.append(order)
        return Outcome(order.client, order.verb, "1" * 32, order.run_id, self.verdict, "s", "f", 1.5, self.changed)


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that calls the module with an engine, and returns the result and the orders."""

    def tell(verdict: Conclusion, changed: bool = False, **options: Any) -> tuple[dict[str, Any], list[Order]]:
        engine = Engine(verdict, changed)
        monkeypatch.setattr(session, "perform", engine.perform)
        return call(session, {"client": "web1", "verb": "backup", **options}, capsys, monkeypatch), engine.orders

    return tell


def test_every_option_reaches_the_order(told: Any) -> None:
    wanted: dict[str, Any] = {
        "client": "db1", "verb": "open", "run_id": "r1", "fail_fast": True, "config_dir": "/etc/elsewhere",
        "connect_timeout": 1, "idle_timeout": 2, "total_timeout": 3, "open_for": 4,
        "delete_unknown": ["0" * 64], "provisioning": True, "asked_at": 1.5, "asked_on": "a boot",
    }  # fmt: skip
    assert wanted.keys() == SESSION_SPEC.keys()
    _result, orders = told(Conclusion("ok"), **wanted)
    assert orders == [Order(check=False, **wanted)]


def test_what_is_not_set_is_the_engines_default(told: Any) -> None:
    assert told(Conclusion("ok"))[1] == [Order("web1", "backup")]


def test_check_mode_reaches_the_order(told: Any) -> None:
    assert told(Conclusion("ok"), _ansible_check_mode=True)[1] == [Order("web1", "backup", check=True)]


@pytest.mark.parametrize(("status", "changed"), [("ok", True), ("ok", False), ("skipped", False)])
def test_an_outcome_is_the_result(told: Any, status: str, changed: bool) -> None:
    result, _orders = told(Conclusion(status), changed)
    assert (result["status"], result["changed"], result.get("failed", False)) == (status, changed, False)
    assert (result["client"], result["session"], result["duration"]) == ("web1", "1" * 32, 1.5)


def test_a_failed_outcome_fails_the_task_with_its_reason(told: Any) -> None:
    result, _orders = told(Conclusion("failed", "quota", "web1 is at its quota"))
    assert (result["failed"], result["msg"]) == (True, "web1 is at its quota")
    assert (result["code"], result["reason"]) == ("quota", "web1 is at its quota")


@pytest.mark.parametrize(
    ("options", "words"),
    [({"verb": "destroy"}, "value of verb must be one of"), ({"open_for": "x"}, "open_for"), ({"more": 1}, "more")],
)
def test_bad_options_are_named_and_reach_no_engine(told: Any, options: dict[str, Any], words: str) -> None:
    result, orders = told(Conclusion("ok"), **options)
    assert result["failed"] and words in result["msg"]
    assert orders == []


def test_without_records_the_real_engine_says_what_to_do(
    tmp_path: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"client": "web1", "verb": "backup", "config_dir": str(tmp_path)}
    result = call(session, options, capsys, monkeypatch)
    assert (result["failed"], result["code"]) == (True, "not_provisioned")
    assert str(tmp_path) in result["msg"] and "\n" not in result["msg"]


def test_each_value_that_is_returned_is_documented() -> None:
    outcome = Outcome("c", "v", "s", "r", Conclusion("ok"), "s", "f", 0.0)
    assert yaml.safe_load(session.RETURN).keys() == outcome.to_dict().keys()
