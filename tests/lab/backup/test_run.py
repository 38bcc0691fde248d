# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs: in parallel, one after the other, stopped at the first failure, without clients, without a mail server."""

from __future__ import annotations

import re
import subprocess
from itertools import combinations
from pathlib import Path

import pytest
from lab import BIN, INVENTORY, ROOT, Lab
from lab_faults import other_records
from lab_runs import GOOD, Run, backup, start

BROKEN = "the application could not be paused: no such device"


@pytest.fixture(scope="module")
def sequential(lab: Lab, parallel: Run) -> Run:
    """The good clients, one after the other."""
    return backup(lab, "--forks", "1", "--limit", ",".join(GOOD))


def test_one_failure_does_not_stop_the_others(parallel: Run) -> None:
    assert parallel.code == 2
    assert parallel.codes() == {**dict.fromkeys(GOOD, ""), "broken1": "client_failed"}
    assert BROKEN in " ".join(parallel.client("broken1")["log_tail"])
    assert all(parallel.client(name)["archive"]["name"].startswith(f"{name}-") for name in GOOD)


def test_the_mail_tells_of_the_failure_first(parallel: Run) -> None:
    assert parallel.mail is not None
    subject = r"\[lab\] FAILURE: 4 ok, 1 failed, 0 skipped of 5 in \d.*"
    assert re.fullmatch(subject, parallel.mail["Subject"]), parallel.mail["Subject"]
    assert parallel.mail["To"] == "admins@lab.example"
    for kind in ("plain", "html"):
        body = parallel.part(kind)
        assert BROKEN in " ".join(body.split())
        assert body.index("broken1") < min(body.index(name) for name in GOOD)


def test_the_mail_notes_the_ledgers_head(lab: Lab, parallel: Run) -> None:
    """What it says today is what ``ledger_info`` wants to be told when somebody doubts the ledger."""
    noted = re.search(r"^Ledger +(\d+:[0-9a-f]{64}) on vault\s*$", parallel.part("plain"), re.MULTILINE)
    assert noted
    assert "ok: true" in _ledger_info(lab, noted[1])
    seq, rest = noted[1].split(":")
    other = "".join("0" if digit == "f" else "f" for digit in rest)
    assert f"entry {seq} is not the one that was noted" in _ledger_info(lab, f"{seq}:{other}")


def _ledger_info(lab: Lab, head: str) -> str:
    task = ["-m", "paranoid.backup.ledger_info", "-a", f"known_head={head}"]
    command: list[str | Path] = [BIN / "ansible", "-i", INVENTORY, "vault", *task]
    return subprocess.run(command, cwd=ROOT, env=lab.environment, capture_output=True, text=True, check=True).stdout


def test_the_record_says_the_same(parallel: Run) -> None:
    record = parallel.record
    assert record is not None and (record["status"], record["mail"]["state"]) == ("FAILURE", "sent")
    assert record["tally"] == {"total": 5, "succeeded": 4, "failed": 1, "skipped": 0, "not_run": 0}
    for name in GOOD:
        session = parallel.client(name)
        assert session["archive"]["nfiles"] > 0 and session["duration"] > 0 and session["log"].startswith("/var/log/")
        assert session["gate"]["commits"] >= 1 and session["gate"]["refused"] == []


def test_a_good_run_sends_mail_as_well(sequential: Run) -> None:
    assert sequential.code == 0, sequential.output
    assert sequential.mail is not None
    assert sequential.mail["Subject"].startswith("[lab] SUCCESS: 4 ok, 0 failed, 0 skipped of 4 in ")
    assert sequential.record is not None and sequential.record["tally"]["succeeded"] == 4


def test_sessions_overlap_in_a_parallel_run_only(parallel: Run, sequential: Run) -> None:
    """Of the backups that came to an end: ``broken1`` fails at once. The server has a slot for each, so none waits."""
    assert _overlapping(sequential) == []
    assert _overlapping(parallel) != [], [_span(parallel, name) for name in GOOD]
    print(f"4 clients one by one {sequential.seconds:.1f} s, 5 at once with 10,000 new files {parallel.seconds:.1f} s")
    print(f"in parallel by {sequential.seconds / parallel.seconds:.2f} faster")


