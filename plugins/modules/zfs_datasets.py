#!/usr/bin/python
# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes ZFS datasets as they are desired."""

from __future__ import annotations

DOCUMENTATION = r"""
module: zfs_datasets
short_description: Make a list of ZFS datasets as desired, and destroy none
version_added: 0.1.0
author:
  - The paranoid.backup authors (@paranoid-backup)
description:
  - Creates datasets and sets their properties, a whole list of them at once. Nothing is ever destroyed or renamed.
  - Each dataset carries a mark that says for whom it was made, the user property C(paranoid.backup:for). One that
    exists without that mark, or with another, is left alone and fails the task, as does C(sync=disabled) or
    C(logbias=throughput), set or inherited.
  - A pool that is missing, faulted, read-only or full fails the task; a degraded one is a warning.
options:
  datasets:
    description: The desired datasets, parents first.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Its name, with that of the pool.
        type: str
        required: true
      mark:
        description: For whom it is.
        type: str
        required: true
      properties:
        description: Properties as in C(zfs set). Sizes may have units.
        type: dict
        default: {}
      adopt:
        description: Take over a dataset that exists and has no mark.
        type: bool
        default: false
attributes:
  check_mode:
    support: full
    description: Reports what would change.
  diff_mode:
    support: full
    description: Shows the properties that change.
  idempotent:
    support: full
    description: What is already as desired is not touched.
"""

EXAMPLES = r"""
- name: Make a dataset for each client
  paranoid.backup.zfs_datasets:
    datasets:
      - {name: tank/backup, mark: root, properties: {mountpoint: /srv/backup}}
      - {name: tank/backup/web1, mark: client web1, properties: {refquota: 500G, quota: 1T, recordsize: 1M}}
"""

RETURN = r"""
datasets:
  description: The datasets that were not as desired.
  returned: success
  type: list
  elements: str
  sample: [tank/backup/web1]
mountpoints:
  description: Where each dataset is mounted. In check mode without those that are not there yet.
  returned: success
  type: dict
  sample: {"tank/backup/web1": "/srv/backup/web1"}
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.paranoid.backup.plugins.module_utils._nas.dataset import (
    Actual,
    Change,
    DatasetError,
    Desired,
    check_desired,
    check_pool,
    plan_dataset,
)
from ansible_collections.paranoid.backup.plugins.module_utils._nas.zfs import Zfs, refuse_hidden_files

SUBOPTIONS = {
    "name": {"type": "str", "required": True},
    "mark": {"type": "str", "required": True},
    "properties": {"type": "dict", "default": {}},
    "adopt": {"type": "bool", "default": False},
}


def parse_entry(entry: dict[str, Any]) -> Desired:
    """Parse one entry of the list; YAML's yes and no are ZFS's on and off."""
    values = {name: to_word(value) for name, value in entry["properties"].items()}
    return Desired(entry["name"], entry["mark"], values, entry["adopt"])


def to_word(value: Any) -> str:
    """Return a property's value as ZFS spells it: YAML reads ``off`` as a boolean."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return "none" if value is None else str(value)


def nearest(name: str, found: dict[str, Actual]) -> Actual:
    """Return the properties of the nearest dataset above that exists."""
    above = name.rpartition("/")[0]
    return found.get(above, {}) if above in found or not above else nearest(above, found)


def plan(zfs: Zfs, wanted: list[Desired]) -> tuple[list[Change], list[str]]:
    """Return the changes, parents first, and warnings about the pools."""
    for one in wanted:
        check_desired(one)
    pools = {name: zfs.pool(name) for name in dict.fromkeys(one.name.partition("/")[0] for one in wanted)}
    for pool, about in pools.items():
        check_pool(pool, about, creates=False)
    there = {name for pool in pools for name in zfs.names(pool)}
    above = {"/".join(one.name.split("/")[: depth + 1]) for one in wanted for depth in range(one.name.count("/") + 1)}
    found = zfs.properties(sorted(there & above))
    planned = [plan_dataset(one, found.get(one.name), nearest(one.name, found)) for one in wanted]
    changes = [change for change in planned if change]
    for change in changes:
        if change.create or change.mount or "mountpoint" in change.properties:
            refuse_hidden_files(change.name, mountpoint(change, found))
    creates = {change.name.partition("/")[0] for change in changes if change.create}
    return changes, [line for pool, about in pools.items() for line in check_pool(pool, about, pool in creates)]


def mountpoint(change: Change, found: dict[str, Actual]) -> str:
    """Return where a dataset will be mounted, as far as a new one's parents are there; else a path that is not."""
    parent, last = change.name.rsplit("/", 1)
    own, above = (found.get(name, {}).get("mountpoint") for name in (change.name, parent))
    if "mountpoint" in change.properties:
        place = change.properties["mountpoint"]
    elif own:
        place = own.value
    else:
        place = f"{above.value}/{last}" if above else ""
    return place if place.startswith("/") else "/nonexistent"


def diff(changes: list[Change]) -> list[dict[str, Any]]:
    """Return Ansible's diff: the properties that change, of each dataset."""
    return [
        {
            "before_header": change.name,
            "after_header": change.name,
            "before": "".join(f"{name}={value}\n" for name, value in change.before.items()),
            "after": "".join(f"{name}={value}\n" for name, value in change.properties.items()),
        }
        for change in changes
    ]


def main() -> None:
    """Make the list as desired and report what was not."""
    spec = {"datasets": {"type": "list", "elements": "dict", "required": True, "options": SUBOPTIONS}}
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True)
    zfs = Zfs(lambda argv: module.run_command(list(argv), environ_update={"LC_ALL": "C", "LANG": "C"}))
    for program in ("zfs", "zpool"):
        module.get_bin_path(program, required=True)
    done: list[str] = []
    try:
        wanted = [parse_entry(entry) for entry in module.params["datasets"]]
        changes, warnings = plan(zfs, wanted)
        for change in [] if module.check_mode else changes:
            zfs.apply(change)
            done.append(change.name)
        there = {one.name for one in wanted} & {name for one in wanted for name in zfs.names(one.name.split("/")[0])}
        found = zfs.properties(sorted(there))
    except DatasetError as error:
        module.fail_json(msg=str(error), changed=bool(done), datasets=done)
    for line in warnings:
        module.warn(line)
    places = {name: about["mountpoint"].value for name, about in found.items() if "mountpoint" in about}
    shown = {"diff": diff(changes)} if module._diff else {}
    module.exit_json(changed=bool(changes), datasets=[one.name for one in changes], mountpoints=places, **shown)


if __name__ == "__main__":
    main()
