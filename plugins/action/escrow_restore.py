# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Opens an escrow on the controller, and lays passphrase and key down on the client that is provisioned anew."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.action import ActionBase
from ansible_collections.paranoid.backup.plugins.module_utils._escrow.collection import EscrowError
from ansible_collections.paranoid.backup.plugins.module_utils._escrow.proof import Opened, open_newest

SPEC: dict[str, Any] = {
    "client": {"type": "str", "required": True},
    "escrows": {"type": "list", "elements": "dict", "required": True},
    "sample": {"type": "dict", "required": True},
    "identity": {"type": "path", "required": True},
    "config_dir": {"type": "path", "default": "/etc/paranoid-backup"},
    "base_dir": {"type": "path", "default": "/var/lib/paranoid-backup"},
    "key_file": {"type": "bool", "default": False},
}


class ActionModule(ActionBase):
    """Decrypts in Ansible's own worker. What comes out goes to the host as a module's input, and nowhere else."""

    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the documented result: nothing of a secret is in it."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        checked = ArgumentSpecValidator(SPEC).validate(self._task.args)
        if checked.error_messages:
            raise AnsibleActionFail("; ".join(checked.error_messages))
        wanted = checked.validated_parameters
        try:
            opened = open_newest(wanted["escrows"], wanted["identity"], wanted["client"], wanted["sample"])
        except EscrowError as error:
            raise AnsibleActionFail(f"{wanted['client']}: {error}") from None
        said = self._execute_module(
            "paranoid.backup.file_tree", module_args={"files": list_files(opened, wanted)}, task_vars=task_vars
        )
        if said.get("failed") or said.get("unreachable"):
            kept = {name: said[name] for name in ("failed", "unreachable", "msg") if name in said}
            return result | kept
        return result | {"changed": said["changed"], "paths": said["paths"]}


def list_files(opened: Opened, wanted: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what is laid down, as the module file_tree takes it; Borg finds a key file by its first line."""
    etc, base = wanted["config_dir"], wanted["base_dir"]
    passphrase = {"path": f"{etc}/passphrase", "content": f"{opened.passphrase}\n", "mode": "0400", "secret": True}
    files = [{"path": etc, "state": "directory", "mode": "0755"}, passphrase]
    if wanted["key_file"]:
        places = [base, f"{base}/.config", f"{base}/.config/borg", f"{base}/.config/borg/keys"]
        files += [{"path": place, "state": "directory", "mode": "0700"} for place in places]
        files += [{"path": f"{places[-1]}/{opened.client}", "content": opened.key, "mode": "0600", "secret": True}]
    return files
