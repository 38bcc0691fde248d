# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A result passes through the real ansible-core unharmed: it gives some keys a meaning and a type of its own."""

from __future__ import annotations

import json
from typing import Any

import yaml
from ansible_collections.paranoid.backup.plugins.modules import audit, compact, session
from report_bench import Bench

MIRROR = """
from ansible.module_utils.basic import AnsibleModule

module = AnsibleModule({"result": {"type": "dict", "required": True}})
module.exit_json(**module.params["result"])
"""
PLAYBOOK = """
- hosts: localhost
  gather_facts: false
  tasks:
    - paranoid.backup.session:
      register: by_action
    - paranoid.backup.mirror:
        result: "{{ told.only }}"
      register: by_module
    - paranoid.backup.mirror:
        result: "{{ told.only }}"
      register: by_job
      async: 20
      poll: 1
    - ansible.builtin.copy:
        content: "{{ {'action': by_action, 'module': by_module, 'job': by_job} | to_json }}"
        dest: results.json
        mode: "0600"
"""


def documented() -> dict[str, Any]:
    """Return a result with every key that the documentation names, each with its sample."""
    returned = {**yaml.safe_load(audit.RETURN), **yaml.safe_load(compact.RETURN), **yaml.safe_load(session.RETURN)}
    return {key: value["sample"] for key, value in returned.items()}


def test_no_result_changes_on_its_way(bench: Bench) -> None:
    told = documented()
    assert {"verdict", "size_after", "archive"} <= told.keys()
    bench.hosts = {"localhost": {"told": {"only": told}}}
    (bench.root / "ansible_collections/paranoid/backup/plugins/modules/mirror.py").write_text(MIRROR)
    done = bench.run(playbook=PLAYBOOK)
    assert done.code == 0, done.output
    arrived = json.loads((bench.root / "results.json").read_text())
    for way in ("action", "module", "job"):
        assert {key: arrived[way].get(key) for key in told} == told, way
