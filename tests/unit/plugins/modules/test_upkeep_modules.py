# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules that look after a repository share: options, documentation, failures."""

from __future__ import annotations

import itertools
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import yaml
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.paranoid.backup.plugins.doc_fragments.upkeep import ModuleDocFragment
from ansible_collections.paranoid.backup.plugins.module_utils._audit.verdict import AuditVerdict
from ansible_collections.paranoid.backup.plugins.module_utils._common.errors import SessionError
from ansible_collections.paranoid.backup.plugins.module_utils._upkeep import module as _upkeep_module
from ansible_collections.paranoid.backup.plugins.module_utils._upkeep.compaction import Prospect
from ansible_collections.paranoid.backup.plugins.modules import (
    accept,
    audit,
    compact,
    destroy,
    escrow_forget,
    rehearsal,
    restore_list,
    retire,
    rollback,
    unfreeze,
)
from module_call import call

NEEDED: dict[ModuleType, dict[str, Any]] = {
    accept: {"reason": "old data went", "by": "alice"},
    audit: {},
    compact: {},
    destroy: {"repository_id": "5f0c7b1e22aa", "reason": "its time is over", "by": "alice"},
    escrow_forget: {"by": "alice"},
    rehearsal: {"what": "escrow", "by": "alice"},
    restore_list: {"transaction": 3, "reason": "it omits archives", "by": "alice"},
    retire: {"reason": "ana left", "by": "alice"},
    rollback: {"transaction": 3, "reason": "a stolen key"},
    unfreeze: {"reason": "disk replaced", "by": "alice"},
}
TIMED = frozenset({"began", "duration", "ended"})
MIDNIGHT = "2026-11-21T00:00:00Z"
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
    keys = ("type", "elements", "default", "required", "choices")
    assert {name: {key: told[key] for key in keys if key in told} for name, told in options.items()} == taken


@EVERY
def test_a_client_that_is_not_provisioned_is_one_line_and_a_code(
    module: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"client": "web1", "config_dir": str(tmp_path), **NEEDED[module]}
    told = call(module, options, capsys, monkeypatch)
    assert (told["failed"], told["code"]) == (True, "not_provisioned")
    assert str(tmp_path) in told["msg"] and "\n" not in told["msg"]
    assert TIMED.issubset(told) is (module in (audit, compact))


def work_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every look at the clock come 40 s after the last one, and nothing else to do."""
    seconds = itertools.count(0, 40)
    monkeypatch.setattr(_upkeep_module, "stamp", lambda: MIDNIGHT)
    monkeypatch.setattr(_upkeep_module, "time", SimpleNamespace(monotonic=lambda: next(seconds)))
    server = SimpleNamespace(state_dir="/nonexistent")
    held = SimpleNamespace(name="web1", server=server, ledger=SimpleNamespace(freeze_state=lambda _name: None))
    monkeypatch.setattr(_upkeep_module, "upkeep", lambda *_words: nullcontext(held))


@pytest.mark.parametrize("verdict", ["clean", "alarm"])
def test_an_audit_tells_how_long_it_took(
    verdict: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    work_long(monkeypatch)
    found = AuditVerdict(verdict, ())
    monkeypatch.setattr(audit, "audit_and_record", lambda *_held, **_wanted: found)
    monkeypatch.setattr(audit, "refuse_broken", lambda *_ledger: None)
    told = call(audit, {"client": "web1"}, capsys, monkeypatch)
    assert (told["verdict"], *(told[key] for key in sorted(TIMED))) == (verdict, MIDNIGHT, 40, MIDNIGHT)


def test_a_compaction_tells_how_long_it_took(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    work_long(monkeypatch)
    monkeypatch.setattr(compact, "look_ahead", lambda *_words, **_wanted: Prospect(9, 4, "held"))
    told = call(compact, {"client": "web1"}, capsys, monkeypatch)
    assert (told["waiting"], *(told[key] for key in sorted(TIMED))) == ("held", MIDNIGHT, 40, MIDNIGHT)


@pytest.mark.parametrize(
    ("module", "changed", "said"),
    [
        (rollback, {"reason": " "}, "say why the repository goes back: reason must not be empty"),
        (unfreeze, {"by": "\t"}, "say why the freeze is lifted, and who says so: by must not be empty"),
        (retire, {"by": " "}, "say why the repository is set aside, and who says so: by must not be empty"),
        (destroy, {"reason": ""}, "say why it is destroyed, and who says so: reason must not be empty"),
        (escrow_forget, {"by": ""}, "say who removes them: by must not be empty"),
        (rehearsal, {"by": ""}, "say who rehearsed it: by must not be empty"),
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

    monkeypatch.setattr(_upkeep_module, "upkeep", upkeep)
    params = {"config_dir": "/etc/x", "client": "web1"}
    module = SimpleNamespace(params=params, check_mode=False, fail_json=fail_json)
    with pytest.raises(SystemExit), _upkeep_module.at_work(module, "a test") as held:
        events.append(held)
        raise SessionError("frozen", "web1 is frozen")
    assert events == [
        ("/etc/x", "web1", "a test", True, False),
        "held",
        "released",
        {"msg": "web1 is frozen", "code": "frozen"},
    ]
