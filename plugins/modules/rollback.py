#!/usr/bin/python
# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring a client's repository back to an earlier state."""

from __future__ import annotations

DOCUMENTATION = r"""
module: rollback
short_description: Bring the repository of a backup client back to an earlier state
version_added: 0.1.0
author:
  - The paranoid.backup authors (@paranoid-backup)
description:
  - Goes back to a transaction of the repository itself, as long as no compaction came after it, or to a directory that
    holds a copy of the repository, such as a snapshot of the file system.
  - The old state is kept beside the repository as evidence. The highest nonce that was ever reserved is carried
    forward, the state is checked, and the ledger records which archives are lost and which come back.
  - Borg on the client remembers the newer state and would refuse. Have it forget by the entry point C(forget_cache) of
    the role P(paranoid.backup.backup_client#role), as C(playbooks/rollback.yml) does.
  - A frozen client stays frozen, see M(paranoid.backup.unfreeze).
extends_documentation_fragment: [paranoid.backup.upkeep]
options:
  transaction:
    description: The last transaction that is to remain. M(paranoid.backup.ledger_info) lists that of each session.
    type: int
  snapshot:
    description: Directory with a copy of the repository, on the server.
    type: path
  reason:
    description: Why. The ledger keeps it.
    type: str
    required: true
attributes:
  check_mode:
    support: full
    description: It returns which archives would be lost and which would come back.
  idempotent:
    support: none
    description: Each rollback keeps what it finds as evidence and is recorded.
"""

EXAMPLES = r"""
- name: Undo everything after transaction 13
  paranoid.backup.rollback:
    client: web1
    transaction: 13
    reason: a stolen key deleted all archives
  delegate_to: vault
"""

RETURN = r"""
repository_id:
  description: Id of the repository, by which Borg on the client remembers it.
  returned: success
  type: str
  sample: 5f0c...
transaction:
  description: The last transaction that remains.
  returned: success
  type: int
  sample: 13
lost:
  description: Ids of archives that the ledger knows and that are gone now.
  returned: success
  type: list
  elements: str
  sample: []
restored:
  description: Ids of archives that a maintenance had deleted and that are there again.
  returned: success
  type: list
  elements: str
  sample: []
evidence:
  description: Directory on the server with the state as it was before, empty in check mode.
  returned: success
  type: str
  sample: /srv/backup/web1/evidence-20261121T063000Z
alarm:
  description: What lies behind the codes V(alarm) and V(frozen), as in the result of M(paranoid.backup.session).
  returned: when the code is one of these
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
from ansible_collections.paranoid.backup.plugins.module_utils._common.clock import utc_now
from ansible_collections.paranoid.backup.plugins.module_utils._upkeep.module import at_work, require_words, spec
from ansible_collections.paranoid.backup.plugins.module_utils._upkeep.rollback import (
    plan_rollback,
    roll_back,
    target_snapshot,
    target_transaction,
)


def main() -> None:
    """Go back, and say what that took away."""
    own = spec({"transaction": {"type": "int"}, "snapshot": {"type": "path"}}, ("reason",))
    where = [("transaction", "snapshot")]
    module = AnsibleModule(own, supports_check_mode=True, mutually_exclusive=where, required_one_of=where)
    wanted = module.params
    require_words(module, ("reason",), "say why the repository goes back")
    evidence, moment = "", utc_now().strftime("%Y%m%dT%H%M%SZ")
    with at_work(module, "a rollback", recover_first=not wanted["snapshot"]) as site:
        if wanted["snapshot"]:
            target = target_snapshot(site, wanted["snapshot"])
        else:
            target = target_transaction(site, wanted["transaction"])
        entry = plan_rollback(site, target, wanted["reason"])
        if not module.check_mode:
            evidence = roll_back(site, target, entry, moment)
        repository_id = recorded_id(site)
    content = {"transaction": entry.transaction, "lost": list(entry.lost), "restored": list(entry.restored)}
    module.exit_json(changed=True, repository_id=repository_id, evidence=evidence, **content)


if __name__ == "__main__":
    main()
