#!/usr/bin/python
# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Accept what was noticed of a client, or that the server's clock is right."""

from __future__ import annotations

DOCUMENTATION = r"""
module: accept
short_description: Accept that what was noticed of a backup client is meant, or that the server's clock is right
version_added: 0.1.0
author:
  - The paranoid.backup authors (@paranoid-backup)
description:
  - Use it after a session failed with C(shrunk), C(source_unmounted) or C(source_emptied), and a person has found out
    that it is meant.
  - The archives made meanwhile count as good, later ones are compared with these, and retention goes on.
  - Use it as well after an anomaly was told. What was unusual since then is usual from then on.
  - With O(what=clock) it says that the clock of the whole server is right now, after the report told that it cannot be
    believed. Look at it first.
extends_documentation_fragment: [paranoid.backup.upkeep]
options:
  what:
    description: What is accepted, all that was noticed of the V(client) or the server's V(clock).
    type: str
    choices: [client, clock]
    default: client
  reason:
    description: Why it is right. The ledger keeps it.
    type: str
    required: true
  by:
    description: Who says so. The ledger keeps it.
    type: str
    required: true
attributes:
  check_mode:
    support: full
    description: It returns what there is to accept.
  idempotent:
    support: full
    description: With nothing to accept, nothing changes.
"""

EXAMPLES = r"""
- name: Go on after old data was removed
  paranoid.backup.accept:
    client: web1
    reason: the shop moved to web2
    by: alice
  delegate_to: vault

- name: Go on after the server was off for ten days
  paranoid.backup.accept:
    client: web1
    what: clock
    reason: it was off for a move; the clock is right, I compared it
    by: alice
  delegate_to: vault
"""

RETURN = r"""
noticed:
  description: What was not as it was, empty when everything is.
  returned: success
  type: str
  sample: "12 files instead of 40000"
sessions:
  description: Ids of the sessions whose unusual numbers are usual now.
  returned: success
  type: list
  elements: str
  sample: []
accepted:
  description: Ids of the archives that count as good now.
  returned: success
  type: list
  elements: str
  sample: []
code:
  description: A word for the kind of failure.
  returned: on failure
  type: str
  sample: locked
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.paranoid.backup.plugins.module_utils._common.clock import this_moment
from ansible_collections.paranoid.backup.plugins.module_utils._config.site import Site
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.clock_watch import believe, look_at_clock
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import AcceptEntry, ClockEntry
from ansible_collections.paranoid.backup.plugins.module_utils._retention.anomaly import (
    pending_anomaly,
    sessions_to_accept,
)
from ansible_collections.paranoid.backup.plugins.module_utils._retention.content import pending, to_accept
from ansible_collections.paranoid.backup.plugins.module_utils._upkeep.module import (
    WHY_AND_WHO,
    at_work,
    require_words,
    spec,
)


def main() -> None:
    """Accept what was noticed, with who and why."""
    own = {"what": {"type": "str", "choices": ["client", "clock"], "default": "client"}}
    module = AnsibleModule(argument_spec=spec(own, WHY_AND_WHO), supports_check_mode=True)
    require_words(module, WHY_AND_WHO, "say why it is meant, and who says so")
    accept = accept_clock if module.params["what"] == "clock" else accept_client
    with at_work(module, "an accept") as site:
        result = accept(site, module.params["reason"], module.params["by"], module.check_mode)
    module.exit_json(changed=bool(result["noticed"]), **result)


def accept_client(site: Site, reason: str, by: str, check: bool) -> dict[str, Any]:
    """Enter that what was noticed of the client is meant; return what that is."""
    history, needed = site.ledger.history(site.name), site.client.anomaly_sessions
    shrunk = pending(history)
    archives = to_accept(history) if shrunk else ()
    sessions = sessions_to_accept(history, needed)
    noticed = "; ".join(filter(None, (shrunk, pending_anomaly(history, needed))))
    if noticed and not check:
        site.ledger.append(AcceptEntry(site.name, reason, by, archives, sessions))
    return {"noticed": noticed, "accepted": list(archives), "sessions": list(sessions)}


def accept_clock(site: Site, reason: str, by: str, check: bool) -> dict[str, Any]:
    """Enter that the server's clock is right; return why it was in doubt."""
    now = this_moment()
    doubt = look_at_clock(site.ledger, now).doubt
    if doubt and not check:
        site.ledger.append(ClockEntry(site.name, reason, by, believe(now).to_dict()))
    return {"noticed": doubt, "accepted": [], "sessions": []}


if __name__ == "__main__":
    main()
