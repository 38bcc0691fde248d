# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Only what the report follows may begin. Real runs are in tests/integration/report/test_report_begin.py."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from ansible import context
from ansible.errors import AnsibleActionFail
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.model import Work
from ansible_collections.paranoid.backup.plugins.plugin_utils._run.following import (
    end_following,
    follow,
    require_report,
)


def task(action: str = "paranoid.backup.session", **args: Any) -> SimpleNamespace:
    return SimpleNamespace(action=action, args=args)


BACKUP = task(verb="backup")


@pytest.fixture(autouse=True)
def playbook(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a playbook's command line leaves."""
    monkeypatch.setattr(context, "CLIARGS", {"args": ("backup.yml",)})
    end_following()
    yield
    end_following()


def test_only_what_is_followed_may_begin() -> None:
    follow(Work.BACKUP, ["web1"])
    require_report(BACKUP, "web1")
    for other, host in ((BACKUP, "web2"), (task(verb="maintain"), "web1"), (task("paranoid.backup.audit"), "web1")):
        with pytest.raises(AnsibleActionFail, match="does not follow this task"):
            require_report(other, host)


def test_nothing_is_followed_after_a_run() -> None:
    follow(Work.BACKUP, ["web1"])
    end_following()
    with pytest.raises(AnsibleActionFail, match="is not active"):
        require_report(BACKUP, "web1")


@pytest.mark.parametrize(
    "other", [task(verb="info"), task(verb="open"), task(verb="create"), task("ansible.builtin.ping")]
)
def test_what_has_no_report_needs_none(other: Any) -> None:
    require_report(other, "web1")


def test_a_single_command_is_read_by_whoever_typed_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context, "CLIARGS", {"module_name": "paranoid.backup.session"})
    require_report(BACKUP, "web1")
