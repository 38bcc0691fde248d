# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Locks: one session per client, so many per server, and the kernel lets go for the dead."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ansible_collections.paranoid.backup.plugins.module_utils._common.errors import SessionError
from ansible_collections.paranoid.backup.plugins.module_utils._common.locks import client_lock, port_lock, slot

HOLD = """
import sys, time
from ansible_collections.paranoid.backup.plugins.module_utils._common.locks import client_lock
with client_lock(sys.argv[1], "web1", "session 12345678"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_another_process_is_locked_out_until_the_holder_dies(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, env={"PYTHONPATH": ":".join(sys.path)}
    )
    assert holder.stdout and holder.stdout.readline() == b"held\n"
    with (
        pytest.raises(SessionError, match=r"web1 is under way \(session 12345678\)") as caught,
        client_lock(str(tmp_path), "web1", "x"),
    ):
        pass
    assert caught.value.code == "locked"
    with client_lock(str(tmp_path), "web2", "another client is free"):
        holder.kill()
        holder.communicate()
    with client_lock(str(tmp_path), "web1", "free again"):
        pass


def test_who_is_patient_waits_for_the_holder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    holder = port_lock(str(tmp_path), "web1", "x", 0)
    holder.__enter__()
    waits: list[float] = []

    def let_go(seconds: float) -> None:
        waits.append(seconds)
        holder.__exit__(None, None, None)

    monkeypatch.setattr(time, "sleep", let_go)
    with client_lock(str(tmp_path), "web1", "not the same lock"), port_lock(str(tmp_path), "web1", "y", 60):
        assert len(waits) == 1


def test_a_port_that_stays_taken_is_somebody_elses(tmp_path: Path) -> None:
    with (
        port_lock(str(tmp_path), "odd1", "session 12345678, for web1", 0),
        pytest.raises(SessionError, match=r"odd1 is under way \(session 12345678, for web1\)") as caught,
        port_lock(str(tmp_path), "odd1", "y", 0),
    ):
        pass
    assert caught.value.code == "locked"


def test_slots_are_counted_and_given_back(tmp_path: Path) -> None:
    with slot(str(tmp_path), 2, 0) as first, slot(str(tmp_path), 2, 0) as second:
        assert {first, second} == {0, 1}
        with pytest.raises(SessionError, match="all 2 slots") as caught, slot(str(tmp_path), 2, 0):
            pass
        assert caught.value.code == "no_slot"
    with slot(str(tmp_path), 2, 0) as number:
        assert number == 0


def test_an_error_inside_gives_both_back(tmp_path: Path) -> None:
    with pytest.raises(KeyError), client_lock(str(tmp_path), "web1", "x"), slot(str(tmp_path), 1, 0):
        raise KeyError
    with client_lock(str(tmp_path), "web1", "x"), slot(str(tmp_path), 1, 0):
        pass


def test_who_waits_leaves_no_descriptor_open(tmp_path: Path) -> None:
    """One is opened at each attempt, five a second, for up to a day."""
    with slot(str(tmp_path), 1, 0), port_lock(str(tmp_path), "web1", "x", 0):
        before = len(os.listdir("/proc/self/fd"))
        for _attempt in range(3):
            with pytest.raises(SessionError), slot(str(tmp_path), 1, 0):
                pass
            with pytest.raises(SessionError), port_lock(str(tmp_path), "web1", "x", 0):
                pass
        assert len(os.listdir("/proc/self/fd")) == before


def test_a_note_is_the_holders_and_has_nothing_of_the_one_before(tmp_path: Path) -> None:
    with client_lock(str(tmp_path), "web1", "session 1, verb maintain, since noon"):
        pass
    with (
        client_lock(str(tmp_path), "web1", "an audit"),
        pytest.raises(SessionError, match=r"under way \(an audit\)"),
        client_lock(str(tmp_path), "web1", "x"),
    ):
        pass
