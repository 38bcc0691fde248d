#!/usr/bin/python
# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read which clients a server has, and how old the newest backup of each is."""

from __future__ import annotations

DOCUMENTATION = r"""
module: roll_call
short_description: List the clients of a backup server, with the age of their backups
version_added: 0.1.0
author:
  - The paranoid.backup authors (@paranoid-backup)
description:
  - Names every client that the server is provisioned for, so that one which left the inventory, was renamed, or is left
    out of a run is missed, until a person removes its record from the server.
  - The callback P(paranoid.backup.report#callback) compares them with the run, and the filter
    P(paranoid.backup.absent_clients#filter) with a play.
  - It runs on the server, as root. What it cannot read does not fail the task; RV(problem) says so.
options:
  hosts:
    description:
      - The hosts that the inventory gives to this server, as the filter P(paranoid.backup.clients_of_server#filter)
        returns them. They are returned as they are.
    type: dict
    default: {}
  config_dir:
    description: Directory of the server's configuration. The default is V(/usr/local/etc/paranoid-backup) on FreeBSD.
    type: path
    default: /etc/paranoid-backup
attributes:
  check_mode:
    support: full
    description: It changes nothing in any mode.
  diff_mode:
    support: none
    description: It changes nothing.
  idempotent:
    support: full
    description: It changes nothing.
"""

EXAMPLES = r"""
- name: Ask the server which clients it has
  paranoid.backup.roll_call:
    hosts: "{{ groups['backup_clients'] | paranoid.backup.clients_of_server(hostvars, groups, 'vault') }}"
  delegate_to: vault
"""

RETURN = r"""
clients:
  description: Each client of the server, ordered by name.
  returned: success
  type: list
  elements: dict
  sample: [{"client": "web1", "host": "192.0.2.7", "last_success": "2026-11-20T03:00:00+00:00", "age": 97200}]
  contains:
    client:
      description: Name of the client.
      type: str
      returned: success
    host:
      description: The address at which the server reaches it, empty when its record cannot be read.
      type: str
      returned: success
    listed:
      description: Fingerprint of what the inventory listed to be saved when it was provisioned, empty when not known.
      type: str
      returned: success
    last_success:
      description: When its newest good archive arrived, null when there is none.
      type: str
      returned: success
    age:
      description: Seconds since then, null when there is none.
      type: int
      returned: success
hosts:
  description: As given.
  returned: success
  type: dict
  sample: {"web1.example.org": {"client": "web1", "address": "192.0.2.7"}}
problem:
  description: Why the server cannot say it, in one line, empty when it can.
  returned: success
  type: str
  sample: ""
"""

import os
from datetime import datetime
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.paranoid.backup.plugins.module_utils._common.clock import utc_now
from ansible_collections.paranoid.backup.plugins.module_utils._config.server import (
    ConfigError,
    list_clients,
    load_client,
    load_server,
)
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import LedgerError
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.ledger import NAME, Ledger


def call_roll(config_dir: str, now: datetime) -> list[dict[str, Any]]:
    """Return what is known of each provisioned client; ConfigError or LedgerError if it cannot be read."""
    server = load_server(config_dir)
    with Ledger.read(os.path.join(server.state_dir, NAME)) as ledger:
        return [_describe(config_dir, name, ledger, now) for name in list_clients(config_dir)]


def _describe(config_dir: str, name: str, ledger: Ledger, now: datetime) -> dict[str, Any]:
    last = ledger.last_success(name)
    try:
        config = load_client(config_dir, name)
        host, listed = config.host, config.listed
    except ConfigError:  # Its own session says what is wrong with it.
        host = listed = ""
    return {
        "client": name,
        "host": host,
        "listed": listed,
        "last_success": last.time.isoformat() if last else None,
        "age": int((now - last.time).total_seconds()) if last else None,
    }


def main() -> None:
    """Read configuration and ledger, and return what they say together."""
    spec: dict[str, dict[str, Any]] = {
        "hosts": {"type": "dict", "default": {}},
        "config_dir": {"type": "path", "default": "/etc/paranoid-backup"},
    }
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True)
    clients: list[dict[str, Any]] = []
    problem = ""
    try:
        clients = call_roll(module.params["config_dir"], utc_now())
    except (ConfigError, LedgerError) as error:
        problem = str(error)
    module.exit_json(changed=False, clients=clients, hosts=module.params["hosts"], problem=problem)


if __name__ == "__main__":
    main()
