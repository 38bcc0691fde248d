#!/usr/bin/python
# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Accept that a client's archives are smaller than they were."""

from __future__ import annotations

DOCUMENTATION = r"""
module: accept
short_description: Accept that a backup client's archives are smaller, or lie elsewhere, on purpose
version_added: 0.1.0
author:
  - The paranoid.backup authors (@paranoid-backup)
description:
  - Use it after a session failed with C(shrunk) or C(source_unmounted), and a person has found out that it is meant.
  - The archives made meanwhile count as good, later ones are compared with these, and retention goes on.
extends_documentation_fragment: [paranoid.backup.upkeep]
options:
  reason:
    description: Why it is right. The ledger keeps it.
    type: str
    required: true
  by:
    description: Who says so. The ledger keeps it.
    type: str
    required: true
attributes:
  check_mode:
    support: full
    description: It returns what there is to accept.
  idempotent:
    support: full
    description: With nothing to accept, nothing changes.
"""

EXAMPLES = r"""
- name: Go on after old data was removed
  paranoid.backup.accept:
    client: web1
    reason: the shop moved to web2
    by: alice
  delegate_to: vault
"""

RETURN = r"""
noticed:
  description: What was not as it was, empty when everything is.
  returned: success
  type: str
  sample: "12 files instead of 40000"
accepted:
  description: Ids of the archives that count as good now.
  returned: success
  type: list
  elements: str
  sample: []
code:
  description: A word for the kind of failure.
  returned: on failure
  type: str
  sample: locked
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import AcceptEntry
from ansible_collections.paranoid.backup.plugins.module_utils._retention.content import pending, to_accept
from ansible_collections.paranoid.backup.plugins.module_utils._upkeep.module import at_work, require_words, spec


def main() -> None:
    """Accept what was noticed, with who and why."""
    own = {"reason": {"type": "str", "required": True}, "by": {"type": "str", "required": True}}
    module = AnsibleModule(argument_spec=spec(own), supports_check_mode=True)
    wanted = module.params
    require_words(module, "say why it is meant, and who says so", "reason", "by")
    with at_work(module, "an accept") as site:
        history = site.ledger.history(site.name)
        noticed = pending(history)
        accepted = to_accept(history) if noticed else ()
        if noticed and not module.check_mode:
            site.ledger.append(AcceptEntry(site.name, wanted["reason"], wanted["by"], accepted))
    module.exit_json(changed=bool(noticed), noticed=noticed, accepted=list(accepted))


if __name__ == "__main__":
    main()
