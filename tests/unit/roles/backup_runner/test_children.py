# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing outlives a run: orphans come to the runner, each may clean up, and whoever does not end is ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from paranoid_runner import children
from tool import ROOT

# Starts an orphan, whose parent is gone, waits until it is ready, and ends it with this patience.
RUNNER = """
import subprocess, sys, time
from pathlib import Path
from paranoid_runner.children import become_reaper, end_children, list_children
become_reaper()
for patience, script in ((60, sys.argv[1]), (0.3, sys.argv[2])):
    subprocess.run(["/bin/sh", "-c", f"({script}) &"], check=True)
    while not Path("ready").exists():
        time.sleep(0.01)
    assert list_children()
    end_children(patience)
    print(len(list_children()))
    Path("ready").unlink()
"""
# It needs some time for that: a second SIGTERM meanwhile would leave a second line.
CLEANS = """
trap 'echo cleaned >> cleaned; left=20' TERM
left=99999; : > ready
while [ $left -gt 0 ]; do left=$((left-1)); sleep 0.02; done
"""
STAYS = "trap '' TERM; : > ready; while :; do sleep 0.05; done"


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="NOT TESTED: there is no proc(5) to ask")
def test_orphans_are_asked_once_and_then_ended(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "roles/backup_runner/files/lib")}
    argv = [sys.executable, "-c", RUNNER, CLEANS, STAYS]
    done = subprocess.run(argv, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "0\n0\n"), done.stderr
    assert (tmp_path / "cleaned").read_text() == "cleaned\n"


def test_nobody_waits_for_ever_for_a_process_that_cannot_be_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that hangs in the kernel, on a dead disk: the runner has to tell of its run, and to begin the next."""
    killed: list[tuple[int, signal.Signals]] = []
    monkeypatch.setattr(os, "kill", lambda pid, number: killed.append((pid, number)))
    monkeypatch.setattr(children, "_KILLED_SECONDS", 0.3)
    children._end_all(lambda: [4242], 0.15)
    assert killed[0] == (4242, signal.SIGTERM) and killed[-1] == (4242, signal.SIGKILL)


def test_a_process_with_any_name_has_its_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name may have brackets and spaces in it (proc(5))."""
    monkeypatch.setattr(Path, "read_bytes", lambda _path: b"7 (a) S 1 (x) S 42 7 7 0")
    assert children._find_parent("7") == 42


def test_the_processes_of_a_run_are_those_with_its_id(monkeypatch: pytest.MonkeyPatch) -> None:
    def told(*_args: object, **_options: object) -> subprocess.CompletedProcess[str]:
        out = " 7 PATH=/bin PARANOID_BACKUP_RUN_ID=r-1 sleep 9\n 8 PARANOID_BACKUP_RUN_ID=r-10 sleep 9\n 9 sleep\n"
        return subprocess.CompletedProcess([], 0, out, "")

    with monkeypatch.context() as freebsd:
        freebsd.setattr(sys, "platform", "freebsd14")
        freebsd.setattr(subprocess, "run", told)
        assert children._list_of_run("r-1") == [7]
    for run_id, is_found in (("r-1", True), ("r-10", False)):
        process = subprocess.Popen(["sleep", "99"], env={"PARANOID_BACKUP_RUN_ID": run_id})
        try:
            assert (process.pid in children._list_of_run("r-1")) is is_found
        finally:
            process.kill()
            process.wait()
