# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compacts a repository by the module of the same name, unless nobody would hear of it."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.paranoid.backup.plugins.plugin_utils._run.following import require_report


class ActionModule(ActionBase):
    """Starts the module on the server."""

    _supports_check_mode = True
    _supports_async = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the module's documented result."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        require_report(self._task, (task_vars or {}).get("inventory_hostname", ""))
        name = "paranoid.backup.compact"
        result |= self._execute_module(name, task_vars=task_vars, wrap_async=bool(self._task.async_val))
        return result
