#!/usr/bin/python
# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks at a client before and after it is provisioned: what is there, and what would keep the server out."""

from __future__ import annotations

DOCUMENTATION = r"""
module: client_info
short_description: What is there on a client, and what would keep its backup server out
version_added: 0.1.0
author:
  - The paranoid.backup authors (@paranoid-backup)
description:
  - Asks sshd, sudo and PAM of the client what they would do with the login of the backup server, and names file and
    line of each setting that stands in the way. The role C(backup_client) uses it before it changes anything, and
    after it has laid down its files.
  - Nothing is changed, but for the empty directory below C(/run) without which sshd answers no question.
options:
  login:
    description: The account that the server logs in to.
    type: str
    required: true
  command:
    description: The forced command. When given, it is tried as the login, without a request.
    type: str
    default: ""
  drop_in:
    description: Where the role's part of sshd's configuration is, or is going to be.
    type: path
    default: /etc/ssh/sshd_config.d/50-paranoid-backup.conf
  wanted:
    description: What is in it. Without it sshd is asked what there is to know before.
    type: str
    default: ""
  sudoers:
    description: Where the login's rule for sudo is, or is going to be; empty for a login that needs none.
    type: str
    default: ""
  host:
    description: Address of this client for the server, as far as known.
    type: str
    default: ""
  port:
    description: Port of this client's sshd for the server.
    type: int
    default: 22
  address:
    description: Address from which the server comes, as far as known.
    type: str
    default: ""
  config_dir:
    description: Directory of the client's configuration.
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
- name: Look what would keep the backup server out
  paranoid.backup.client_info:
    login: paranoid-backup
    sudoers: /etc/sudoers.d/paranoid-backup
  register: look
"""

RETURN = r"""
obstacles:
  description: One line for each thing that would keep the server out, with its file and what to do.
  returned: success
  type: list
  elements: str
  sample: ["/etc/ssh/sshd_config line 12 (denyusers *backup) denies paranoid-backup: take it out of that list"]
sshd_keywords:
  description: The settings that this sshd knows; none if there is no sshd.
  returned: success
  type: list
  elements: str
sudo_version:
  description: Version of sudo, as its numbers; none if there is no sudo.
  returned: success
  type: list
  elements: int
host_keys:
  description: Type and key of each host key that this sshd shows.
  returned: success
  type: list
  elements: str
own_key:
  description: The client's own public key for the transport ssh, empty if there is none.
  returned: success
  type: str
has_passphrase:
  description: Whether the passphrase of the client's repository is there.
  returned: success
  type: bool
account:
  description: The login's account, by the options that M(ansible.builtin.user) has; empty if there is none.
  returned: success
  type: dict
  contains:
    group: {description: Its own group., type: str}
    groups: {description: Its other groups., type: list, elements: str}
    comment: {description: Its comment., type: str}
    home: {description: Its home., type: str}
    shell: {description: Its shell., type: str}
    password: {description: "V(*) if nobody can have its password, V(another) otherwise.", type: str}
is_ageing:
  description: Whether the login's account or password is expired or is going to expire.
  returned: success
  type: bool
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.paranoid.backup.plugins.module_utils._provision.client_look import Question, look

SPEC = {
    "login": {"type": "str", "required": True},
    "command": {"type": "str", "default": ""},
    "drop_in": {"type": "path", "default": "/etc/ssh/sshd_config.d/50-paranoid-backup.conf"},
    "wanted": {"type": "str", "default": ""},
    "sudoers": {"type": "str", "default": ""},
    "host": {"type": "str", "default": ""},
    "port": {"type": "int", "default": 22},
    "address": {"type": "str", "default": ""},
    "config_dir": {"type": "path", "default": "/etc/paranoid-backup"},
}


def main() -> None:
    """Look, and report."""
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    seen = look(Question(**module.params))
    module.exit_json(changed=False, **seen)


if __name__ == "__main__":
    main()
