#!/usr/bin/python
# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Remove escrows that are for people who should not open a client's backups any more."""

from __future__ import annotations

DOCUMENTATION = r"""
module: escrow_forget
short_description: Remove the escrows of people who left
version_added: 0.1.0
author:
  - The paranoid.backup authors (@paranoid-backup)
description:
  - Removes every escrow of the client that is also for somebody who is no recipient now, and records that in the
    ledger.
  - It is refused until the newest one is for whom it should be, and M(paranoid.backup.rehearsal) has recorded that it
    opens.
  - Whoever kept a copy can still open it, for the client's key stays the same. C(playbooks/rekey.yml) begins with a new
    one.
extends_documentation_fragment: [paranoid.backup.upkeep]
options:
  by:
    description: Who says so. The ledger keeps it.
    type: str
    required: true
attributes:
  check_mode:
    support: full
    description: It returns what would be removed.
  idempotent:
    support: full
    description: What is gone is not removed again.
"""

EXAMPLES = r"""
- name: Forget what ana could open
  paranoid.backup.escrow_forget:
    client: web1
    by: bo
  delegate_to: vault
"""

RETURN = r"""
names:
  description: Names of the escrows that were removed.
  returned: success
  type: list
  elements: str
  sample: ["0001-20261125T223346Z-5feceb66ffc8"]
holders:
  description: Who could open them, and should not any more.
  returned: success
  type: list
  elements: str
  sample: [ana]
code:
  description: A word for the kind of failure.
  returned: on failure
  type: str
  sample: refused
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.forgetting import forget_escrows, plan_forgetting
from ansible_collections.paranoid.backup.plugins.module_utils._upkeep.module import at_work, require_words, spec


def main() -> None:
    """Remove them, and say which."""
    module = AnsibleModule(argument_spec=spec({}, ("by",)), supports_check_mode=True)
    require_words(module, ("by",), "say who removes them")
    with at_work(module, "a removal of escrows") as site:
        entry, going = plan_forgetting(site, module.params["by"])
        if entry and not module.check_mode:
            forget_escrows(site, entry, going)
    holders = list(entry.holders) if entry else []
    module.exit_json(changed=bool(going), names=[one.name for one in going], holders=holders)


if __name__ == "__main__":
    main()
