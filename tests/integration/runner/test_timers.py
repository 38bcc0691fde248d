# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an earlier choice of a timer left is stopped and removed: else runs start although nobody wants them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tool import ROOT

RUNNER, WATCH = "paranoid-backup-runner", "paranoid-backup-watch"
UNITS = [f"{unit}.{kind}" for unit in (RUNNER, WATCH) for kind in ("service", "timer")]
FAKE = """#!/bin/sh
echo "$@" >>"$0.log"
case "$1" in show) echo LoadState=loaded; echo ActiveState=active ;; is-enabled) echo enabled ;; esac
"""


def idle(place: Path, **variables: Any) -> tuple[list[str], list[str]]:
    """Run what the role does at its end where everything of before is there; return what is left, and what was said."""
    for name in ("bin", "systemd"):
        (place / name).mkdir(exist_ok=True)
    for name in UNITS:
        (place / "systemd" / name).touch()
    (place / "cron").touch()
    (place / "bin/systemctl").write_text(FAKE)
    (place / "bin/systemctl").chmod(0o755)
    settings = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "__backup_runner_systemd": f"{place}/systemd",
        "__backup_runner_cron": f"{place}/cron",
        **variables,
    }
    role = {"name": "paranoid.backup.backup_runner", "tasks_from": "idle.yml"}
    plays = [{"hosts": "localhost", "gather_facts": False, "tasks": [{"ansible.builtin.include_role": role}]}]
    (place / "play.yml").write_text(json.dumps(plays))
    environment = {
        **os.environ,
        "PATH": f"{place}/bin:{os.environ['PATH']}",
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".cache/collections"),
        "ANSIBLE_CONFIG": "/none",
    }
    program = Path(sys.executable).parent / "ansible-playbook"
    argv: list[str | Path] = [program, "-i", "localhost,", "-e", json.dumps(settings), "play.yml"]
    done = subprocess.run(argv, cwd=place, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    log = place / "bin/systemctl.log"
    said = log.read_text().splitlines() if log.exists() else []
    left = sorted([path.name for path in (place / "systemd").iterdir()] + [*(["cron"] * (place / "cron").exists())])
    return left, [line for line in said if line.split()[0] in ("stop", "disable", "daemon-reload")]


@pytest.mark.parametrize(
    ("variables", "left", "stopped"),
    [
        ({}, [], [RUNNER, WATCH]),
        ({"backup_runner_project": "/p"}, [f"{RUNNER}.service", f"{RUNNER}.timer"], [WATCH]),
        (
            {"backup_runner_project": "/p", "backup_runner_timer": "cron", "backup_runner_watch_servers": [{}]},
            ["cron", f"{WATCH}.service", f"{WATCH}.timer"],
            [RUNNER],
        ),
    ],
)
def test_what_is_not_wanted_any_more_starts_nothing(
    tmp_path: Path, variables: dict[str, Any], left: list[str], stopped: list[str]
) -> None:
    found, said = idle(tmp_path, **variables)
    assert found == left
    words = [line for unit in stopped for line in (f"disable {unit}.timer", f"stop {unit}.timer", "daemon-reload")]
    assert said == words


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "defaults": ({}, ""),
    "given": ({"backup_runner_upkeep": {"drill": {"every": "4w"}, "audit": {}}}, ""),
    "weekly": ({"backup_runner_digest": {"every": "1w", "days": ["mon"], "window": "07:00-12:00"}}, ""),
    "verb": ({"backup_runner_upkeep": {"maintian": {"every": "1w"}}}, "there is no maintian, only maintain, compact"),
    "rule": ({"backup_runner_upkeep": {"audit": {"evry": "4w"}}}, "there is no rule evry, only every, days"),
    "digest": ({"backup_runner_digest": {"day": ["mon"]}}, "there is no rule day, only every, days"),
    "never": ({"backup_runner_minutes": 0}, "backup_runner_minutes is a number from 1 to 59"),
    "hourly": ({"backup_runner_minutes": 60}, "backup_runner_minutes is a number from 1 to 59"),
    "at_once": ({"backup_runner_hours": 0}, "backup_runner_hours more than 0"),
}


def test_what_would_wake_nobody_or_never_be_due_is_refused(tmp_path: Path) -> None:
    hosts = {
        name: {"ansible_connection": "local", "ansible_python_interpreter": sys.executable, **changes}
        for name, (changes, _said) in REFUSED.items()
    }
    (tmp_path / "hosts.json").write_text(json.dumps({"all": {"hosts": hosts}}))
    role = {"name": "paranoid.backup.backup_runner", "tasks_from": "preflight.yml"}
    plays = [{"hosts": "all", "gather_facts": False, "tasks": [{"ansible.builtin.include_role": role}]}]
    (tmp_path / "play.yml").write_text(json.dumps(plays))
    environment = {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".cache/collections"),
        "ANSIBLE_CONFIG": "/none",
        "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.minimal",
    }
    argv: list[str | Path] = [Path(sys.executable).parent / "ansible-playbook", "-i", "hosts.json", "play.yml"]
    done = subprocess.run(argv, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    failed = sorted(line.split()[0] for line in done.stdout.splitlines() if " | FAILED! => " in line)
    assert failed == sorted(name for name, (_changes, said) in REFUSED.items() if said), done.stdout + done.stderr
    assert all(said in done.stdout for _changes, said in REFUSED.values()), done.stdout
