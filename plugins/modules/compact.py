#!/usr/bin/python
# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Free what was deleted, after the hold."""

from __future__ import annotations

DOCUMENTATION = r"""
module: compact
short_description: Compact the repository of a backup client
version_added: 0.1.0
author:
  - The paranoid.backup authors (@paranoid-backup)
description:
  - Frees the space of what M(paranoid.backup.session) with the verb V(maintain) deleted. It needs no key, and runs on
    the server as root, so delegate it there.
  - It does so only when a trim waits for it, the hold has passed, the client is not frozen, and an audit is clean.
    If it is not due, nothing changes and RV(waiting) says why.
  - Afterwards the whole repository is checked, and the next audit starts from the new state.
extends_documentation_fragment: [paranoid.backup.upkeep]
options:
  hold_days:
    description: Days that must have passed since the last trim, unless the client's configuration asks for more.
    type: int
    default: 0
  limit_bytes:
    description: Refuse to free more bytes than this.
    type: int
  limit_ratio:
    description: Refuse to free more than this share of the repository.
    type: float
    default: 0.5
attributes:
  check_mode:
    support: full
    description: It returns what would be freed.
  idempotent:
    support: full
    description: Without a new trim there is nothing to compact.
"""

EXAMPLES = r"""
- name: Free what was deleted two weeks ago
  paranoid.backup.compact:
    client: web1
  delegate_to: vault
"""

RETURN = r"""
freeable:
  description: Bytes that are marked as deleted; Borg leaves those in segments of which less than a tenth is.
  returned: success
  type: int
  sample: 56000000
size:
  description: Bytes of all segments before.
  returned: success
  type: int
  sample: 1600000000
size_after:
  description: Bytes of all segments afterwards.
  returned: when compacted
  type: int
  sample: 1544000000
waiting:
  description: Why a compaction is not due, empty when it is.
  returned: success
  type: str
  sample: what was deleted is held until 2026-12-05T06:30+00:00
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
  sample: frozen
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.paranoid.backup.plugins.module_utils._common.clock import utc_now
from ansible_collections.paranoid.backup.plugins.module_utils._outcome.rebuilt import refuse_rebuilt
from ansible_collections.paranoid.backup.plugins.module_utils._upkeep.compaction import Limits, compact, look_ahead
from ansible_collections.paranoid.backup.plugins.module_utils._upkeep.module import Stopwatch, at_work, spec


def main() -> None:
    """Compact when it is due."""
    own = {
        "hold_days": {"type": "int", "default": 0},
        "limit_bytes": {"type": "int"},
        "limit_ratio": {"type": "float", "default": 0.5},
    }
    module = AnsibleModule(argument_spec=spec(own), supports_check_mode=True)
    wanted, watch = module.params, Stopwatch()
    limits = Limits(wanted["hold_days"], wanted["limit_bytes"], wanted["limit_ratio"])
    with at_work(module, "a compaction", watch) as site:
        refuse_rebuilt(site)
        ahead = look_ahead(site, limits, utc_now(), check=module.check_mode)
        result = {"size": ahead.size, "freeable": ahead.freeable, "waiting": ahead.waiting}
        if not ahead.waiting and not module.check_mode:
            result["size_after"] = compact(site).size_after
    module.exit_json(changed=not ahead.waiting, **result, **watch.to_dict())


if __name__ == "__main__":
    main()
