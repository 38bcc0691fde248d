#!/usr/bin/python
# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Audit a client's repository outside a session."""

from __future__ import annotations

DOCUMENTATION = r"""
module: audit
short_description: Audit the repository of a backup client without its key
version_added: 0.1.0
author:
  - The paranoid.backup authors (@paranoid-backup)
description:
  - Finds out whether somebody touched the history of a client since the last audit. It needs no key, and runs on the
    server as root, so delegate it there.
  - It fails at once while a session is open.
  - The verdict goes into the ledger. An alarm freezes the client and fails the task.
extends_documentation_fragment: [paranoid.backup.upkeep]
options:
  full:
    description:
      - Read every segment as well, check every checksum, and compare the index with the segments.
      - A wrong checksum is reported as damage, by segment and offset. Whole entries that contradict the index are
        reported as tampering.
    type: bool
    default: false
attributes:
  check_mode:
    support: full
    description: It reads the same, and records nothing.
  idempotent:
    support: full
    description: A repository that nobody touched stays as it is.
"""

EXAMPLES = r"""
- name: Find out whether anything was touched since the last session
  paranoid.backup.audit:
    client: web1
  delegate_to: vault

- name: Tell damaged disks from tampering
  paranoid.backup.audit:
    client: web1
    full: true
  delegate_to: vault
"""

RETURN = r"""
verdict:
  description: V(clean) or V(alarm).
  returned: when the audit ran
  type: str
  sample: clean
findings:
  description: What was found, as sentences.
  returned: when the audit ran
  type: list
  elements: str
  sample: ["damage: segment 17, offset 8: wrong checksum"]
rebuilt:
  description:
    - What is not known any more of a client whose server was made again, when this was the full audit that ends it.
    - See docs/restore.md, "The server".
  returned: success, or failure with a verdict
  type: list
  elements: str
  sample: []
began:
  description: When it began, by the server's clock.
  returned: always
  type: str
  sample: "2026-11-21T06:30:00Z"
ended:
  description: When it ended, by the server's clock.
  returned: always
  type: str
  sample: "2026-11-21T06:30:04Z"
duration:
  description: Seconds from begin to end.
  returned: always
  type: float
  sample: 4.2
alarm:
  description: What lies behind the codes V(alarm) and V(frozen), as in the result of M(paranoid.backup.session).
  returned: when the code is one of these
  type: dict
  sample: {"kind": "repository", "client": "web1", "findings": ["12 stored objects were deleted"], "since": ""}
code:
  description: A word for the kind of failure.
  returned: on failure
  type: str
  sample: locked
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.paranoid.backup.plugins.module_utils._audit.verdict import ALARM
from ansible_collections.paranoid.backup.plugins.module_utils._common.alarm import alarm_line
from ansible_collections.paranoid.backup.plugins.module_utils._common.clock import utc_now
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.bookkeeping import repository_alarm
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.rebuilt import read_mark
from ansible_collections.paranoid.backup.plugins.module_utils._retention.cycle import refuse_broken
from ansible_collections.paranoid.backup.plugins.module_utils._upkeep.guarded import audit_and_record
from ansible_collections.paranoid.backup.plugins.module_utils._upkeep.module import Stopwatch, at_work, spec


def main() -> None:
    """Audit, record, and freeze on an alarm."""
    own = {
        "full": {"type": "bool", "default": False},
    }
    module = AnsibleModule(argument_spec=spec(own), supports_check_mode=True)
    wanted, watch = module.params, Stopwatch()
    with at_work(module, "an audit", watch) as site:
        before = site.ledger.freeze_state(site.name)
        mark = read_mark(site.server.state_dir, site.name) if wanted["full"] else None
        found = audit_and_record(site, full=wanted["full"], check=module.check_mode)
        if found.verdict != ALARM:
            refuse_broken(site.ledger, site.name, utc_now())
    result: dict[str, Any] = {"verdict": found.verdict, "findings": list(found.findings), **watch.to_dict()}
    result["rebuilt"] = list(mark.told) if mark else []
    if found.verdict == ALARM:
        frozen_now = before is None and not module.check_mode
        alarm = repository_alarm(wanted["client"], found)
        result.update(code="alarm", alarm=alarm.to_dict(), changed=frozen_now)
        module.fail_json(msg=alarm_line(alarm), **result)
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
