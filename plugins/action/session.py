# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts the session engine in Ansible's own worker, where that is the server: the module's work without a module."""

from __future__ import annotations

import os
import time
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.action import ActionBase
from ansible_collections.paranoid.backup.plugins.module_utils._common.clock import boot_name
from ansible_collections.paranoid.backup.plugins.module_utils._session.engine import perform
from ansible_collections.paranoid.backup.plugins.module_utils._session.options import SESSION_SPEC
from ansible_collections.paranoid.backup.plugins.module_utils._session.order import Order
from ansible_collections.paranoid.backup.plugins.plugin_utils._run.following import require_report


class ActionModule(ActionBase):
    """Holds the session here when here is the server, else sends the module there; never unheard."""

    _supports_check_mode = True
    _supports_async = True
    _requires_connection = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the module's documented result."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        require_report(self._task, (task_vars or {}).get("inventory_hostname", ""))
        if not self._is_here():
            name, told = "paranoid.backup.session", {"asked_at": time.time(), "asked_on": boot_name()}
            module_args = {**self._task.args, **told}
            wrap_async = bool(self._task.async_val)
            result |= self._execute_module(name, module_args, task_vars=task_vars, wrap_async=wrap_async)
            return result
        checked = ArgumentSpecValidator(SESSION_SPEC).validate(self._task.args)
        if checked.error_messages:
            raise AnsibleActionFail("; ".join(checked.error_messages))
        outcome = perform(Order(check=self._task.check_mode, **checked.validated_parameters))
        result |= outcome.to_dict() | {"changed": outcome.changed}
        if outcome.conclusion.status == "failed":
            result |= {"failed": True, "msg": outcome.conclusion.reason}
        return result

    def _is_here(self) -> bool:
        """Whether the task's machine is this one and we are root on it; a forked module can be polled, a worker not."""
        local = self._connection.transport == "local" and os.geteuid() == 0
        return local and not self._task.async_val
