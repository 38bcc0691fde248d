# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks a NAS by the module of the same name; one that is away must cost no backup of anybody."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    """Starts the module on the NAS, and never fails: what goes wrong is the result's problem."""

    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the module's documented result."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        try:
            said: dict[str, Any] = self._execute_module("paranoid.backup.nas", task_vars=task_vars)
        except AnsibleError as error:
            said = {"failed": True, "msg": str(error)}
        if said.get("failed") or said.get("unreachable"):
            problem = str(said.get("msg") or said.get("module_stderr") or "it gave no reason")
            said = {"changed": False, "status": {}, "snapshot": "", "problem": problem}
        return result | said
