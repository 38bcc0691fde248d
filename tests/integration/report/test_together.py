# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Slices of one job: each run leaves its mail to one report, also those that died and those on another machine."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from mail_server import Mailbox
from report_bench import Bench, Outcome, smtp
from report_samples import PLAYBOOK
from runner_world import CLEAN
from tool import ROOT
from waiting import wait_until

LATER: Any = {"PARANOID_REPORT_LATER": "true"}


def is_held(directory: Path) -> bool:
    """Whether a process of a run is still there."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def report(bench: Bench) -> Outcome:
    """Run the playbook that tells of all of them."""
    shutil.copy(ROOT / "playbooks/report.yml", bench.root / "report.yml")
    return bench.run("report.yml")


def pass_through_a_pipe(bench: Bench, limit: str, words: str) -> None:
    """Have ansible-runner send a run to a worker and take its events back, as AWX and its kin do."""
    data, kept = bench.root / "slice", bench.root / "kept"
    (data / "project").mkdir(parents=True)
    (data / "env").mkdir()
    bench.lay_out()
    (data / "project/playbook.yml").write_text(PLAYBOOK)
    (data / "inventory").mkdir()
    shutil.copy(bench.root / "inventory.json", data / "inventory/hosts.json")
    (data / "env/envvars").write_text(json.dumps({"ANSIBLE_CONFIG": str(bench.root / "ansible.cfg"), **LATER}))
    runner = Path(sys.executable).parent / "ansible-runner"
    steps = (
        f"{runner} transmit {data} -p playbook.yml --limit {limit} {words}",
        f"{runner} worker --private-data-dir {bench.root}/worker",
        f"{runner} process {kept}",
    )
    env = {**CLEAN, "PATH": f"{runner.parent}:{CLEAN['PATH']}"}
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", " | ".join(steps)],
        env=env,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert [path.read_text() for path in kept.glob("**/rc")] == ["0"]
    assert "its mail is left to the playbook report" in done.stdout


def test_slices_end_in_one_mail(bench: Bench, mailbox: Mailbox) -> None:
    bench.settings = smtp(mailbox)
    bench.hosts["db01"] = {"told": {"raise": "no such luck"}}
    bench.hosts["dies"] = {"told": {"signal": int(signal.SIGKILL)}}
    pass_through_a_pipe(bench, "web01", "--ident one")
    bad = bench.run("--limit", "db01", "playbook.yml", **LATER)
    assert bad.code == 2 and bad.record["mail"]["state"] == "later" and bad.record["unheard"] == []
    dead = bench.run("--limit", "dies", "playbook.yml", **LATER)
    assert dead.code != 0 and wait_until(lambda: not is_held(dead.directory), 30), "a worker of it sleeps a while"
    assert mailbox.mails == []
    told = report(bench)
    assert told.code == 2 and told.record["tally"] == {
        "total": 3, "succeeded": 1, "failed": 2, "skipped": 0, "not_run": 0,
    }  # fmt: skip
    (mail,) = mailbox.mails
    assert "FAILURE: 1 ok, 2 failed, 0 skipped of 3" in str(mail["Subject"])
    text = mailbox.text()
    assert "no such luck" in text and "it never ended: ansible-playbook was killed" in text and "web01" in text
    assert len(told.record["unheard"]) == 1, "whoever meant to wait is no surprise"
    assert not list(bench.reports.glob("*/untold"))


def test_a_report_of_nothing_is_a_failure_and_a_good_one_is_none(bench: Bench, mailbox: Mailbox) -> None:
    bench.settings = smtp(mailbox)
    none = report(bench)
    assert none.code == 2, none.output
    assert "no run waits for its report" in mailbox.text(), none.output
    assert bench.run("playbook.yml", **LATER).code == 0 and len(mailbox.mails) == 1
    mailbox.answer = "451 4.3.0 not now"
    assert report(bench).code == 2, "nobody could be told"
    mailbox.answer = "250 OK"
    again = report(bench)
    assert again.record["tally"]["succeeded"] == 2
    assert again.code == 0 and "SUCCESS" in str(mailbox.mails[-1]["Subject"])
    assert "did not reach anybody" in mailbox.text(-1), "the report that was not accepted is one of those"


def test_the_next_run_tells_of_one_that_waits_in_vain(bench: Bench, mailbox: Mailbox) -> None:
    bench.settings = smtp(mailbox)
    bench.run("playbook.yml", **LATER)
    done = bench.run("playbook.yml")
    assert done.code == 0 and len(done.record["unheard"]) == 1
    assert "left to the playbook report, which has not run since" in mailbox.text()
