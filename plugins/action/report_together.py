# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes one report of several runs, here on the controller, where their records are."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.paranoid.backup.plugins.plugin_utils._run.reporting_together import (
    load_callback_settings,
    report_together,
)


class ActionModule(ActionBase):
    """Fails where the runs did, or where the report could not be mailed: a workflow is then as red as they are."""

    _supports_check_mode = True
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the module's documented result."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        try:
            published = report_together(
                load_callback_settings(), (task_vars or {}).get("groups", {}), self._task.check_mode
            )
        except Exception as error:  # Whatever it is, nobody has heard of the runs.
            raise AnsibleActionFail(f"the report could not be made: {error}") from None
        run = published.run
        result |= {"changed": True, "run_id": run.run_id, "status": run.status, "mail": str(run.mail.state)}
        if run.status != "SUCCESS" or not published.complete:
            why = run.mail.error or (run.problems[-1] if run.problems else f"{run.tally.failed} clients failed")
            result |= {"failed": True, "msg": f"{run.run_id}: {run.status}; mail {run.mail.state}: {why}"}
        return result
