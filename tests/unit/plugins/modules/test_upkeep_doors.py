# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What audit, compact, rollback and unfreeze share: their options, their documentation, their failures."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import yaml
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.paranoid.backup.plugins.doc_fragments.upkeep import ModuleDocFragment
from ansible_collections.paranoid.backup.plugins.module_utils import _upkeep_door
from ansible_collections.paranoid.backup.plugins.module_utils._outcome import SessionError
from ansible_collections.paranoid.backup.plugins.modules import audit, compact, rollback, unfreeze
from module_door import call

NEEDED = {
    audit: {},
    compact: {},
    rollback: {"transaction": 3, "reason": "a stolen key"},
    unfreeze: {"reason": "disk replaced", "by": "alice"},
}
EVERY = pytest.mark.parametrize("module", NEEDED, ids=lambda module: module.__name__.rsplit(".", 1)[-1])


@EVERY
def test_documentation_and_arguments_say_the_same(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = {}

    class Built(Exception):
        pass

    def build(_self: AnsibleModule, argument_spec: dict[str, Any], **_rules: Any) -> None:
        taken.update(argument_spec)
        raise Built

    monkeypatch.setattr(AnsibleModule, "__init__", build)
    with pytest.raises(Built):
        module.main()
    own, common = yaml.safe_load(module.DOCUMENTATION), yaml.safe_load(ModuleDocFragment.DOCUMENTATION)
    assert own["extends_documentation_fragment"] == ["paranoid.backup.upkeep"]
    assert not own["options"].keys() & common["options"].keys()
    options = {**common["options"], **own["options"]}
    keys = ("type", "default", "required", "choices")
    assert {name: {key: told[key] for key in keys if key in told} for name, told in options.items()} == taken


@EVERY
def test_a_client_that_is_not_provisioned_is_one_line_and_a_code(
    module: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"client": "web1", "config_dir": str(tmp_path), **NEEDED[module]}
    told = call(module, options, capsys, monkeypatch)
    assert (told["failed"], told["code"]) == (True, "not_provisioned")
    assert str(tmp_path) in told["msg"] and "\n" not in told["msg"]


@pytest.mark.parametrize(
    ("module", "changed", "said"),
    [
        (rollback, {"reason": " "}, "say why the repository goes back: reason must not be empty"),
        (unfreeze, {"by": "\t"}, "say why the freeze is lifted, and who says so: by must not be empty"),
        (unfreeze, {"by": "", "reason": ""}, "say why the freeze is lifted, and who says so: reason and by must not"),
    ],
)
def test_nobody_does_it_without_a_word(
    module: ModuleType,
    changed: dict[str, Any],
    said: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    options = {"client": "web1", "config_dir": str(tmp_path), **NEEDED[module], **changed}
    assert call(module, options, capsys, monkeypatch)["msg"].startswith(said)


def test_what_fails_while_the_client_is_held_fails_the_task(monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[Any] = []

    @contextmanager
    def upkeep(*words: str) -> Any:
        events.append(words)
        try:
            yield "held"
        finally:
            events.append("released")

    def fail_json(**told: Any) -> None:
        events.append(told)
        raise SystemExit(1)

    monkeypatch.setattr(_upkeep_door, "upkeep", upkeep)
    module = SimpleNamespace(params={"config_dir": "/etc/x", "client": "web1"}, fail_json=fail_json)
    with pytest.raises(SystemExit), _upkeep_door.at_work(module, "a test") as held:
        assert held == "held"
        raise SessionError("frozen", "web1 is frozen")
    assert events == [("/etc/x", "web1", "a test"), "released", {"msg": "web1 is frozen", "code": "frozen"}]
