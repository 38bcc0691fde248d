#!/usr/bin/python
# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lays down a whole list of files and directories at once."""

from __future__ import annotations

DOCUMENTATION = r"""
module: file_tree
short_description: Make a list of files and directories as desired, all at once
version_added: 0.1.0
author:
  - The paranoid.backup authors (@paranoid-backup)
description:
  - Does for a whole list what M(ansible.builtin.file) and M(ansible.builtin.copy) do for one path. With those, each
    file of each host takes two runs of a module, which is most of the time that provisioning takes.
  - A file that differs in any way is replaced, by a whole new one at once. The directories around are to be root's.
options:
  files:
    description: The desired files and directories; they are made in this order.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: Where it is.
        type: path
        required: true
      state:
        description: What it is. A directory that is to be V(absent) is removed with its content.
        type: str
        choices: [file, directory, absent]
        default: file
      content:
        description: The whole text of the file.
        type: str
      mode:
        description: Its mode in octal digits. Required unless O(files[].state=absent).
        type: str
      owner:
        description: Its owner, when not O(owner).
        type: str
      group:
        description: Its group, when not O(group).
        type: str
      validate:
        description: Command that checks a new file, V(%s), before it takes its place. Check mode does not run it.
        type: str
        default: ""
      only:
        description: Remove whatever lies in this directory and is not in the list.
        type: bool
        default: false
      secret:
        description:
          - The file, old or new, may hold secrets. The diff then shows none of its content; of a JSON object it
            names the keys whose values change. O(files[].validate) must not quote it either.
        type: bool
        default: false
  owner:
    description: Owner of every entry that names none.
    type: str
    default: root
  group:
    description: Group of every entry that names none. By default it is root's, whose name differs between platforms.
    type: str
attributes:
  check_mode:
    support: full
    description: Reports what would change.
  diff_mode:
    support: full
    description: >-
      Shows the text that changes, but for what is O(files[].secret); of new files of more than 10 lines their
      number, and of those in a directory with O(files[].only) nothing but how many they are.
  idempotent:
    support: full
    description: What is already as desired is not touched.
"""

EXAMPLES = r"""
- name: Lay down a program and its configuration
  paranoid.backup.file_tree:
    files:
      - {path: /etc/example, state: directory, mode: "0755"}
      - path: /etc/example/main.conf
        content: "{{ lookup('ansible.builtin.template', 'main.conf.j2') }}"
        mode: "0644"
      - {path: /etc/example/old.conf, state: absent}
"""

RETURN = r"""
paths:
  description: The paths that were not as desired.
  returned: success
  type: list
  elements: str
  sample: [/etc/example/main.conf]
"""

import grp
import re
from typing import Any, Optional

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.paranoid.backup.plugins.module_utils._provision.file_tree import (
    Desired,
    TreeError,
    ensure,
    list_diffs,
)

SUBOPTIONS = {
    "path": {"type": "path", "required": True},
    "state": {"type": "str", "choices": ["file", "directory", "absent"], "default": "file"},
    "content": {"type": "str"},
    "mode": {"type": "str"},
    "owner": {"type": "str"},
    "group": {"type": "str"},
    "validate": {"type": "str", "default": ""},
    "only": {"type": "bool", "default": False},
    "secret": {"type": "bool", "default": False},
}


def parse_entry(entry: dict[str, Any], owner: str, group: str) -> Desired:
    """Parse one entry of the list; TreeError if it makes no sense."""
    path, state = entry["path"], entry["state"]
    if not path.startswith("/"):
        raise TreeError(f"{path}: a path must be absolute")
    if state == "absent":
        return Desired(path, state)
    if (entry["content"] is None) == (state == "file"):
        raise TreeError(f"{path}: a file must have a content, and nothing else can")
    if not re.fullmatch("[0-7]{3,4}", entry["mode"] or ""):
        raise TreeError(f"{path}: its mode must be octal digits in quotes")
    owner, group = entry["owner"] or owner, entry["group"] or group
    content = (entry["content"] or "").encode()
    mode, flags = int(entry["mode"], 8), (entry["only"], entry.get("secret", False))
    return Desired(path, state, owner, group, mode, content, entry["validate"], *flags)


def main() -> None:
    """Make the list as desired and report what was not."""
    spec = {
        "files": {"type": "list", "elements": "dict", "required": True, "options": SUBOPTIONS, "no_log": True},
        "owner": {"type": "str", "default": "root"},
        "group": {"type": "str"},
    }
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True)
    # no_log keeps whole files out of the host's syslog; in the answer there is nothing of them but the diff.
    module.no_log_values.clear()

    def refusal(command: str) -> Optional[str]:
        code, out, err = module.run_command(command)
        return " ".join((err or out or f"{command.split()[0]} refuses it").split()) if code else None

    owner, group = module.params["owner"], module.params["group"] or grp.getgrgid(0).gr_name
    try:
        tree = [parse_entry(entry, owner, group) for entry in module.params["files"]]
        changes = ensure(tree, module.check_mode, refusal)
    except TreeError as error:
        module.fail_json(msg=str(error), invocation={})
    shown = {"diff": list_diffs(changes)} if module._diff else {}
    module.exit_json(changed=bool(changes), paths=[change.path for change in changes], invocation={}, **shown)


if __name__ == "__main__":
    main()
