#!/usr/bin/python
# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make a lost server again from the dataset with the repositories."""

from __future__ import annotations

DOCUMENTATION = r"""
module: server_rebuild
short_description: Make a lost backup server again from its repositories
version_added: 0.1.0
author:
  - The paranoid.backup authors (@paranoid-backup)
description:
  - Brings the ledger, the clients' records, pinned host keys and baselines back from where each session saves them,
    beside the repositories, and gives each repository to its user on this machine.
  - Until a full audit of a client, which M(paranoid.backup.audit) does, it can only restore.
  - A machine whose ledger has entries is refused, unless they come from an earlier call. Of the repositories it changes
    owners, and removes Borg's locks, which are those of a machine that is gone.
  - It runs on the new server, as root, before the server's own configuration is written. The role
    P(paranoid.backup.backup_server#role) has an entry point for it, and C(playbooks/rebuild_server.yml) calls that.
options:
  repository_root:
    description: Directory that holds one directory per client, where the dataset is mounted.
    type: path
    required: true
  state_dir:
    description: Directory of the server's state.
    type: path
    required: true
  config_dir:
    description: Directory of the server's configuration.
    type: path
    required: true
  known_head:
    description: The newest head of the ledger that is known, from the last mail. It shows what the copy lacks.
    type: str
    default: ""
  anew:
    description: Begin a new ledger although there is a copy, which is kept under another name.
    type: bool
    default: false
attributes:
  check_mode:
    support: full
    description: It looks at everything, tells what it would tell, and changes nothing.
  diff_mode:
    support: none
    description: What it brings back is for machines.
  idempotent:
    support: full
    description: Clients that this machine knows already are left alone.
"""

EXAMPLES = r"""
- name: Make the server again
  paranoid.backup.server_rebuild:
    repository_root: /srv/backup
    state_dir: /var/lib/paranoid-backup
    config_dir: /etc/paranoid-backup
    known_head: "4711:5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9"
"""

RETURN = r"""
clients:
  description: The clients that have a repository on the dataset.
  returned: success
  type: list
  elements: str
  sample: ["web1"]
rebuilt:
  description: The clients that were made usable by this call, or could not be.
  returned: success
  type: list
  elements: dict
  sample: [{"client": "web1", "told": ["the ledger is its copy, up to entry 4711"], "problem": ""}]
  contains:
    client:
      description: Name of the client.
      type: str
      returned: success
    told:
      description: What is not known any more, in sentences.
      type: list
      elements: str
      returned: success
    problem:
      description: Why its repository is not used, empty when it is.
      type: str
      returned: success
waiting:
  description: The clients that can only restore until a full audit.
  returned: success
  type: list
  elements: str
  sample: ["web1"]
ledger:
  description: Where the ledger comes from, V(copy), V(anew) or V(here) since an earlier call, and the head of the copy.
  returned: success
  type: dict
  sample: {"source": "copy", "head": "4711:5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9"}
code:
  description: A word for the kind of failure.
  returned: on failure
  type: str
  sample: refused
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.paranoid.backup.plugins.module_utils._common.errors import SessionError
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.chain import EMPTY, ChainHead, parse_head
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import LedgerError
from ansible_collections.paranoid.backup.plugins.module_utils._upkeep.rebuild import (
    Places,
    list_waiting,
    plan_rebuild,
    rebuild,
)

ARGUMENTS: dict[str, dict[str, Any]] = {
    "repository_root": {"type": "path", "required": True},
    "state_dir": {"type": "path", "required": True},
    "config_dir": {"type": "path", "required": True},
    "known_head": {"type": "str", "default": ""},
    "anew": {"type": "bool", "default": False},
}


def main() -> None:
    """Look, and do it unless this is check mode."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    wanted = module.params
    places = Places(wanted["repository_root"], wanted["state_dir"], wanted["config_dir"])
    try:
        plan = plan_rebuild(places, _take_head(module, wanted["known_head"]), wanted["anew"])
        marks = rebuild(plan, module.check_mode).marks
        waiting = list_waiting(places.state_dir, plan.found)
    except SessionError as error:
        module.fail_json(msg=error.reason, code=error.code)
    except (LedgerError, OSError) as error:
        module.fail_json(msg=f"the server cannot be made again: {error}", code="server_error")
    module.exit_json(
        changed=bool(plan.new),
        clients=list(plan.found),
        rebuilt=[{"client": name, "told": list(mark.told), "problem": mark.problem} for name, mark in marks.items()],
        waiting=waiting,
        ledger={"source": plan.ledger.source, "head": plan.ledger.origin.head},
    )


def _take_head(module: Any, text: str) -> ChainHead:
    try:
        return parse_head(text) if text.strip() else EMPTY
    except ValueError as error:
        module.fail_json(msg=f"known_head: {error}", code="refused")
        raise


if __name__ == "__main__":
    main()
