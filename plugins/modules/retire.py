#!/usr/bin/python
# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Set a client's repository aside, so that a new one with a new key can take its place."""

from __future__ import annotations

DOCUMENTATION = r"""
module: retire
short_description: Set the repository of a backup client aside
version_added: 0.1.0
author:
  - The paranoid.backup authors (@paranoid-backup)
description:
  - Moves the repository, its escrow and what the server knows of it to a directory beside it, as it is, where no
    session reaches it, and records that in the ledger. Nothing is deleted; M(paranoid.backup.destroy) does that when
    its time is over.
  - From then on the client has no repository. C(playbooks/site.yml) makes an empty one, with another key.
  - Use it by C(playbooks/rekey.yml), which also has the client make another passphrase, or by
    C(playbooks/decommission.yml).
extends_documentation_fragment: [paranoid.backup.upkeep]
options:
  reason:
    description: Why. The ledger keeps it.
    type: str
    required: true
  by:
    description: Who says so. The ledger keeps it.
    type: str
    required: true
  keep_days:
    description:
      - For how many days nobody may destroy it. Without it, until the client's retention would have let its newest
        archive go, and its hold after that.
    type: int
attributes:
  check_mode:
    support: full
    description: It returns what would be set aside, and until when it would be kept.
  idempotent:
    support: partial
    description: A client without a repository, or with a new one that was never used, is left as it is.
"""

EXAMPLES = r"""
- name: Set the repository of web1 aside
  paranoid.backup.retire:
    client: web1
    reason: ana left, and had the key
    by: bo
  delegate_to: vault
"""

RETURN = r"""
repository_id:
  description: Id of the repository that was set aside, empty if there was none.
  returned: success
  type: str
  sample: 5f0c...
directory:
  description: Where it is now, on the server, empty if there was none.
  returned: success
  type: str
  sample: /srv/backup/web1/old-5f0c7b1e22aa
until:
  description: The first day on which it may be destroyed, empty if there was none.
  returned: success
  type: str
  sample: "2027-07-21"
archives:
  description: How many archives the ledger knows of it.
  returned: success
  type: int
  sample: 41
code:
  description: A word for the kind of failure.
  returned: on failure
  type: str
  sample: locked
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.paranoid.backup.plugins.module_utils._common.clock import utc_now
from ansible_collections.paranoid.backup.plugins.module_utils._upkeep.module import (
    WHY_AND_WHO,
    at_work,
    require_words,
    spec,
)
from ansible_collections.paranoid.backup.plugins.module_utils._upkeep.retiring import Wish, plan_retirement, retire


def main() -> None:
    """Set it aside, and say where it is."""
    module = AnsibleModule(argument_spec=spec({"keep_days": {"type": "int"}}, WHY_AND_WHO), supports_check_mode=True)
    wanted = module.params
    require_words(module, WHY_AND_WHO, "say why the repository is set aside, and who says so")
    if wanted["keep_days"] is not None and not 0 <= wanted["keep_days"] <= 36500:
        module.fail_json(msg="keep_days is a number of days from 0 to 36500", code="refused")
    with at_work(module, "a retirement") as site:
        entry = plan_retirement(site, Wish(wanted["reason"], wanted["by"], wanted["keep_days"]), utc_now())
        if entry and not module.check_mode:
            retire(site, entry)
    if entry is None:
        module.exit_json(changed=False, repository_id="", directory="", until="", archives=0)
    directory = os.path.join(os.path.dirname(site.client.repository), entry.place)
    told = {"repository_id": entry.repository_id, "until": entry.until, "archives": entry.archives}
    module.exit_json(changed=True, directory=directory, **told)


if __name__ == "__main__":
    main()
