#!/usr/bin/python
# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes a jail as it is desired, by the program iocage."""

from __future__ import annotations

DOCUMENTATION = r"""
module: iocage
short_description: Have a jail of FreeBSD run as desired, by iocage
version_added: 0.1.0
author:
  - The paranoid.backup authors (@paranoid-backup)
description:
  - Fetches the release, makes the jail, sets its properties, mounts directories of the host into it, starts it, and
    installs packages inside. Nothing is ever destroyed, unmounted or upgraded.
  - Run it on the host itself, as root, with iocage 1.2 to 1.13; another version is refused. On TrueNAS CORE,
    M(paranoid.backup.truenas) does the same by the middleware.
  - What iocage did is looked at afterwards, as its exit code says little. A jail is found by its whole name.
  - A jail whose properties or mounts change is restarted.
options:
  name:
    description: The jail's name.
    type: str
    required: true
  release:
    description: The release that it is made from, such as V(14.3-RELEASE). A jail that exists must have the same.
    type: str
    required: true
  pool:
    description: The pool to activate if iocage has none yet. Without it that is an error.
    type: str
    default: ""
  properties:
    description: Properties of iocage, each as NAME=VALUE. Others are left as they are.
    type: list
    elements: str
    default: []
  mounts:
    description: Directories of the host that the jail sees, writable. One that is missing is added; none is taken away.
    type: list
    elements: dict
    default: []
    suboptions:
      source:
        description: The directory on the host.
        type: path
        required: true
      target:
        description: Where it is inside.
        type: path
        required: true
  packages:
    description: Packages to install inside, by the names that C(pkg query %n) prints.
    type: list
    elements: str
    default: []
attributes:
  check_mode:
    support: full
    description: Reports what would change. Packages of a jail that does not run are taken as missing.
  diff_mode:
    support: full
    description: Shows the properties, mounts and packages that change.
  idempotent:
    support: full
    description: What is already as desired is not touched.
"""

EXAMPLES = r"""
- name: Have the server run in a jail, with the repositories of one client
  paranoid.backup.iocage:
    name: vault
    release: 14.3-RELEASE
    properties: [boot=on, vnet=on, "ip4_addr=vnet0|10.0.0.5/24", defaultrouter=10.0.0.1]
    mounts: [{source: /srv/backup/web1, target: /srv/backup/web1}]
    packages: [python3]
"""

RETURN = r"""
state:
  description: Whether it runs, V(up) or V(down); V(absent) in check mode if it is not there.
  returned: success
  type: str
  sample: up
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.paranoid.backup.plugins.module_utils._nas.iocage import Iocage
from ansible_collections.paranoid.backup.plugins.module_utils._nas.jail import (
    Desired,
    JailError,
    Mount,
    Plan,
    check_desired,
    parse_properties,
    plan_jail,
)

LOCAL = "/usr/local/bin"  # where FreeBSD installs it
MOUNT = {"source": {"type": "path", "required": True}, "target": {"type": "path", "required": True}}
SPEC: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "release": {"type": "str", "required": True},
    "pool": {"type": "str", "default": ""},
    "properties": {"type": "list", "elements": "str", "default": []},
    "mounts": {"type": "list", "elements": "dict", "default": [], "options": MOUNT},
    "packages": {"type": "list", "elements": "str", "default": []},
}


def parse(parameters: dict[str, Any]) -> Desired:
    """Return the jail that is asked for; JailError for what nobody may ask for."""
    mounts = [Mount(one["source"], one["target"]) for one in parameters["mounts"]]
    properties = parse_properties(parameters["properties"])
    desired = Desired(parameters["name"], parameters["release"], properties, mounts, parameters["packages"])
    check_desired(desired)
    return desired


def ensure(host: Iocage, desired: Desired, pool: str, dry: bool) -> Plan:
    """Make a jail as desired, or only look; return what was to do."""
    active = host.active_pool()
    if pool and active and pool != active:
        raise JailError(f"iocage keeps its jails in pool {active}, not in {pool}: name that one, or none")
    if not active and not pool:
        raise JailError("iocage has no pool yet: iocage activate POOL, or name the pool")
    if not active and dry:
        return plan_jail(desired, None, [])
    if not active:
        host.activate(pool)
    plan = plan_jail(desired, host.find(desired.name), host.releases())
    if not dry and not plan.is_nothing:
        host.apply(desired, plan)
    return plan


def diff(plan: Plan) -> dict[str, dict[str, Any]]:
    """Return Ansible's diff."""
    before = {name: pair[0] for name, pair in plan.properties.items() if pair[0] is not None}
    after: dict[str, Any] = {name: pair[1] for name, pair in plan.properties.items()}
    lists = {"mounts": [f"{one.source} on {one.target}" for one in plan.mounts], "packages": list(plan.packages)}
    after.update({name: words for name, words in lists.items() if words})
    return {"before": before, "after": {**after, "state": "up"} if plan.start else after}


def state(host: Iocage, name: str) -> str:
    """Return what the jail is now."""
    found = host.find(name) if host.active_pool() else None
    return found.state if found else "absent"


def main() -> None:
    """Make it as desired and report what was not."""
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    for program in ("iocage", "zfs", "mount"):
        module.get_bin_path(program, required=True, opt_dirs=[LOCAL])
    language = {"LANG": "en_US.UTF-8", "LC_ALL": "en_US.UTF-8"}  # iocage dies without it
    try:
        host = Iocage(lambda argv: module.run_command(list(argv), environ_update=language, path_prefix=LOCAL))
        plan = ensure(host, parse(module.params), module.params["pool"], module.check_mode)
        now = state(host, module.params["name"])
    except JailError as error:
        module.fail_json(msg=str(error))
    shown = {"diff": diff(plan)} if module._diff else {}
    module.exit_json(changed=not plan.is_nothing, state=now, **shown)


if __name__ == "__main__":
    main()
