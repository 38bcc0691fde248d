#!/usr/bin/python
# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes subvolumes of btrfs."""

from __future__ import annotations

DOCUMENTATION = r"""
module: btrfs_subvolumes
short_description: Make a list of subvolumes of btrfs, and delete none
version_added: 0.1.0
author:
  - The paranoid.backup authors (@paranoid-backup)
description:
  - Creates the subvolumes that are missing, a whole list of them at once. Nothing is ever deleted or renamed.
  - A path that is something else fails the task, as what is no subvolume has no snapshot; so does another file system.
options:
  paths:
    description: The desired subvolumes, parents first; the directory above the first must exist.
    type: list
    elements: path
    required: true
attributes:
  check_mode:
    support: full
    description: Reports what would change.
  diff_mode:
    support: full
    description: Shows the subvolumes that are made.
  idempotent:
    support: full
    description: What is there is not touched.
"""

EXAMPLES = r"""
- name: Make a subvolume for each client
  paranoid.backup.btrfs_subvolumes:
    paths: [/srv/backup, /srv/backup/web1]
"""

RETURN = r"""
subvolumes:
  description: The subvolumes that were not there.
  returned: success
  type: list
  elements: str
  sample: [/srv/backup/web1]
"""

import os

from ansible.module_utils.basic import AnsibleModule

TOP_INODE = 256  # of every subvolume (BTRFS_FIRST_FREE_OBJECTID of linux/btrfs_tree.h)


def problem(path: str) -> str:
    """Return why a path cannot be a subvolume, empty if it is one or nothing."""
    if not os.path.isabs(path) or os.path.normpath(path) != path:
        return f"{path} is no path of a subvolume: write an absolute one"
    if os.path.lexists(path) and (os.path.islink(path) or os.lstat(path).st_ino != TOP_INODE):
        return (
            f"{path} exists and is no subvolume, which alone has snapshots: move it away, run this again, and move its "
            "files into the subvolume"
        )
    return ""


def nearest(path: str) -> str:
    """Return the nearest directory that is there."""
    return path if os.path.isdir(path) else nearest(os.path.dirname(path))


def main() -> None:
    """Make what is missing and report it."""
    spec = {"paths": {"type": "list", "elements": "path", "required": True}}
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True)
    module.get_bin_path("btrfs", required=True)
    paths: list[str] = module.params["paths"]
    for line in filter(None, map(problem, paths)):
        module.fail_json(msg=line)
    for place in dict.fromkeys(map(nearest, paths)):
        code, _out, err = module.run_command(["btrfs", "inspect-internal", "rootid", place])
        if code:
            module.fail_json(msg=f"{place} is not on btrfs: {' '.join(err.split())[:200]}")
    missing = [path for path in paths if not os.path.lexists(path)]
    for path in [] if module.check_mode else missing:
        code, out, err = module.run_command(["btrfs", "subvolume", "create", path])
        if code:
            module.fail_json(msg=f"btrfs subvolume create {path}: {' '.join((err or out).split())[:200]}")
    lines = "".join(f"{path}\n" for path in missing)
    shown = {"diff": {"before": "", "after": lines}} if module._diff else {}
    module.exit_json(changed=bool(missing), subvolumes=missing, **shown)


if __name__ == "__main__":
    main()
