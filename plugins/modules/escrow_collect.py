#!/usr/bin/python
# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep a client's escrows on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: escrow_collect
short_description: Keep the escrowed keys of a backup client on the controller
version_added: 0.1.0
author:
  - The paranoid.backup authors (@paranoid-backup)
description:
  - Writes what M(paranoid.backup.escrow_info) returned into a directory, which may be kept in git, and tells
    for whom the newest one is. Only M(paranoid.backup.escrow_prove) shows that it is true.
  - What is there is never written over, and only what is named is removed. A server that sends another text under the
    same name is refused.
options:
  client:
    description: Name of the client.
    type: str
    required: true
  directory:
    description: Directory of all escrows. Those of a client go into a directory of its name.
    type: path
    required: true
  escrows:
    description: What M(paranoid.backup.escrow_info) returned under this name.
    type: list
    elements: dict
    required: true
  wanted:
    description: What M(paranoid.backup.escrow_info) returned under this name.
    type: list
    elements: dict
    required: true
  former:
    description: What M(paranoid.backup.escrow_info) returned under this name.
    type: list
    elements: str
    default: []
  forgotten:
    description:
      - Names that M(paranoid.backup.escrow_forget) returned. They are removed here, too; a history of git keeps them.
    type: list
    elements: str
    default: []
attributes:
  check_mode:
    support: full
    description: It tells what would come.
  diff_mode:
    support: none
    description: A ciphertext is not read by people.
  idempotent:
    support: full
    description: What is there stays.
"""

EXAMPLES = r"""
- name: Keep the escrows of web1 here
  paranoid.backup.escrow_collect:
    client: web1
    directory: escrow
    escrows: "{{ found.escrows }}"
    wanted: "{{ found.wanted }}"
  delegate_to: localhost
"""

RETURN = r"""
gone:
  description: Names of the escrows that were removed here.
  returned: success
  type: list
  elements: str
  sample: []
came:
  description: Names of the escrows that were not there yet.
  returned: success
  type: list
  elements: str
  sample: ["0001-20261125T223346Z-5feceb66ffc8"]
line:
  description: For whom the newest one is, in the client's word, and for whom it should be and is not.
  returned: success
  type: str
  sample: "web1: escrowed for ana, bo (kept 2026-11-25T22:33:46Z)"
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.paranoid.backup.plugins.module_utils._common.names import valid_client_name
from ansible_collections.paranoid.backup.plugins.module_utils._escrow.collection import (
    EscrowError,
    collect,
    describe,
    remove_forgotten,
)


def main() -> None:
    """Write what is missing, and tell who can open it."""
    spec = {
        "client": {"type": "str", "required": True},
        "directory": {"type": "path", "required": True},
        "escrows": {"type": "list", "elements": "dict", "required": True},
        "wanted": {"type": "list", "elements": "dict", "required": True},
        "former": {"type": "list", "elements": "str", "default": []},
        "forgotten": {"type": "list", "elements": "str", "default": []},
    }
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True)
    wanted = module.params
    if not valid_client_name(wanted["client"]):
        module.fail_json(msg="the name of the client is not a valid name")
    try:
        came = collect(wanted["directory"], wanted["client"], wanted["escrows"], module.check_mode)
        gone = remove_forgotten(wanted["directory"], wanted["client"], wanted["forgotten"], module.check_mode)
        line = describe(wanted["client"], wanted["wanted"], wanted["escrows"], wanted["former"])
    except (EscrowError, OSError) as error:
        module.fail_json(msg=str(error))
    except (KeyError, TypeError) as error:
        module.fail_json(msg=f"escrows and wanted are what escrow_info returns: {error}")
    module.exit_json(changed=bool(came or gone), came=came, gone=gone, line=line)


if __name__ == "__main__":
    main()
