# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of paranoid.backup.session, the same for the module and the action plugin."""

from __future__ import annotations

from typing import Any

from ansible_collections.paranoid.backup.plugins.module_utils._session.verbs import VERBS

SESSION_SPEC: dict[str, dict[str, Any]] = {
    "client": {"type": "str", "required": True},
    "verb": {"type": "str", "choices": list(VERBS), "required": True},
    "run_id": {"type": "str", "default": ""},
    "fail_fast": {"type": "bool", "default": False},
    "config_dir": {"type": "path", "default": "/etc/paranoid-backup"},
    "connect_timeout": {"type": "int"},
    "idle_timeout": {"type": "int"},
    "total_timeout": {"type": "int"},
    "open_for": {"type": "int", "default": 3600},
    "delete_unknown": {"type": "list", "elements": "str", "default": []},
    "provisioning": {"type": "bool", "default": False},
    "asked_at": {"type": "float"},
    "asked_on": {"type": "str", "default": ""},
}
