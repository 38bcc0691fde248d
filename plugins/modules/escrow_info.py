#!/usr/bin/python
# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell what is escrowed for a client, on the server."""

from __future__ import annotations

DOCUMENTATION = r"""
module: escrow_info
short_description: Read the escrowed keys of a backup client
version_added: 0.1.0
author:
  - The paranoid.backup authors (@paranoid-backup)
description:
  - Returns every escrow that the server has kept of a client. They are ciphertexts, which the server cannot open.
  - It runs on the server, as root.
extends_documentation_fragment: [paranoid.backup.upkeep]
attributes:
  check_mode:
    support: full
    description: It changes nothing in any mode.
  idempotent:
    support: full
    description: It changes nothing.
"""

EXAMPLES = r"""
- name: Read what is escrowed for web1
  paranoid.backup.escrow_info:
    client: web1
  delegate_to: vault
"""

RETURN = r"""
escrows:
  description: What was kept, oldest first; C(ciphertext) is armored text of age, C(digest) its SHA-256.
  returned: success
  type: list
  elements: dict
  sample: [{"name": "0001-20261125T223346Z-5feceb66ffc8", "kept": "2026-11-25T22:33:46Z", "recipients": []}]
wanted:
  description: For whom the client's escrow should be, as provisioned.
  returned: success
  type: list
  elements: dict
  sample: [{"holder": "ana", "recipient": "age1…"}]
former:
  description: Names of those who had an escrow of the present key that was removed since.
  returned: success
  type: list
  elements: str
  sample: []
sample:
  description: >-
    The repository's id, and its list of archives as it is stored, in Base64: enough to prove that a key opens it. Null
    when there is no repository yet.
  returned: success
  type: dict
  sample: {"repository_id": "5f0c…", "list": "…"}
rehearsals:
  description: >-
    When a person last saw that the newest C(escrow) opens, and that a C(restore) works, empty if never, and what is
    C(overdue). A newest escrow that is not for whom it should be counts as none.
  returned: success
  type: dict
  sample: {"escrow": "2026-11-25T22:41:10Z", "restore": "", "overdue": []}
code:
  description: A word for the kind of failure.
  returned: on failure
  type: str
  sample: not_provisioned
"""

import base64
from contextlib import closing
from dataclasses import asdict
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.paranoid.backup.plugins.module_utils._audit.kept_lists import read_list
from ansible_collections.paranoid.backup.plugins.module_utils._borg.repository import recorded_id
from ansible_collections.paranoid.backup.plugins.module_utils._common.clock import utc_now
from ansible_collections.paranoid.backup.plugins.module_utils._common.errors import SessionError
from ansible_collections.paranoid.backup.plugins.module_utils._common.names import valid_client_name
from ansible_collections.paranoid.backup.plugins.module_utils._config.server import ConfigError
from ansible_collections.paranoid.backup.plugins.module_utils._config.site import Site, load_site
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import LedgerError
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.escrow import (
    describe_state,
    list_escrows,
    load_ciphertext,
)
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.forgetting import former_holders
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.rehearsals import describe_rehearsals
from ansible_collections.paranoid.backup.plugins.module_utils._upkeep.module import spec


def read_escrows(site: Site) -> dict[str, Any]:
    """Return the module's result."""
    escrows = [{**asdict(one), "ciphertext": load_ciphertext(site, one)} for one in list_escrows(site)]
    told = {"wanted": site.client.escrow_recipients, "former": former_holders(site)}
    rehearsals = describe_rehearsals(site, describe_state(site), utc_now())
    return {"escrows": escrows, **told, "sample": read_sample(site), "rehearsals": rehearsals}


def read_sample(site: Site) -> dict[str, str] | None:
    """Return what a key can be tried on."""
    listed, identifier = read_list(site.client.repository), recorded_id(site)
    if listed is None or identifier is None:
        return None
    return {"repository_id": identifier, "list": base64.b64encode(listed).decode()}


def main() -> None:
    """Read, and hand it to Ansible."""
    module = AnsibleModule(argument_spec=spec({}), supports_check_mode=True)
    client = module.params["client"]
    if not valid_client_name(client):
        module.fail_json(msg="the name of the client is not a valid name", code="not_provisioned")
    try:
        with closing(load_site(module.params["config_dir"], client)) as site:
            told = read_escrows(site)
        module.exit_json(changed=False, **told)
    except ConfigError as error:
        module.fail_json(msg=str(error), code="not_provisioned")
    except SessionError as error:
        module.fail_json(msg=error.reason, code=error.code)
    except LedgerError as error:
        module.fail_json(msg=str(error), code="server_error")


if __name__ == "__main__":
    main()
