# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""paranoid-backup-restore as provisioned, typed by the owner and by the playbook."""

from __future__ import annotations

import subprocess

from lab import BIN, INVENTORY, Lab
from lab_runs import OPENED, backup, opened
from tool import ROOT
from waiting import wait_until

ELSEWHERE = "/root/elsewhere"


def play(lab: Lab, name: str, *options: str) -> subprocess.CompletedProcess[str]:
    process = start_play(lab, name, *options)
    said = process.communicate()[0]
    return subprocess.CompletedProcess(process.args, process.returncode, said, "")


def start_play(lab: Lab, name: str, *options: str) -> subprocess.Popen[str]:
    argv = [str(BIN / "ansible-playbook"), "-i", str(INVENTORY), f"playbooks/{name}.yml", *options]
    pipe = subprocess.PIPE
    return subprocess.Popen(argv, cwd=ROOT, env=lab.environment, stdout=pipe, stderr=subprocess.STDOUT, text=True)


def describe(lab: Lab, path: str) -> list[str]:
    return lab.read("web1", "python3", "/root/tree.py", "describe", path).splitlines()


def test_a_tree_comes_back_with_all_that_belongs_to_it(lab: Lab, tree: str) -> None:
    backup(lab, "--limit", "web1")
    lab.read("web1", "sh", "-c", f"rm -rf {ELSEWHERE} && mkdir {ELSEWHERE}")
    with opened(lab, "web1"):
        said = lab.read("web1", "paranoid-backup-restore", "--to", ELSEWHERE, tree)
        assert "took" not in said and " new, 0 replaced" in said, said
        again = lab.read("web1", "paranoid-backup-restore", "--to", ELSEWHERE, tree)
        assert "are there already" in again, again
    was, came = describe(lab, tree), describe(lab, ELSEWHERE + tree)
    different = [(line, other) for line, other in zip(was, came, strict=False) if line != other]
    assert different[:3] == [] and len(was) == len(came) > 10_000


def test_the_playbook_brings_one_file_back_and_closes_the_tunnel(lab: Lab, tree: str) -> None:
    """The source must be saved before: the test above did."""
    lab.read("web1", "rm", "/etc/debian_version")
    options = ("--limit", "web1", "-e", "backup_restore_paths=etc/debian_version")
    foretold = play(lab, "restore", *options, "--check")
    assert foretold.returncode == 0 and "1 new" in foretold.stdout, foretold.stdout
    done = play(lab, "restore", *options)
    assert done.returncode == 0 and "1 new" in done.stdout, done.stdout
    assert lab.read("web1", "cat", "/etc/debian_version").strip()
    assert lab.exec("web1", "test", "-e", OPENED).returncode != 0
    assert backup(lab, "--limit", "web1").client("web1")["state"] == "ok"


def test_a_tunnel_is_opened_for_the_owner_and_closed_again(lab: Lab) -> None:
    opening = start_play(lab, "open", "--limit", "web1", "-e", "backup_open_for=30")
    try:
        assert wait_until(lambda: lab.exec("web1", "test", "-e", OPENED).returncode == 0, 120)
        assert "web1-" in lab.read("web1", "paranoid-backup-restore", "--list")
        second = play(lab, "restore", "--limit", "web1", "-e", "backup_restore_paths=etc/hosts")
        assert second.returncode == 2 and "web1 has a tunnel open already" in second.stdout
        assert lab.exec("web1", "test", "-e", OPENED).returncode == 0, "it is the first one's to close"
    finally:
        said = opening.communicate()[0]
    assert opening.returncode == 0 and "paranoid-backup-restore --check etc/nginx" in said, said
    assert lab.exec("web1", "test", "-e", OPENED).returncode != 0


def test_the_playbook_brings_a_database_back(lab: Lab) -> None:
    assert backup(lab, "--limit", "db1").client("db1")["state"] == "ok"
    chosen = '{"backup_restore_databases": [{"name": "shop", "as": "played"}]}'
    done = play(lab, "restore", "--limit", "db1", "-e", chosen)
    assert done.returncode == 0 and "is restored as played" in done.stdout, done.stdout
    lab.read("db1", "sh", "-c", "cd /; runuser -u postgres -- dropdb played")
    there = play(lab, "restore", "--limit", "db1", "-e", "backup_restore_databases=shop")
    assert there.returncode == 2 and "shop is there already" in there.stdout, there.stdout
    assert lab.exec("db1", "test", "-e", OPENED).returncode != 0
