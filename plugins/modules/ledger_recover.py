#!/usr/bin/python
# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copy the whole entries of a damaged ledger into a new file."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ledger_recover
short_description: Copy the whole entries of a damaged ledger into a new file
version_added: 0.1.0
author:
  - The paranoid.backup authors (@paranoid-backup)
description:
  - Copies the entries of a damaged ledger into a new file, up to the first that is missing, altered or cannot be read.
  - It only reads the damaged file, and writes to no file that exists. A person compares RV(head), then puts the new
    file into its place.
  - It runs on the server, as root.
options:
  path:
    description: The damaged ledger's file.
    type: path
    default: /var/lib/paranoid-backup/ledger.sqlite
  target:
    description: The new file. It must not exist.
    type: path
    required: true
attributes:
  check_mode:
    support: full
    description: It returns how far the ledger is whole, and writes nothing.
  diff_mode:
    support: none
    description: The new file is a database.
  idempotent:
    support: none
    description: A second time it refuses, because the new file exists.
"""

EXAMPLES = r"""
- name: Save the whole entries of the ledger
  paranoid.backup.ledger_recover:
    target: /var/lib/paranoid-backup/recovered.sqlite
  delegate_to: vault
"""

RETURN = r"""
head:
  description: Number and hash of the last entry that is whole.
  returned: success
  type: str
  sample: "4711:5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9"
entries:
  description: How many entries are whole.
  returned: success
  type: int
  sample: 4711
next:
  description: What a person does now, in one line.
  returned: success
  type: str
  sample: compare head with one that was noted elsewhere, …
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import LedgerError
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.recovery import recover_ledger

ARGUMENTS: dict[str, dict[str, Any]] = {
    "path": {"type": "path", "default": "/var/lib/paranoid-backup/ledger.sqlite"},
    "target": {"type": "path", "required": True},
}


def main() -> None:
    """Copy the whole entries, and return what to do next."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    path, target = module.params["path"], module.params["target"]
    try:
        head = recover_ledger(path, target, check=module.check_mode)
    except LedgerError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=True, head=str(head), entries=head.seq, next=_next_step(path, target))


def _next_step(path: str, target: str) -> str:
    return (
        f"compare head with one that was noted elsewhere, such as in the last mail; while no session runs, keep {path} "
        f"under another name, move {target} to its place, and remove {path}.head"
    )


if __name__ == "__main__":
    main()
