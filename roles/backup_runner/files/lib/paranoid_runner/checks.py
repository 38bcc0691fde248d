# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is missing on a controller, decided from what was seen there. No I/O; each line has its cure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

CALLBACK = "paranoid.backup.report"
OLDEST_CORE, FIRST_UNKNOWN_CORE = (2, 19), (2, 22)
LEAST_FREE = 200 * 1024**2


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: ``state`` is ok, odd (somebody should look) or bad (it must be mended)."""

    check: str
    state: str
    line: str
    cure: str = ""


@dataclass(frozen=True)
class Machine:
    """What the command sees of its own machine: None is unknown; ``free`` are bytes where logs and reports go."""

    python: tuple[int, int]
    missing: Sequence[str]
    config_problem: str
    planned: frozenset[str] | None
    timer: str | None
    is_synchronized: bool | None
    free: int | None


def judge_machine(seen: Machine) -> Iterator[Finding]:
    """Judge what needs no Ansible."""
    if seen.python < (3, 11):
        yield Finding("python", "bad", f"Python is {seen.python[0]}.{seen.python[1]}", "install Python 3.11 or newer")
    for name in seen.missing:
        yield Finding("libraries", "odd", f"{name} is not installed for this command", "run the role backup_runner")
    if seen.config_problem:
        yield Finding("runner", "odd", seen.config_problem)
    elif seen.timer == "none":
        yield Finding("timer", "ok", "something else starts runs (backup_runner_timer is none)")
    elif seen.timer == "inactive":
        cure = "systemctl enable --now paranoid-backup-runner.timer; if it is not there, run paranoid.backup.site"
        yield Finding("timer", "bad", "nothing wakes the runner: its timer is not active", cure)
    elif seen.timer:
        yield Finding("timer", "ok", f"the runner is woken by {seen.timer}")
    if seen.is_synchronized is False:
        cure = "start a time service: systemctl enable --now systemd-timesyncd"
        yield Finding("clock", "odd", "no time service keeps the clock", cure)
    if seen.free is not None and seen.free < LEAST_FREE:
        line = f"only {seen.free // 1024**2} MiB are free where logs and reports go"
        yield Finding("disk", "bad", line, "free at least 200 MiB there")


def judge_ansible(seen: Mapping[str, Any], planned: frozenset[str] | None) -> Iterator[Finding]:
    """Judge what Ansible's own Python saw (probe.py)."""
    yield _judge_core(str(seen["core"]), str(seen["python"]))
    yield from _judge_report(seen)
    yield from (Finding("vault", "bad", line, "put it there, readable for this user") for line in seen["vault"])
    yield from _judge_inventory(seen["groups"], seen["inventory_problem"], planned)


def _judge_core(core: str, python: str) -> Finding:
    numbers = tuple(int(word) for word in re.findall(r"\d+", core)[:2])
    shown = f"ansible-core {core} on Python {python}"
    if numbers < OLDEST_CORE:
        return Finding("ansible", "bad", f"{shown} is too old", "install ansible-core 2.19 or newer")
    if numbers >= FIRST_UNKNOWN_CORE:
        return Finding("ansible", "odd", f"{shown} is newer than what this collection was tried with")
    return Finding("ansible", "ok", shown)


def _judge_report(seen: Mapping[str, Any]) -> Iterator[Finding]:
    config = seen["config"] or "ansible.cfg"
    if not seen["has_collection"]:
        cure = f"ansible-galaxy collection install paranoid.backup, or set collections_path in {config}"
        yield Finding("collection", "bad", "Ansible does not find the collection paranoid.backup", cure)
        return
    if not seen["is_enabled"]:
        cure = f'put "callbacks_enabled = {CALLBACK}" under [defaults] in {config}'
        yield Finding("callback", "bad", f"the callback {CALLBACK} is not enabled, so nobody would hear of a run", cure)
    if seen["report_problem"]:
        yield Finding(
            "report", "bad", f"the report cannot be made: {seen['report_problem']}", f"correct it in {config}"
        )
    elif seen["mail"] == "none" and seen["places"]:
        line = f"no mail is sent (method = none); {seen['places']} places beside mail are told"
        yield Finding("mail", "ok", line)
    elif seen["mail"] == "none":
        line = "no mail is sent (method = none), so nobody hears of a run that fails"
        yield Finding("mail", "odd", line, f"set method, mail_from and mail_to in {config}")
    elif seen["mail_problem"]:
        cure = "mend the mail server, or the settings smtp_* of the callback"
        yield Finding("mail", "bad", f"a mail could not be handed in: {seen['mail_problem']}", cure)
    else:
        yield Finding("mail", "ok", f"mail goes by {seen['mail']}; none was sent now")


def _judge_inventory(
    groups: Mapping[str, Sequence[str]], problem: str, planned: frozenset[str] | None
) -> Iterator[Finding]:
    if problem:
        yield Finding("inventory", "bad", problem, "correct the inventory, or name another with --inventory")
        return
    for name, what in (("backup_servers", "a server"), ("backup_clients", "the hosts to back up")):
        if not groups.get(name):
            yield Finding("inventory", "bad", f"the inventory has nobody in the group {name}", f"put {what} into it")
    clients = frozenset(groups.get("backup_clients", ()))
    if clients and groups.get("backup_servers"):
        yield Finding("inventory", "ok", f"{len(clients)} clients, {len(groups['backup_servers'])} servers")
    if planned is not None and clients - planned:
        some = ", ".join(sorted(clients - planned)[:5])
        line = f"{len(clients - planned)} clients of the inventory have no turn yet: {some}"
        yield Finding("schedule", "bad", line, "run the playbook paranoid.backup.site")
