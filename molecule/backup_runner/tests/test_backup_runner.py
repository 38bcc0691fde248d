# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command works as people type it."""

from __future__ import annotations

import json
from collections.abc import Callable

from testinfra.host import Host

Lab = Callable[[str], Host]


def test_the_command_makes_shares_and_a_recipient(lab: Lab) -> None:
    host = lab("mail")
    host.run("rm -rf /root/pages")
    made = host.run("paranoid-backup escrow shares --threshold 2 --holders ana,bo --out /root/pages")
    assert made.rc == 0 and made.stdout.startswith("age1"), made.stderr
    assert host.file("/root/pages/ana.txt").mode == 0o600
    assert host.run("rm -rf /root/pages").rc == 0


def test_what_is_wrong_is_one_line(lab: Lab) -> None:
    host = lab("mail")
    told = host.run("paranoid-backup escrow shares --threshold 3 --holders ana,bo --out /root/pages")
    assert told.rc == 2 and told.stderr.count("\n") == 1 and "from 2 to 2" in told.stderr


def test_the_timer_wakes_it_and_the_service_is_hardened(lab: Lab) -> None:
    host = lab("mail")
    assert host.service("paranoid-backup-runner.timer").is_running
    assert host.service("paranoid-backup-runner.timer").is_enabled
    judged = host.run("systemd-analyze security --no-pager --threshold=40 paranoid-backup-runner.service")
    assert judged.rc == 0, judged.stdout[-300:]


def test_it_knows_whose_turn_is_when(lab: Lab) -> None:
    turns = json.loads(lab("mail").check_output("paranoid-backup next --json"))["turns"]
    assert {turn["client"] or turn["verb"] for turn in turns} >= {"web1", "maintain", "compact", "audit"}
    assert lab("mail").file("/etc/paranoid-backup/runner.json").mode == 0o600


def test_a_run_that_nobody_could_hear_of_fails_the_unit(lab: Lab) -> None:
    """The project of this host has no collection: the service says so, and the mail waits. Then it rests again."""
    host = lab("mail")
    assert host.run("systemctl disable --now paranoid-backup-runner.timer").rc == 0
    assert host.run("systemctl start paranoid-backup-runner.service").rc != 0
    assert host.run("systemctl reset-failed paranoid-backup-runner.service").rc == 0
    done = host.run("paranoid-backup run web1")
    assert done.rc == 1 and "it left no record" in done.stderr and "a mail waits in the spool" in done.stderr, (
        done.stderr
    )
    assert len(host.file("/var/lib/paranoid-backup-runner/spool").listdir()) >= 1
