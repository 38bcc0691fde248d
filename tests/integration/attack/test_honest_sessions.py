# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two honest clients, a hundred sessions each, of every kind and in any order: not one of them may be an alarm."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import defaultdict
from typing import Any

import pytest
from real import HOST_ID, LIBRARY
from tool import ROOT

COLLECTIONS = ROOT / ".cache/collections"
SESSIONS = 100
SEEDS = [int(seed) for seed in os.environ.get("HONEST_SEEDS", "20261121,20261122").split(",")]
MAY_FAIL = {"killed client", "killed gate", "refused"}


@pytest.fixture(scope="module")
def lives(tmp_path_factory: pytest.TempPathFactory) -> dict[int, list[dict[str, Any]]]:
    """What was told of each session, by seed; the lives run side by side."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": f"{COLLECTIONS}:{LIBRARY}", "BORG_HOST_ID": HOST_ID}
    running = {}
    for seed in SEEDS:
        place = tmp_path_factory.mktemp("life")
        argv = [sys.executable, str(ROOT / "tests/support/honest.py"), str(place / "it"), str(seed), str(SESSIONS)]
        running[seed] = subprocess.Popen(argv, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    told = {}
    for seed, process in running.items():
        output, errors = process.communicate(timeout=1200)
        assert process.returncode == 0, f"seed {seed}: {errors.decode()[-2000:]}"
        told[seed] = [json.loads(line) for line in output.splitlines()]
    return told


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
