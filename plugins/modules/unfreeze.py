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
  - Use it after a person has looked at what an audit found. The client is maintained and compacted again.
  - It accepts the repository as it is. To bring back what was deleted, use M(paranoid.backup.rollback) first.
  - It is refused for a repository that went back without a rollback, as when an older copy of the disk was put in its
    place; the reason names the rollback that comes first.
extends_documentation_fragment: [paranoid.backup.upkeep]
options:
  reason:
    description: Why it is right to go on. The ledger keeps it.
    type: str
    required: true
  by:
    description: Who says so. The ledger keeps it.
    type: str
    required: true
  lost:
    description:
      - Ids of archives that are given up. Every audit misses an archive that the ledger knows, until it is there again
        or given up.
    type: list
    elements: str
    default: []
attributes:
  check_mode:
    support: full
    description: It returns whether there is a freeze to lift.
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
  sample: "ALARM: web1's repository is not as it was left, it is frozen: 40 stored objects were deleted, 0 were allowed"
code:
  description: A word for the kind of failure.
  returned: on failure
  type: str
  sample: locked
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.paranoid.backup.plugins.module_utils._common.alarm import alarm_line
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import UnfreezeEntry
from ansible_collections.paranoid.backup.plugins.module_utils._upkeep.module import (
    WHY_AND_WHO,
    at_work,
    require_words,
    spec,
)
from ansible_collections.paranoid.backup.plugins.module_utils._upkeep.rollback import refuse_older_state


def main() -> None:
    """Lift the freeze, with who and why."""
    own = {"lost": {"type": "list", "elements": "str", "default": []}}
    module = AnsibleModule(argument_spec=spec(own, WHY_AND_WHO), supports_check_mode=True)
    wanted = module.params
    require_words(module, WHY_AND_WHO, "say why the freeze is lifted, and who says so")
    with at_work(module, "an unfreeze") as site:
        alarm = site.ledger.frozen_by(site.name)
        known = {archive.id for archive in site.ledger.history(site.name).archives}
        strange = [one for one in wanted["lost"] if one not in known]
        if alarm:
            refuse_older_state(site)
        if strange:
            module.fail_json(msg=f"the ledger knows no archive {strange[0][:80]!r} of {site.name}", code="refused")
        if alarm and not module.check_mode:
            site.ledger.append(UnfreezeEntry(site.name, wanted["reason"], wanted["by"], tuple(wanted["lost"])))
    module.exit_json(changed=alarm is not None, frozen=alarm_line(alarm) if alarm else "")


if __name__ == "__main__":
    main()
