#!/usr/bin/python
# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring back the list of archives that a client took or padded."""

from __future__ import annotations

DOCUMENTATION = r"""
module: restore_list
short_description: Bring the list of archives of a backup client back to one that the server has kept
version_added: 0.1.0
author:
  - The paranoid.backup authors (@paranoid-backup)
description:
  - A client can replace the list of its archives by one that omits some. Their objects stay, and the server keeps each
    list that it has seen, encrypted as it is. This stores one of them again, without a key, so that every archive on it
    can be restored.
  - Archives that came after that list are lost with it, as far as Borg is concerned; the ledger records which. A person
    with the key may extract them before.
  - It is refused when a maintenance after that list has deleted archives, for the list would lead to what is gone.
  - Borg on the client remembers the newer list and would refuse. Have it forget by the entry point C(forget_cache) of
    the role P(paranoid.backup.backup_client#role), as C(playbooks/restore_list.yml) does.
  - A frozen client stays frozen, see M(paranoid.backup.unfreeze).
extends_documentation_fragment: [paranoid.backup.upkeep]
options:
  transaction:
    description:
      - The list is to be as it was after this transaction. M(paranoid.backup.ledger_info) lists that of each session.
    type: int
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
    description: It tells which list would come back, and which archives would be lost.
  idempotent:
    support: full
    description: A list that is in place stays so.
"""

EXAMPLES = r"""
- name: Bring back the list as it was after transaction 13
  paranoid.backup.restore_list:
    client: web1
    transaction: 13
    reason: its list omits archives
    by: alice
  delegate_to: vault
"""

RETURN = r"""
repository_id:
  description: Id of the repository, by which Borg on the client remembers it.
  returned: success
  type: str
  sample: 5f0c...
list:
  description: The transaction with which the list came that is in place now.
  returned: success
  type: int
  sample: 13
lost:
  description: Ids of archives that the ledger knows and that are not on that list, because they came later.
  returned: success
  type: list
  elements: str
  sample: []
restored:
  description: Ids of archives that are on that list and were lost with an earlier one.
  returned: success
  type: list
  elements: str
  sample: []
transaction:
  description: The transaction that stored the list again; none in check mode or where nothing had to be done.
  returned: success
  type: int
  sample: 21
alarm:
  description: What lies behind the code V(alarm), as in the result of M(paranoid.backup.session).
  returned: when the code is this
  type: dict
  sample: {"kind": "repository", "client": "web1", "findings": ["12 stored objects were deleted"], "since": ""}
code:
  description: A word for the kind of failure.
  returned: on failure
  type: str
  sample: refused
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.paranoid.backup.plugins.module_utils._borg.repository import recorded_id
from ansible_collections.paranoid.backup.plugins.module_utils._upkeep.module import (
    WHY_AND_WHO,
    at_work,
    require_words,
    spec,
)
from ansible_collections.paranoid.backup.plugins.module_utils._upkeep.restore_list import (
    prepare_restoration,
    restore_list,
)


def main() -> None:
    """Bring the list back, and say which archives are not on it."""
    own = {"transaction": {"type": "int", "required": True}}
    module = AnsibleModule(argument_spec=spec(own, WHY_AND_WHO), supports_check_mode=True)
    wanted = module.params
    require_words(module, WHY_AND_WHO, "say why the list comes back, and who says so")
    transaction = None
    with at_work(module, "restoring its list") as site:
        restoration = prepare_restoration(site, wanted["transaction"], module.check_mode)
        if restoration.changes and not module.check_mode:
            transaction = restore_list(site, restoration, wanted["reason"], wanted["by"])
        repository_id = recorded_id(site)
    archives = {"lost": list(restoration.lost), "restored": list(restoration.restored)}
    told = {"list": restoration.kept.transaction, "transaction": transaction, **archives}
    module.exit_json(changed=restoration.changes, repository_id=repository_id, **told)


if __name__ == "__main__":
    main()
