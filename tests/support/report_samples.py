# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of the report share: anything at all, hostile text, a session, and a backup playbook."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ansible_collections.paranoid.backup.plugins.plugin_utils._record.model import Client, Run, State, Work
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.results import SessionResult
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
    - name: Back up
      paranoid.backup.session:
        client: "{{ inventory_hostname }}"
        verb: backup
        run_id: "{{ lookup('ansible.builtin.env', 'PARANOID_BACKUP_RUN_ID') }}"
"""

# What may stand below it: two other works.
MAINTAIN = """
    - name: Maintain
      paranoid.backup.session:
        client: "{{ inventory_hostname }}"
        verb: maintain
      tags: [maintain]
"""
COMPACT = """
    - name: Compact
      paranoid.backup.compact:
        client: "{{ inventory_hostname }}"
"""

# The result of a maintenance.
MAINTAINED = {
    "status": "ok",
    "maintain": {
        "named": ["1" * 64], "deleted": ["1" * 64], "kept": 30, "missing": [], "unknown": [], "check": "ok",
        "waiting": "", "plan": {"drop": [{"id": "1" * 64, "name": "old"}], "keep": []},
    },
}  # fmt: skip


def session(**changes: Any) -> SessionResult:
    """A backup that went well, but for the changes."""
    archive = {"name": "a", "id": "f" * 64, "nfiles": 184223, "original_size": 48 * 2**30}
    sizes = {"compressed_size": 31 * 2**30, "deduplicated_size": 212 * 2**20}
    raw = {"duration": 63.2, "bytes_received": 310 * 2**20, "archive": {**archive, **sizes}}
    return SessionResult.from_dict({**raw, **changes})


def maintained(code: str = "", reason: str = "", **changes: Any) -> SessionResult:
    """Three archives went, one that nobody knows is there, the check went well."""
    drop = [{"id": digit * 64, "name": f"web01-2026-10-0{digit}T03:00:00"} for digit in "123"]
    raw = {
        "named": [one["id"] for one in drop], "deleted": [one["id"] for one in drop], "kept": 28, "missing": [],
        "unknown": [], "check": "ok", "waiting": "", "plan": {"drop": drop, "keep": [{"id": "9" * 64, "name": "kept"}]},
    }  # fmt: skip
    return SessionResult.from_dict({"duration": 94.0, "code": code, "reason": reason, "maintain": {**raw, **changes}})


def compacted(**changes: Any) -> SessionResult:
    """A compaction that freed 3 GiB, but for the changes."""
    raw = {"size": 50 * 2**30, "freeable": 3 * 2**30, "size_after": 47 * 2**30, "waiting": "", **changes}
    return SessionResult.from_dict({"duration": 41.0, "compaction": raw})


def maintain_run(run: Run) -> Run:
    """One client of every kind that only a maintenance knows; db02 is hostile in every text."""
    gone = {"kind": "words", "client": "mail01", "findings": ["ALARM: gone"], "since": "2026-11-20T03:00:12+00:00"}
    frozen = {"code": "frozen", "reason": "mail01 is frozen since 2026-11-20T03:00:12+00:00", "alarm": gone}
    waits = "the trim of 2026-11-14 waits for its compaction, so 4 archives stay until then"
    unknown = [{"id": "c" * 64, "name": "by-hand"}, {"id": "d" * 64, "name": HOSTILE}]
    lost = maintained("archives_missing", HOSTILE, deleted=[], missing=["9" * 64, "8" * 64], check="skipped")
    clients = (
        Client("web01", State.OK, maintained()),
        Client("web02", State.OK, maintained(named=[], deleted=[], waiting=waits)),
        Client("db01", State.OK, maintained(unknown=unknown)),
        Client("db02", State.FAILED, lost),
        Client("app01", State.FAILED, maintained("check_failed", "errors", check="failed")),
        Client("mail01", State.FAILED, SessionResult.from_dict(frozen)),
    )
    works = tuple(replace(client, work=Work.MAINTAIN) for client in clients)
    return replace(run, playbook="maintain.yml", clients=works)


def compact_run(run: Run) -> Run:
    """One client that was compacted, two that have to wait, one alarm."""
    held = "what was deleted is held until 2026-12-05T06:30+00:00"
    alarm = {"kind": "repository", "client": "db01", "findings": ["12 stored objects were deleted"]}
    clients = (
        Client("web01", State.OK, compacted()),
        Client("web02", State.OK, compacted(size_after=None, waiting=held)),
        Client("app01", State.OK, compacted(size_after=None, waiting=held)),
        Client(
            "db01", State.FAILED, SessionResult.from_dict({"code": "alarm", "reason": "see its data", "alarm": alarm})
        ),
    )
    works = tuple(replace(client, work=Work.COMPACT) for client in clients)
    return replace(run, playbook="compact.yml", clients=works)


def audit_run(run: Run) -> Run:
    """One client that is as it was left, one with damage."""
    clean = SessionResult.from_dict({"duration": 0.3, "audit": {"verdict": "clean", "findings": []}})
    damage = {"verdict": "alarm", "findings": ["damage: segment 17, offset 8: wrong checksum"]}
    found = SessionResult.from_dict(
        {"code": "alarm", "audit": damage, "reason": "ALARM: db01's repository is not as it was"}
    )
    clients = (Client("web01", State.OK, clean), Client("db01", State.FAILED, found))
    works = tuple(replace(client, work=Work.AUDIT) for client in clients)
    return replace(run, playbook="audit.yml", clients=works)
