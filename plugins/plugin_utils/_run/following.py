# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the report follows at present, known in the process itself: no tag, option or variable of a run gets round it.

The callback notes here what it has planned, before the work begins. Ansible forks a worker for each task, and the
actions look here in their worker: a work that nobody would hear of is refused.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from ansible import context
from ansible.errors import AnsibleActionFail
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.model import Work
from ansible_collections.paranoid.backup.plugins.plugin_utils._run.ansible_events import find_work, format_host

_NAME = "paranoid.backup.report"
_VARIABLE = "ANSIBLE_CALLBACKS_ENABLED"
_followed: set[tuple[Work, str]] = set()


def follow(work: Work, names: Iterable[str]) -> None:
    """Note that the report waits for the results of this work on these hosts, named as the report names them."""
    _followed.update((work, name) for name in names)


def end_following() -> None:
    """Forget everything: a run begins or has ended."""
    _followed.clear()


def require_report(task: Any, host: str) -> None:
    """Raise AnsibleActionFail, in one line, if a task has work for a report that does not follow it.

    A single command (``ansible -m``) is let through: whoever typed it reads its result.
    """
    work = find_work(task)
    if work is None or (work, format_host(host)) in _followed or "module_name" in context.CLIARGS:
        return
    raise AnsibleActionFail(f"{_explain_silence()}. Nothing was started, for nobody would hear of it")


def _explain_silence() -> str:
    enabled = os.environ.get(_VARIABLE)
    if _followed:
        return f"{_NAME} does not follow this task: write its verb out, and let it be a task, not a handler"
    if enabled is not None and _NAME not in enabled:
        return f"{_VARIABLE} in the environment replaces callbacks_enabled of ansible.cfg: add {_NAME} to it"
    return (
        f"the callback {_NAME} is not active, or found no work in the playbook: put "
        f'"callbacks_enabled = {_NAME}" under [defaults] in ansible.cfg, and write the verb of the task out'
    )
