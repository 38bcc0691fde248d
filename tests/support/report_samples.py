# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of the report share: anything at all, hostile text, a session, and a backup playbook."""

from __future__ import annotations

from typing import Any

from ansible_collections.paranoid.backup.plugins.plugin_utils._record import Session
from hypothesis import strategies as st

HOSTILE = (
    "<script>alert(1)</script>&\"'{{ 7*7 }}\r\nBcc: victim@example.org\x1b[2J\x1b]0;x\x07\u202egnp\u200b\ud800\x00"
)

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)

PLAYBOOK = """
- hosts: backup_clients
  gather_facts: false
  tasks:
    - name: Refuse a run that nobody would hear of
      ansible.builtin.assert:
        that: lookup('ansible.builtin.env', 'PARANOID_BACKUP_RUN_ID') | length > 0
      run_once: true
    - name: Back up
      paranoid.backup.session:
        client: "{{ inventory_hostname }}"
        verb: backup
        run_id: "{{ lookup('ansible.builtin.env', 'PARANOID_BACKUP_RUN_ID') }}"
"""


def session(**changes: Any) -> Session:
    archive = {"name": "a", "id": "f" * 64, "nfiles": 184223, "original_size": 48 * 2**30}
    sizes = {"compressed_size": 31 * 2**30, "deduplicated_size": 212 * 2**20}
    raw = {"duration": 63.2, "bytes_received": 310 * 2**20, "archive": {**archive, **sizes}}
    return Session.from_dict({**raw, **changes})
