#!/usr/bin/python
# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Record that what is meant for a bad day was tried, and worked."""

from __future__ import annotations

DOCUMENTATION = r"""
module: rehearsal
short_description: Record a rehearsal of a restore or of an escrow
version_added: 0.1.0
author:
  - The paranoid.backup authors (@paranoid-backup)
description:
  - Puts into the server's ledger that somebody opened the client's escrow, or brought files back from an archive. Every
    mail names the clients of which that is too long ago.
  - C(playbooks/escrow.yml --tags prove) and C(playbooks/drill.yml) call it; it proves nothing itself.
  - It runs on the server, as root.
extends_documentation_fragment: [paranoid.backup.upkeep]
options:
  what:
    description: What was tried.
    type: str
    choices: [escrow, restore]
    required: true
  by:
    description: Who did it. The ledger keeps it.
    type: str
    required: true
  holder:
    description: Whose identity opened the escrow.
    type: str
    default: ""
  escrow:
    description: Digest of the escrow that was opened, as M(paranoid.backup.escrow_info) returns it.
    type: str
    default: ""
  archive_name:
    description: Name of the archive from which something came back.
    type: str
    default: ""
  files:
    description: How many files came back.
    type: int
    default: 0
  bytes:
    description: How many bytes came back.
    type: int
    default: 0
  seconds:
    description: How long that took, with the page's chart in mind. V(0) is not known.
    type: float
    default: 0.0
attributes:
  check_mode:
    support: full
    description: It records nothing.
  idempotent:
    support: none
    description: Each rehearsal is recorded.
"""

EXAMPLES = r"""
- name: Record that ana opened the escrow of web1
  paranoid.backup.rehearsal:
    client: web1
    what: escrow
    by: ana
    holder: ana
    escrow: "{{ (found.escrows | last).digest }}"
  delegate_to: vault
"""

RETURN = r"""
drill:
  description: From which archive, C(archive_name), how many C(files) came back.
  returned: when O(what=restore), on success
  type: dict
  sample: {"archive_name": "web1-2026-11-20T01:17:03", "files": 212}
duration:
  description: How many seconds that took.
  returned: when O(what=restore), on success
  type: float
  sample: 3.5
code:
  description: A word for the kind of failure.
  returned: on failure
  type: str
  sample: refused
"""

from contextlib import closing

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.paranoid.backup.plugins.module_utils._common.errors import SessionError
from ansible_collections.paranoid.backup.plugins.module_utils._common.names import valid_client_name
from ansible_collections.paranoid.backup.plugins.module_utils._config.server import ConfigError
from ansible_collections.paranoid.backup.plugins.module_utils._config.site import load_site
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import LedgerError, RehearsalEntry
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.rehearsals import record_rehearsal
from ansible_collections.paranoid.backup.plugins.module_utils._upkeep.module import require_words, spec


def main() -> None:
    """Record it. The client's lock is not needed: its repository is not touched, and a backup may be under way."""
    texts = {name: {"type": "str", "default": ""} for name in ("holder", "escrow", "archive_name")}
    counts = {name: {"type": "int", "default": 0} for name in ("files", "bytes")}
    what = {"type": "str", "choices": ["escrow", "restore"], "required": True}
    own = {"what": what, **texts, **counts, "seconds": {"type": "float", "default": 0.0}}
    module = AnsibleModule(argument_spec=spec(own, ("by",)), supports_check_mode=True)
    wanted = module.params
    require_words(module, ("by",), "say who rehearsed it")
    if not valid_client_name(wanted["client"]):
        module.fail_json(msg="the name of the client is not a valid name", code="not_provisioned")
    entry = RehearsalEntry(**{name: wanted[name] for name in ("client", "by", *own)})
    try:
        with closing(load_site(wanted["config_dir"], wanted["client"])) as site:
            if not module.check_mode:
                record_rehearsal(site, entry)
    except ConfigError as error:
        module.fail_json(msg=str(error), code="not_provisioned")
    except (LedgerError, OSError) as error:
        module.fail_json(msg=str(error), code="server_error")
    except SessionError as error:
        module.fail_json(msg=error.reason, code=error.code)
    tried = {"drill": {"archive_name": entry.archive_name, "files": entry.files}, "duration": entry.seconds}
    module.exit_json(changed=True, **(tried if entry.what == "restore" else {}))


if __name__ == "__main__":
    main()