def _overlapping(run: Run) -> list[tuple[str, str]]:
    """Return the pairs of good clients of which one's session began before the other's had ended."""
    by_begin = sorted(GOOD, key=lambda name: _span(run, name))
    return [(a, b) for a, b in combinations(by_begin, 2) if _span(run, b)[0] < _span(run, a)[1]]


def _span(run: Run, name: str) -> tuple[str, str]:
    session = run.client(name)
    return session["began"], session["ended"]


def test_fail_fast_skips_the_rest(lab: Lab, parallel: Run) -> None:
    with other_records(lab, web1={"host": "no-such-host.invalid"}) as arguments:
        chosen = ["--forks", "1", "--limit", "web1,db1,new1"]
        run = backup(lab, *chosen, *arguments, "-e", '{"backup_fail_fast": true}')
    assert run.code == 2
    states = {name: run.client(name)["state"] for name in ("web1", "db1", "new1")}
    assert states == {"web1": "failed", "db1": "skipped", "new1": "skipped"}
    assert "SKIPPED" in run.part("plain") and "the run stops at the first failure" in run.text


def test_check_mode_proves_the_way_and_writes_nothing(lab: Lab, parallel: Run) -> None:
    before = _transactions(lab)
    with other_records(lab, db1={"host": "no-such-host.invalid"}) as arguments:
        run = backup(lab, "--check", "--limit", "web1,db1,odd1", *arguments)
    assert run.code == 2 and run.mail is None and run.record is not None and run.record["check"]
    assert run.codes() == {"web1": "", "db1": "unknown_host", "odd1": ""}
    assert run.client("web1")["archive"] is None and run.client("odd1")["bytes_received"] > 0
    assert _transactions(lab) == before


def _transactions(lab: Lab) -> str:
    return lab.read("vault", "sh", "-c", "ls -d /srv/backup/*/repo/index.*")


def test_a_limit_that_no_client_matches(lab: Lab) -> None:
    unknown = backup(lab, "--limit", "no-such-client")
    assert unknown.code != 0
    elsewhere = backup(lab, "--limit", "vault")
    assert elsewhere.code == 2 and elsewhere.mail is not None
    assert "FAILURE" in elsewhere.mail["Subject"] and "no client" in elsewhere.text


def test_an_inventory_without_clients(lab: Lab, tmp_path: Path) -> None:
    inventory = tmp_path / "hosts.yml"
    inventory.write_text("backup_servers: {hosts: {vault: {ansible_connection: local}}}\n")
    run = backup(lab, inventory=str(inventory))
    assert run.code == 2 and "nothing would be done" in " ".join(run.output.split())
    assert run.mail is not None and "FAILURE" in run.mail["Subject"]


def test_an_inventory_without_servers(lab: Lab, tmp_path: Path) -> None:
    inventory = tmp_path / "hosts.yml"
    inventory.write_text("backup_server: {hosts: {vault: }}\nbackup_clients: {hosts: {web1: , db1: }}\n")
    for arguments in ((), ("--limit", "web1")):
        run = backup(lab, *arguments, inventory=str(inventory))
        assert run.code == 2 and "no host in the group backup_servers" in run.text, run.output


def test_a_mail_server_that_is_down(lab: Lab, parallel: Run) -> None:
    lab.read("mail", "systemctl", "stop", "lab-mail")
    try:
        run = backup(lab, "--limit", "web1")
    finally:
        lab.read("mail", "systemctl", "start", "lab-mail")
    assert run.code == 7 and run.mail is None
    assert run.client("web1")["state"] == "ok"
    assert run.record is not None and run.record["mail"]["state"] == "failed" and run.record["mail"]["error"]
    print(run.record["mail"]["error"])


def test_two_runs_at_once_on_one_client(lab: Lab, parallel: Run) -> None:
    first = start(lab, "--limit", "new1")
    stop = "until pkill -STOP -f '[p]aranoid-backup/borg create'; do sleep 0.02; done"  # it is there for a second only
    lab.read("new1", "timeout", "120", "sh", "-c", stop)
    try:
        second = backup(lab, "--limit", "new1")
    finally:
        lab.read("new1", "pkill", "-CONT", "-f", "paranoid-backup/borg create")
    done = first.finish()
    assert (done.code, done.client("new1")["state"]) == (0, "ok"), done.output
    assert (second.code, second.codes()) == (2, {"new1": "locked"})
    assert "another session of new1 is under way" in second.text
