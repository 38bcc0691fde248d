# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What doctor says of a controller, and what it makes of a playbook that looked at hosts."""

from __future__ import annotations

import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from paranoid_runner.checks import Finding, Machine, judge_ansible, judge_machine
from paranoid_runner.doctor import Patient, _format, find_python, read_events
from schemas import check_document

MACHINE = Machine((3, 11), (), "", frozenset({"web1"}), "systemd", True, 2**30)
SEEN: dict[str, Any] = {
    "core": "2.19.14", "python": "3.11.2", "config": "/srv/ansible.cfg", "is_enabled": True, "vault": [],
    "groups": {"backup_servers": ["vault"], "backup_clients": ["web1"]}, "inventory_problem": "",
    "has_collection": True, "report_problem": "", "mail": "smtp", "mail_problem": "", "places": 0,
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, []),
        ({"python": (3, 10)}, ["bad: Python is 3.10"]),
        ({"missing": ["rich"]}, ["odd: rich is not installed"]),
        ({"timer": "inactive"}, ["bad: nothing wakes the runner"]),
        ({"timer": "cron"}, []),
        ({"timer": "none"}, []),
        ({"config_problem": "it is not there: run site.yml", "timer": "inactive"}, ["odd: it is not there"]),
        ({"is_synchronized": False}, ["odd: no time service"]),
        ({"is_synchronized": None}, []),
        ({"free": 2**20}, ["bad: only 1 MiB are free"]),
        ({"free": None}, []),
    ],
)
def test_what_is_said_of_the_machine(changes: dict[str, Any], said: list[str]) -> None:
    compare(list(judge_machine(replace(MACHINE, **changes))), said)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, []),
        ({"core": "2.18.1"}, ["bad: ansible-core 2.18.1 on Python 3.11.2 is too old"]),
        ({"core": "2.22.0rc1"}, ["odd: ansible-core 2.22.0rc1"]),
        ({"is_enabled": False}, ["bad: the callback"]),
        ({"has_collection": False, "is_enabled": False}, ["bad: Ansible does not find the collection"]),
        ({"report_problem": "mail_to: x"}, ["bad: the report cannot be made: mail_to: x"]),
        ({"mail": "none"}, ["odd: no mail is sent"]),
        ({"mail": "none", "places": 2}, []),
        ({"mail_problem": "mail:25: refused"}, ["bad: a mail could not be handed in: mail:25"]),
        ({"vault": ["the vault's password file /x cannot be read"]}, ["bad: the vault's password file"]),
        ({"inventory_problem": "it is broken", "groups": {}}, ["bad: it is broken"]),
        (
            {"groups": {}},
            ["bad: the inventory has nobody in the group backup_servers", "bad: the inventory has nobody"],
        ),
        ({"groups": {"backup_servers": ["v"], "backup_clients": ["web1", "new"]}}, ["bad: 1 clients of the inventory"]),
    ],
)
def test_what_is_said_of_ansible(changes: dict[str, Any], said: list[str]) -> None:
    compare(list(judge_ansible({**SEEN, **changes}, frozenset({"web1"}))), said)


def compare(found: list[Finding], said: list[str]) -> None:
    told = [f"{one.state}: {one.line}" for one in found if one.state != "ok"]
    assert len(told) == len(said) and all(map(str.startswith, told, said)), told
    known = {"runner", "ansible"}  # their lines have the cure, or need none
    assert all(one.cure for one in found if one.state != "ok" and one.check not in known)


def event(
    kind: str, host: str, play: str = "Look at the clients", action: str = "paranoid.backup.doctor", **res: Any
) -> Any:
    return {"event": kind, "event_data": {"host": host, "play": play, "task_action": action, "res": res}}


def test_events_of_the_playbook_are_findings() -> None:
    well = asdict(Finding("clock", "ok", "fine"))
    events = [
        {"event": "verbose"},
        event("runner_on_ok", "vault", "Look at the servers", findings=[well]),
        event("runner_on_ok", "web1", findings=[well, {**well, "state": "bad"}]),
        event("runner_on_unreachable", "web2", msg="no\nroute"),
        event("runner_on_failed", "web3"),
        event("runner_on_failed", "web1", action="ansible.builtin.assert"),
    ]
    found = list(read_events(iter(events), "/srv/hosts.yml"))
    assert [(name, kind, [one.state for one in findings]) for name, kind, findings in found] == [
        ("vault", "server", ["ok"]), ("web1", "client", ["ok", "bad"]),
        ("web2", "client", ["bad"]), ("web3", "client", ["bad"]),
    ]  # fmt: skip
    assert "no route" in found[2][2][0].line
    assert found[2][2][0].cure.startswith("ansible -i /srv/hosts.yml web2 "), "as doctor itself was led to it"


def test_who_is_well_is_one_line() -> None:
    well, ill = Finding("a", "ok", "fine"), Finding("b", "bad", "ill\x1b[2J", "take \u202ethis")
    patients = [Patient("controller", "controller", (well,)), Patient("web1", "client", (ill, well))]
    patients += [Patient(f"c{place}", "client", (well,)) for place in range(300)]
    lines = list(_format(patients))
    assert lines == [
        "controller", "  ok   fine", "web1 (client)", "  BAD  ill?[2J", "       -> take ?this", "  ok   fine",
        "300 clients are well: c0, c1, c2, c3, c4, ...", "1 to mend, 0 to look at",
    ]  # fmt: skip
    check_document("doctor", {"schema": 1, "hosts": [{"name": "web1", "kind": "client", "findings": [asdict(ill)]}]})


def test_ansibles_own_python_is_found(tmp_path: Path) -> None:
    assert find_python(str(tmp_path)) == ""
    program = tmp_path / "ansible-playbook"
    for first, python in (
        (f"#!{sys.executable}", sys.executable),
        (f"#!{sys.executable} -I", sys.executable),
        ("#!/bin/sh", sys.executable),
        ("ELF", sys.executable),
    ):
        program.write_text(first + "\n")
        program.chmod(0o755)
        assert find_python(str(tmp_path)) == python, first
