#!/usr/bin/python
# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prove on the controller that an identity opens a client's escrow, and that Borg takes it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: escrow_prove
short_description: Prove that an escrowed key opens a client's backups
version_added: 0.1.0
author:
  - The paranoid.backup authors (@paranoid-backup)
description:
  - Decrypts an escrow with an identity that a person brings, and has Borg read the client's list of archives with what
    comes out. Nothing of it is printed, returned, or left on the disk.
  - It runs where the person is, usually on the controller, and needs age and Borg 1.4 there.
  - Notes in C(rehearsals.json) beside the escrows who opened what and when.
options:
  client:
    description: Name of the client.
    type: str
    required: true
  directory:
    description: Directory of all escrows.
    type: path
    required: true
  escrow:
    description: One of those that M(paranoid.backup.escrow_info) returned, usually the last.
    type: dict
    required: true
  sample:
    description: What M(paranoid.backup.escrow_info) returned under this name.
    type: dict
    required: true
  identity:
    description: File with an identity of age or ssh, which is not itself encrypted.
    type: path
    required: true
  borg:
    description: Borg's program.
    type: path
    default: borg
attributes:
  check_mode:
    support: full
    description: It proves it all the same, and notes no rehearsal.
  diff_mode:
    support: none
    description: There is no text that would change.
  idempotent:
    support: partial
    description: It notes the time of each rehearsal.
"""

EXAMPLES = r"""
- name: Prove that Ana can open the backups of web1
  paranoid.backup.escrow_prove:
    client: web1
    directory: escrow
    escrow: "{{ found.escrows | last }}"
    sample: "{{ found.sample }}"
    identity: /media/ana/identity
  delegate_to: localhost
"""

RETURN = r"""
holder:
  description: Whose identity it was, as far as the recipients say.
  returned: success
  type: str
  sample: ana
line:
  description: What was proved, in one line.
  returned: success
  type: str
  sample: "web1: ana's identity opens the escrow, and Borg reads the list of archives with it"
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.paranoid.backup.plugins.module_utils._common.clock import stamp
from ansible_collections.paranoid.backup.plugins.module_utils._common.text import one_line
from ansible_collections.paranoid.backup.plugins.module_utils._escrow.collection import EscrowError, note_rehearsal
from ansible_collections.paranoid.backup.plugins.module_utils._escrow.proof import find_recipients, open_escrow, prove


def main() -> None:
    """Prove it, and say so."""
    spec = {
        "client": {"type": "str", "required": True},
        "directory": {"type": "path", "required": True},
        "escrow": {"type": "dict", "required": True},
        "sample": {"type": "dict", "required": True},
        "identity": {"type": "path", "required": True},
        "borg": {"type": "path", "default": "borg"},
    }
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True)
    wanted = module.params
    client, escrow = wanted["client"], wanted["escrow"]
    if not escrow or not wanted["sample"]:
        module.fail_json(msg=f"{client} has no escrow yet: set backup_client_escrow_recipients, run site.yml")
    try:
        prove(open_escrow(escrow["ciphertext"], wanted["identity"]), client, wanted["sample"], wanted["borg"])
        own = find_recipients(wanted["identity"])
        holders = [one["holder"] for one in escrow["recipients"] if one["recipient"].strip() in own]
        holder = one_line(str(holders[0]), 60) if holders else "somebody"
        if not module.check_mode:
            note_rehearsal(wanted["directory"], holder, client, stamp())
    except (EscrowError, OSError) as error:
        module.fail_json(msg=f"{client}: {error}")
    except (KeyError, TypeError) as error:
        module.fail_json(msg=f"escrow and sample are what escrow_info returns: {error}")
    proved = f"{client}: {holder}'s identity opens the escrow, and Borg reads the list of archives with it"
    module.exit_json(changed=False, holder=holder, line=proved)


if __name__ == "__main__":
    main()
