#!/usr/bin/python
# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the server's ledger: its head, its chain, its entries, and how fresh each client is."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ledger_info
short_description: Read the backup server's ledger
version_added: 0.1.0
author:
  - The paranoid.backup authors (@paranoid-backup)
description:
  - Reads the ledger in which the backup server keeps what it saw of sessions, archives, audits, deletions, compactions
    and freezes, and checks its hash chain.
  - A broken chain does not fail the task; RV(chain) reports it, for the play to act upon.
  - It runs on the server, as root. To read another ledger, such as a copy in a snapshot, set O(path).
options:
  path:
    description: The ledger's file.
    type: path
    default: /var/lib/paranoid-backup/ledger.sqlite
  client:
    description: Return only the entries and the state of this client.
    type: str
    default: ""
  kind:
    description: Return only entries of this kind; all kinds if it is empty.
    type: str
    choices:
      ["", session, archive, audit, trim, compaction, freeze, unfreeze, repository, rollback, list, accept, clock,
      rebuild, rehearsal, forget, retire, destroy]
    default: ""
  since:
    description: Return only entries from this time on, in ISO 8601; UTC if it names no offset.
    type: str
    default: ""
  limit:
    description: Return at most this many entries, the newest. V(0) returns none, to check only the chain.
    type: int
    default: 100
  verify:
    description: Check the whole chain.
    type: bool
    default: true
  known_head:
    description:
      - A head that was noted earlier and elsewhere, such as on another machine, in the form of RV(head).
      - Only this shows that a ledger was cut off, or written anew as a whole.
    type: str
    default: ""
attributes:
  check_mode:
    support: full
    description: It changes nothing in any mode.
  diff_mode:
    support: none
    description: It changes nothing.
  idempotent:
    support: full
    description: It changes nothing.
"""

EXAMPLES = r"""
- name: Check the chain against the head that another machine noted last night
  paranoid.backup.ledger_info:
    known_head: "4711:5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9"
    limit: 0
  register: ledger
  failed_when: not ledger.chain.ok
  delegate_to: vault

- name: Show what happened to one client since November
  paranoid.backup.ledger_info:
    client: web1
    since: "2026-11-01"
    verify: false
  delegate_to: vault
"""

RETURN = r"""
head:
  description: Number and hash of the newest entry.
  returned: success
  type: str
  sample: "4711:5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9"
chain:
  description: What the check of the chain found, null where O(verify=false).
  returned: success
  type: dict
  contains:
    ok:
      description: Whether the chain is whole.
      type: bool
      returned: success
      sample: true
    first_bad:
      description: Number of the first entry that is missing or was altered, null when there is none.
      type: int
      returned: success
      sample: null
    problem:
      description: What is wrong in one line, empty when nothing is.
      type: str
      returned: success
      sample: ""
    checked:
      description: How many entries were found to be whole.
      type: int
      returned: success
      sample: 4711
entries:
  description:
    - The entries asked for, oldest first. Each has C(seq), C(time) (the server's clock, UTC),
      C(kind), C(client), C(hash) and the fields of its kind.
    - Texts in it that a client chose are printable and capped, but still only its word.
  returned: success
  type: list
  elements: dict
  sample: [{"seq": 1, "time": "2026-11-01T03:00:00+00:00", "kind": "freeze", "client": "web1", "reason": "…"}]
clients:
  description: What is known of each client now.
  returned: success
  type: list
  elements: dict
  contains:
    client:
      description: Name of the client.
      type: str
      returned: success
      sample: web1
    last_session:
      description: When its last session ended, null when there was none.
      type: str
      returned: success
      sample: "2026-11-21T03:00:00+00:00"
    last_status:
      description: Status of that session, empty when there was none.
      type: str
      returned: success
      sample: failed
    last_success:
      description: When its newest good archive arrived, null when there is none.
      type: str
      returned: success
      sample: "2026-11-20T03:00:00+00:00"
    age:
      description: Seconds since then, null when there is no good archive.
      type: int
      returned: success
      sample: 97200
    frozen:
      description: Why its repository is frozen, empty when it is not.
      type: str
      returned: success
      sample: ""
"""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.paranoid.backup.plugins.module_utils._common.alarm import alarm_line
from ansible_collections.paranoid.backup.plugins.module_utils._common.clock import utc_now
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.chain import EMPTY, ChainReport, parse_head
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.entries import (
    KINDS,
    LedgerError,
    LedgerRow,
    SessionEntry,
)
from ansible_collections.paranoid.backup.plugins.module_utils._ledger.ledger import ClientState, Ledger

ARGUMENTS: dict[str, dict[str, Any]] = {
    "path": {"type": "path", "default": "/var/lib/paranoid-backup/ledger.sqlite"},
    "client": {"type": "str", "default": ""},
    "kind": {"type": "str", "default": "", "choices": ["", *KINDS]},
    "since": {"type": "str", "default": ""},
    "limit": {"type": "int", "default": 100},
    "verify": {"type": "bool", "default": True},
    "known_head": {"type": "str", "default": ""},
}


def read_ledger(options: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """Return the module's result; LedgerError or ValueError, in one line, if it cannot be read."""
    since = parse_time(options["since"]) if options["since"] else None
    known = parse_head(options["known_head"]) if options["known_head"] else EMPTY
    if options["limit"] < 0:
        raise ValueError("limit is a number of entries, 0 or more")
    with Ledger.read(options["path"]) as ledger:
        head = ledger.head()
        chain = describe_chain(ledger.verify(known)) if options["verify"] else None
        rows = ledger.entries(options["kind"], options["client"], since, options["limit"])
        states = [ledger.state(options["client"])] if options["client"] else ledger.states()
    return {
        "head": str(head),
        "chain": chain,
        "entries": [describe_entry(row) for row in rows],
        "clients": [describe_state(state, now) for state in states],
    }


def parse_time(text: str) -> datetime:
    """Return the aware time that ``text`` (ISO 8601, UTC by default) names; ValueError if it names none."""
    try:
        time = datetime.fromisoformat(text)
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"since is a time like 2026-11-01 or 2026-11-01T03:00:00+01:00, not {text!r:.60}") from None


def describe_chain(report: ChainReport) -> dict[str, Any]:
    """Return the fields of ``report`` that the module's documentation lists."""
    content = asdict(report)
    return {name: content[name] for name in ("ok", "first_bad", "problem", "checked")}


def describe_entry(row: LedgerRow) -> dict[str, Any]:
    """Return one entry: the fields of its kind, and its place in the chain."""
    place = {"seq": row.seq, "time": row.time.isoformat(), "kind": row.kind, "hash": row.hash}
    return {**asdict(row.entry), **place}


def describe_state(state: ClientState, now: datetime) -> dict[str, Any]:
    """Return a client's state; ``age`` is whole seconds before ``now``."""
    session = state.last_session.entry if state.last_session else None
    return {
        "client": state.client,
        "last_session": format_time(state.last_session),
        "last_status": session.status if isinstance(session, SessionEntry) else "",
        "last_success": format_time(state.last_success),
        "age": int((now - state.last_success.time).total_seconds()) if state.last_success else None,
        "frozen": alarm_line(state.frozen_by) if state.frozen_by else "",
    }


def format_time(row: LedgerRow | None) -> str | None:
    """Return the time of ``row`` in ISO 8601."""
    return row.time.isoformat() if row else None


def main() -> None:
    """Read the options and the ledger, and return what it says."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        content = read_ledger(module.params, utc_now())
    except (LedgerError, ValueError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, **content)


if __name__ == "__main__":
    main()
