#!/usr/bin/python
# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Says what is missing on a client or a server, and changes nothing."""

from __future__ import annotations

DOCUMENTATION = r"""
module: doctor
short_description: What is missing on a host, before anything is changed
version_added: 0.1.0
author:
  - The paranoid.backup authors (@paranoid-backup)
description:
  - Looks at a client or a server, and says in plain words what is missing, and what cures it.
  - It changes nothing, but for the empty directory below C(/run) without which sshd answers no question.
options:
  kind:
    description: What the host is.
    type: str
    choices: [client, server]
    required: true
  now:
    description: What the controller's clock says, in seconds since 1970.
    type: float
    required: true
  login:
    description: Of a client, the account that the server logs in to.
    type: str
    default: paranoid-backup
  host:
    description: Of a client, its address for the server.
    type: str
    default: ""
  port:
    description: Of a client, the port of its sshd for the server.
    type: int
    default: 22
  address:
    description: Of a client, the address from which the server comes, as far as known.
    type: str
    default: ""
  repository_root:
    description: Of a server that has no record yet, the directory with all repositories.
    type: path
    default: /srv/backup
  require_mount:
    description: Of a server that has no record yet, whether something must be mounted there.
    type: bool
    default: false
  config_dir:
    description: Directory of the host's configuration.
    type: path
    default: /etc/paranoid-backup
attributes:
  check_mode:
    support: full
    description: Never changes anything.
  diff_mode:
    support: none
    description: Never changes anything.
"""

EXAMPLES = r"""
- name: Look what is missing
  paranoid.backup.doctor:
    kind: client
    now: "{{ now().timestamp() }}"
  register: look
"""

RETURN = r"""
kind:
  description: What the host is.
  returned: success
  type: str
findings:
  description: >-
    What was looked at: C(check) (a word), C(state) as C(ok), C(odd) (somebody should look) or C(bad) (a backup fails
    until it is mended), C(line), and C(cure), empty where there is nothing to mend or the line has it.
  returned: success
  type: list
  elements: dict
  sample: [{check: disk, state: bad, line: only 0.10 GiB are free, cure: free at least half a GiB there}]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.paranoid.backup.plugins.module_utils._provision.checkup import look_at_client, look_at_server

SPEC = {
    "kind": {"type": "str", "choices": ["client", "server"], "required": True},
    "now": {"type": "float", "required": True},
    "login": {"type": "str", "default": "paranoid-backup"},
    "host": {"type": "str", "default": ""},
    "port": {"type": "int", "default": 22},
    "address": {"type": "str", "default": ""},
    "repository_root": {"type": "path", "default": "/srv/backup"},
    "require_mount": {"type": "bool", "default": False},
    "config_dir": {"type": "path", "default": "/etc/paranoid-backup"},
}


def main() -> None:
    """Look, and report."""
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    asked = module.params
    if asked["kind"] == "client":
        found = look_at_client(*(asked[name] for name in ("login", "host", "port", "address", "config_dir", "now")))
    else:
        found = look_at_server(*(asked[name] for name in ("repository_root", "require_mount", "config_dir", "now")))
    module.exit_json(changed=False, kind=asked["kind"], findings=[one.to_dict() for one in found])


if __name__ == "__main__":
    main()
