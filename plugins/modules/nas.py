#!/usr/bin/python
# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask the program of the role backup_nas how its NAS is, or have it take a snapshot."""

from __future__ import annotations

DOCUMENTATION = r"""
module: nas
short_description: Ask a NAS how it is, or have it take a snapshot
version_added: 0.1.0
author:
  - The paranoid.backup authors (@paranoid-backup)
description:
  - Runs the program C(paranoid-backup-nas), which the role P(paranoid.backup.backup_nas#role) installs, on the NAS
    itself and as root.
  - The callback P(paranoid.backup.report#callback) takes what it measured into record and mail.
  - What goes wrong does not fail the task, also where the NAS cannot be reached; RV(problem) says so.
options:
  ask:
    description:
      - V(status) measures the ages of snapshots, copies and scrubs, the health of pools and disks, and how full they
        are.
      - V(snapshot) takes a snapshot of all clients at one moment, and holds it.
    type: str
    choices: [status, snapshot]
    default: status
  program:
    description: Where the program is, as the filter P(paranoid.backup.nas_command#filter) returns it.
    type: path
    default: /usr/local/sbin/paranoid-backup-nas
attributes:
  check_mode:
    support: full
    description: It takes no snapshot then.
  diff_mode:
    support: none
    description: There is nothing to compare.
  idempotent:
    support: none
    description: Each time it takes another snapshot.
"""

EXAMPLES = r"""
- name: Ask the NAS how it is
  paranoid.backup.nas:
    program: "{{ hostvars['nas1'] | paranoid.backup.nas_command }}"
  delegate_to: nas1

- name: Have it take a snapshot
  paranoid.backup.nas:
    ask: snapshot
  delegate_to: nas1
"""

RETURN = r"""
status:
  description: What was measured, empty when nothing was.
  returned: success
  type: dict
  sample:
    ages: {copy: 90000, scrub: 1036800, snapshot: 10920}
    measured: 1795672800
    newest: {tank/backup: {tank/backup/web1: 1795661880}}
    pools: {tank: {capacity: "42%", full_in_days: null}}
    problems: ["pool tank is DEGRADED"]
snapshot:
  description: Name of the snapshot that was taken, empty if none was.
  returned: success
  type: str
  sample: tank/backup@paranoid-20261126T030000Z-maintenance
problem:
  description: Why the NAS cannot say it or do it, in one line, empty when it can.
  returned: success
  type: str
  sample: ""
away:
  description: Whether it could not be reached, or gave no answer in time.
  returned: success
  type: bool
  sample: false
"""

import json
import re
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.paranoid.backup.plugins.module_utils._common.programs import Ended, TooSlow, run_program

SECONDS = {"status": 180.0, "snapshot": 900.0}
LARGEST = 4 << 20  # bytes: thousands of clients, all of them late
_TOOK = re.compile(r"^took (\S+@paranoid-\S+-maintenance)$", re.MULTILINE)
_ARGUMENTS = {"status": ["status"], "snapshot": ["snapshot", "--reason", "maintenance"]}


class NasError(Exception):
    """The NAS cannot do it: one line for a person."""


def ask(program: str, what: str) -> dict[str, Any]:
    """Return what the program said, as the module does; NasError if that is nothing.

    The exit code of ``status`` also says that somebody should look, so what it printed counts.
    """
    try:
        ended = run_program([program, *_ARGUMENTS[what]], seconds=SECONDS[what])
    except OSError as error:
        raise NasError(f"{program} cannot be started ({error.strerror}): run site.yml for this NAS") from None
    except TooSlow:
        raise NasError(f"{program} {what} was not done after {SECONDS[what]:.0f} seconds: look at the NAS") from None
    return {"snapshot": read_snapshot(ended)} if what == "snapshot" else {"status": read_status(ended)}


def read_status(ended: Ended) -> dict[str, Any]:
    """Return the document that was printed; NasError if there is none."""
    try:
        status = json.loads(ended.stdout) if len(ended.stdout) <= LARGEST else None
    except ValueError:
        status = None
    if not isinstance(status, dict):
        raise NasError(_complain(ended, "it did not say how it is"))
    return status


def read_snapshot(ended: Ended) -> str:
    """Return the name of the snapshot that was taken and held; NasError if none was."""
    found = _TOOK.search(ended.said)
    if ended.returncode or not found:
        raise NasError(_complain(ended, "it took no snapshot, and gave no reason"))
    return found[1]


def _complain(ended: Ended, otherwise: str) -> str:
    lines = [line.strip() for line in ended.complaint.splitlines() if line.strip()]
    return lines[-1][:300] if lines else otherwise


def main() -> None:
    """Ask, and return what was said."""
    spec: dict[str, dict[str, Any]] = {
        "ask": {"type": "str", "choices": ["status", "snapshot"], "default": "status"},
        "program": {"type": "path", "default": "/usr/local/sbin/paranoid-backup-nas"},
    }
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True)
    changes = module.params["ask"] == "snapshot"
    result: dict[str, Any] = {"changed": changes, "status": {}, "snapshot": "", "problem": ""}
    if not (changes and module.check_mode):
        try:
            result |= ask(module.params["program"], module.params["ask"])
        except NasError as error:
            result |= {"changed": False, "problem": str(error)}
    module.exit_json(**result)


if __name__ == "__main__":
    main()
