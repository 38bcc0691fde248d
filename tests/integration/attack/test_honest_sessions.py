# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two honest clients, a hundred sessions each, of every kind and in any order: not one of them may be an alarm.

And one that is maintained in every way there is: no alarm, and no trim that is refused. More of both, as was done once:
``HONEST_SEEDS=1,2,3,4 HONEST_ROUNDS=4 .cache/venv/bin/pytest tests/integration/attack/test_honest_sessions.py``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest
from honest_maintenances import MAINTENANCES
from real import HOST_ID, LIBRARY
from tool import ROOT

CLIENT_LIBRARY = ROOT / "roles/backup_client/files/lib"
COLLECTIONS = ROOT / ".cache/collections"
SESSIONS = 100
SEEDS = [int(seed) for seed in os.environ.get("HONEST_SEEDS", "20261121,20261122").split(",")]
ROUNDS = int(os.environ.get("HONEST_ROUNDS", "1"))
MAY_FAIL = {"killed client", "killed gate", "refused"}


@pytest.fixture(scope="module")
def lives(tmp_path_factory: pytest.TempPathFactory) -> dict[int, list[dict[str, Any]]]:
    """What was told of each session, by seed; the lives run side by side."""
    running = {seed: begin("honest.py", tmp_path_factory.mktemp("life"), seed, SESSIONS) for seed in SEEDS}
    return {seed: wait_for(life) for seed, life in running.items()}


def begin(program: str, place: Path, *numbers: int) -> subprocess.Popen[bytes]:
    """Begin a life in a process of its own."""
    path = f"{COLLECTIONS}:{LIBRARY}:{CLIENT_LIBRARY}"
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": path, "BORG_HOST_ID": HOST_ID}
    argv = [sys.executable, str(ROOT / "tests/support" / program), str(place / "it"), *map(str, numbers)]
    return subprocess.Popen(argv, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def wait_for(life: subprocess.Popen[bytes]) -> list[dict[str, Any]]:
    """Return what was told of each session of a life that has ended."""
    output, errors = life.communicate(timeout=1200)
    assert life.returncode == 0, f"{life.args!r}: {errors.decode()[-2000:]}"
    return [json.loads(line) for line in output.splitlines()]


@pytest.mark.parametrize("seed", SEEDS)
def test_honest_sessions_raise_no_alarm(lives: dict[int, list[dict[str, Any]]], seed: int) -> None:
    *sessions, end = lives[seed]
    assert len(sessions) == SESSIONS
    alarms = [session for session in sessions if session["verdict"] == "alarm"]
    assert not alarms, f"seed {seed}: " + "\n".join(map(json.dumps, alarms))
    failed = [session for session in sessions if any(session["codes"]) and session["kind"] not in MAY_FAIL]
    assert not failed, f"seed {seed}: " + "\n".join(map(json.dumps, failed))
    assert end == {"kind": "end", "archives": True, "check": 0, "findings": []}, f"seed {seed}"


def test_the_sessions_were_what_their_kind_says(lives: dict[int, list[dict[str, Any]]]) -> None:
    kinds: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for told in lives.values():
        for session in told[:-1]:
            kinds[session["kind"]].append(session)
    assert len(kinds) == 15
    assert {session["verdict"] for session in kinds["other compression"]} == {"expected"}
    assert all(session["commits"] >= 2 for session in kinds["checkpoints"])
    assert any(session["gone"] for session in kinds["maintain"])
    for kind in ("killed client", "killed gate"):
        commits = {session["commits"] for session in kinds[kind]}
        assert {0, 1} <= commits, f"{kind}: none before, or none after a checkpoint: {commits}"
        assert any(session["codes"] != [0] for session in kinds[kind])
    assert all(session["commits"] for session in kinds["backup"])


@pytest.mark.parametrize("seed", SEEDS[:1])
def test_honest_maintenances_raise_no_alarm_and_are_not_refused(tmp_path: Path, seed: int) -> None:
    *sessions, end = wait_for(begin("honest_maintenances.py", tmp_path, seed, ROUNDS))
    maintenances = [one for one in sessions if one["kind"].startswith("maintenance ")]
    assert Counter(one["kind"] for one in maintenances) == {f"maintenance {kind}": ROUNDS for kind in MAINTENANCES}
    alarms = [session for session in sessions if session["verdict"] == "alarm"]
    assert not alarms, f"seed {seed}: " + "\n".join(map(json.dumps, alarms))
    failed = [
        one for one in sessions if any(one["codes"]) and one["kind"] not in MAY_FAIL and "cut off" not in one["kind"]
    ]
    assert not failed, f"seed {seed}: " + "\n".join(map(json.dumps, failed))
    assert all(one["gone"] for one in maintenances if "cut off" not in one["kind"])
    assert end["findings"] == [] and end["whole"] and not any(end["whole"]), f"seed {seed}: {end}"
