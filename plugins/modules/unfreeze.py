#!/usr/bin/python
# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lift the freeze of a client."""

from __future__ import annotations

DOCUMENTATION = r"""
module: unfreeze
short_description: Lift the freeze that an alarm brought to a backup client
version_added: 0.1.0
author:
  - The paranoid.backup authors (@paranoid-backup)
description:
  - A person has looked at what an audit found. From now on the client is maintained and compacted again.
  - It accepts the repository as it is. To bring back what was deleted, use M(paranoid.backup.rollback) first.
options:
  client:
    description: Name of the client, as it was provisioned.
    type: str
    required: true
  reason:
    description: Why it is right to go on. The ledger keeps it.
    type: str
    required: true
  by:
    description: Who says so. The ledger keeps it.
    type: str
    required: true
  config_dir:
    description: Where the server's records are.
    type: path
    default: /etc/paranoid-backup
attributes:
  check_mode:
    support: full
    description: It tells whether there is a freeze to lift.
  diff_mode:
    support: none
    description: There is no text that would change.
  idempotent:
    support: full
    description: A client that is not frozen stays so.
"""

EXAMPLES = r"""
- name: Go on after the disk was replaced
  paranoid.backup.unfreeze:
    client: web1
    reason: disk replaced, full audit clean
    by: alice
  delegate_to: vault
"""

RETURN = r"""
frozen:
  description: Why the client was frozen, empty when it was not.
  returned: success
  type: str
  sample: "ALARM: 40 stored objects were deleted, 0 were allowed"
code:
  description: A word for the kind of failure.
  returned: on failure
  type: str
  sample: locked
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.paranoid.backup.plugins.module_utils._ledger_entries import Freeze, Unfreeze
from ansible_collections.paranoid.backup.plugins.module_utils._outcome import SessionError
from ansible_collections.paranoid.backup.plugins.module_utils._upkeep import upkeep


def main() -> None:
    """Lift the freeze, with who and why."""
    spec = {
        "client": {"type": "str", "required": True},
        "reason": {"type": "str", "required": True},
        "by": {"type": "str", "required": True},
        "config_dir": {"type": "path", "default": "/etc/paranoid-backup"},
    }
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True)
    wanted = module.params
    if not wanted["reason"].strip() or not wanted["by"].strip():
        module.fail_json(msg="say why the freeze is lifted, and who says so: reason and by must not be empty")
    try:
        with upkeep(wanted["config_dir"], wanted["client"], "an unfreeze") as held:
            freeze = held.ledger.freeze_state(held.name)
            if freeze and not module.check_mode:
                held.ledger.append(Unfreeze(held.name, wanted["reason"], wanted["by"]))
    except SessionError as error:
        module.fail_json(msg=error.reason, code=error.code)
    was = freeze.entry.reason if freeze and isinstance(freeze.entry, Freeze) else ""
    module.exit_json(changed=freeze is not None, frozen=was)


if __name__ == "__main__":
    main()
