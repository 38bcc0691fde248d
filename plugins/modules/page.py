#!/usr/bin/python
# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the page of a backup server, status.json and metrics."""

from __future__ import annotations

DOCUMENTATION = r"""
module: page
short_description: Write the page about all clients of a backup server
version_added: 0.1.0
author:
  - The paranoid.backup authors (@paranoid-backup)
description:
  - Writes one HTML file about all clients of a server from its ledger, C(status.json) beside it, and metrics for
    Prometheus where the server has a directory for them.
  - What is missing on the disk, a broken record of one client or a client without a backup does not fail the task; the
    page says so.
  - It runs on the server, as root, because only root may read the ledger.
options:
  clients:
    description:
      - Clients whose year is wanted on the page. It has those that need somebody anyway, and all where there is room,
        which is so up to some hundred clients.
    type: list
    elements: str
    default: []
  nas:
    description:
      - How each NAS under the clients is, as the filter P(paranoid.backup.nas_of_page#filter) makes it of results of
        M(paranoid.backup.nas); left out where none was asked, and then the page says that nobody knows.
    type: list
    elements: dict
  config_dir:
    description: Directory of the server's configuration. The default is V(/usr/local/etc/paranoid-backup) on FreeBSD.
    type: path
    default: /etc/paranoid-backup
attributes:
  check_mode:
    support: full
    description: It reads everything and writes nothing.
  diff_mode:
    support: none
    description: The page is another one each time.
  idempotent:
    support: none
    description: The page says when it was made.
"""

EXAMPLES = r"""
- name: Write the page, with the year of web1
  paranoid.backup.page:
    clients: [web1]
  delegate_to: vault
"""

RETURN = r"""
files:
  description: What was written, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: [/var/lib/paranoid-backup-page/index.html, /var/lib/paranoid-backup-page/status.json]
counts:
  description: How many clients are C(frozen), C(never) backed up, C(late), C(failed), C(noted) and C(good).
  returned: success
  type: dict
  sample: {"frozen": 0, "never": 0, "late": 1, "failed": 0, "noted": 2, "good": 39}
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.paranoid.backup.plugins.module_utils._common.clock import utc_now
from ansible_collections.paranoid.backup.plugins.module_utils._config.server import ConfigError
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import LedgerError
from ansible_collections.paranoid.backup.plugins.module_utils._page.nas import read_nas
from ansible_collections.paranoid.backup.plugins.module_utils._page.publishing import PageError, publish


def main() -> None:
    """Read the options, write the files, and say what is in them."""
    spec: dict[str, dict[str, Any]] = {
        "clients": {"type": "list", "elements": "str", "default": []},
        "nas": {"type": "list", "elements": "dict"},
        "config_dir": {"type": "path", "default": "/etc/paranoid-backup"},
    }
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True)
    options = module.params
    try:
        now = utc_now()
        nas = read_nas(options["nas"], now)
        fleet, files = publish(options["config_dir"], options["clients"], nas, now, module.check_mode)
    except (ConfigError, LedgerError, PageError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(
        changed=bool(files), files=files, counts={str(health): count for health, count in fleet.counts.items()}
    )


if __name__ == "__main__":
    main()
