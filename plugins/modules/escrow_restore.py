#!/usr/bin/python
# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Brings passphrase and key back to a client; the work is in the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: escrow_restore
short_description: Bring the passphrase of a lost host back from its escrow
version_added: 0.1.0
author:
  - The paranoid.backup authors (@paranoid-backup)
description:
  - Opens the newest escrow that an identity opens and that is of the client's repository, on the controller, and lays
    the passphrase down on the host. Neither it nor the key is printed, returned, or in any program's arguments.
  - It needs age on the controller.
options:
  client:
    description: Name of the client.
    type: str
    required: true
  escrows:
    description: What M(paranoid.backup.escrow_info) returned under this name, oldest first.
    type: list
    elements: dict
    required: true
  sample:
    description: What M(paranoid.backup.escrow_info) returned under this name.
    type: dict
    required: true
  identity:
    description: File on the controller with an identity of age or ssh, which is not itself encrypted.
    type: path
    required: true
  config_dir:
    description: Directory of the passphrase on the host.
    type: path
    default: /etc/paranoid-backup
  base_dir:
    description: Directory on the host in which Borg looks for key files.
    type: path
    default: /var/lib/paranoid-backup
  key_file:
    description: Lay the key down as well, as the keyfile modes of Borg need it.
    type: bool
    default: false
attributes:
  check_mode:
    support: full
    description: It opens the escrow all the same, and writes nothing.
  diff_mode:
    support: partial
    description: It names what changes, and shows nothing of it.
  idempotent:
    support: full
    description: What is there and the same is not touched.
"""

EXAMPLES = r"""
- name: Bring the passphrase of web1 back
  paranoid.backup.escrow_restore:
    client: web1
    escrows: "{{ found.escrows }}"
    sample: "{{ found.sample }}"
    identity: /media/ana/identity
"""

RETURN = r"""
paths:
  description: What was not as desired.
  returned: success
  type: list
  elements: str
  sample: [/etc/paranoid-backup/passphrase]
"""
