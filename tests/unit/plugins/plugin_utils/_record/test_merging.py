# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs that are told as one: nothing of a part is lost, and no part makes another's clients absent."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from ansible_collections.paranoid.backup.plugins.plugin_utils._record.merging import Part, merge
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.model import (
    Client,
    Mail,
    MailState,
    Run,
    State,
    Work,
)
from ansible_collections.paranoid.backup.plugins.plugin_utils._record.roll_call import Absence, Absent, Roll
from hypothesis import given
from report_samples import ANYTHING, compacted, maintained, session

WHOLE = Run("whole", "t", "c", "u", "report", False, "2026-11-26T09:00:00Z", "", Mail(MailState.PENDING))


def part(run_id: str, *clients: Client, **changes: Any) -> Part:
    run = replace(WHOLE, run_id=run_id, clients=clients, started="2026-11-26T03:00:00Z", **changes)
    return Part(run_id, json.loads(json.dumps(run.to_dict())))


def test_clients_of_all_parts_are_there_as_they_were() -> None:
    clients = (
        Client("web1", State.OK, session(), began="2026-11-26T03:00:01Z"),
        Client("db1", State.FAILED, session(reason="no luck", code="unreachable")),
        Client("web1", State.OK, maintained(), Work.MAINTAIN),
        Client("db1", State.OK, compacted(), Work.COMPACT),
        Client("web2", State.RUNNING),
    )
    run = merge(WHOLE, [part("a", *clients[:2], problems=("no disk",)), part("b", *clients[2:])])
    assert run.clients == clients and run.problems == ("a: no disk",)
    assert (run.run_id, run.started, run.roll) == ("whole", "2026-11-26T03:00:00Z", None)
    assert run.tally.failed == 2, "one that never ended has failed"


def test_a_client_of_two_parts_counts_by_its_last_result() -> None:
    bad, good, planned = (Client("web1", state) for state in (State.FAILED, State.OK, State.PLANNED))
    for states, left in (((bad, good), good), ((good, bad), bad), ((bad, planned), bad), ((planned, good), good)):
        assert merge(WHOLE, [part(str(place), one) for place, one in enumerate(states)]).clients == (left,)


def test_who_is_in_another_part_is_not_absent() -> None:
    others = tuple(Absent(name, "vault", Absence.UNLISTED) for name in ("web1", "web2", "gone"))
    moved = Absent("web1", "vault", Absence.MOVED, address="a", wanted="b")
    parts = [
        part("a", Client("web1", State.OK), roll=Roll((*others[1:], moved), ("vault2: away",), ("left", "web2"))),
        part("b", Client("web2", State.OK), roll=Roll((others[0], others[2]), ("vault2: away",))),
    ]
    roll = merge(WHOLE, parts).roll
    assert roll == Roll((others[2], moved), ("vault2: away",), ("left",))


@given(ANYTHING, ANYTHING, ANYTHING)
def test_a_record_of_anything_is_read(clients: Any, roll: Any, problems: Any) -> None:
    inner = {"name": clients, "state": roll, "work": problems, "session": clients}
    for record in ({}, {"clients": clients, "roll": roll, "problems": problems}, {"clients": [inner], "roll": inner}):
        assert merge(WHOLE, [Part("a", record)]).to_dict()
