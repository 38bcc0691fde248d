#!/usr/bin/python
# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Destroy a repository that was set aside earlier."""

from __future__ import annotations

DOCUMENTATION = r"""
module: destroy
short_description: Destroy a retired repository of a backup client
version_added: 0.1.0
author:
  - The paranoid.backup authors (@paranoid-backup)
description:
  - Removes what M(paranoid.backup.retire) has set aside, with its escrow, and records that in the ledger.
  - It is refused before the day that was named then, while the client is frozen, and while the ledger is not whole.
  - Snapshots and copies elsewhere are not touched.
extends_documentation_fragment: [paranoid.backup.upkeep]
options:
  repository_id:
    description: Id of the repository, or its first 12 digits, as they stand in the name of its directory.
    type: str
    required: true
  reason:
    description: Why. The ledger keeps it.
    type: str
    required: true
  by:
    description: Who says so. The ledger keeps it.
    type: str
    required: true
attributes:
  check_mode:
    support: full
    description: It returns what would be freed.
  idempotent:
    support: full
    description: What is gone is not destroyed again.
"""

EXAMPLES = r"""
- name: Destroy what web1 had before it got another key
  paranoid.backup.destroy:
    client: web1
    repository_id: 5f0c7b1e22aa
    reason: its retention is over
    by: bo
  delegate_to: vault
"""

RETURN = r"""
size:
  description: How many bytes its files had.
  returned: success
  type: int
  sample: 735421
code:
  description: A word for the kind of failure.
  returned: on failure
  type: str
  sample: refused
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.paranoid.backup.plugins.module_utils._common.clock import utc_now
from ansible_collections.paranoid.backup.plugins.module_utils._retention.waiting import refuse_doubted_clock
from ansible_collections.paranoid.backup.plugins.module_utils._upkeep.module import (
    WHY_AND_WHO,
    at_work,
    require_words,
    spec,
)
from ansible_collections.paranoid.backup.plugins.module_utils._upkeep.retiring import Wish, destroy, plan_destruction


def main() -> None:
    """Destroy it, and say what that freed."""
    own = {"repository_id": {"type": "str", "required": True}}
    module = AnsibleModule(argument_spec=spec(own, WHY_AND_WHO), supports_check_mode=True)
    wanted = module.params
    require_words(module, WHY_AND_WHO, "say why it is destroyed, and who says so")
    with at_work(module, "a destruction") as site:
        refuse_doubted_clock(site.ledger)
        entry = plan_destruction(site, wanted["repository_id"], Wish(wanted["reason"], wanted["by"]), utc_now())
        if entry and not module.check_mode:
            destroy(site, entry)
    module.exit_json(changed=entry is not None, size=entry.size if entry else 0)


if __name__ == "__main__":
    main()
