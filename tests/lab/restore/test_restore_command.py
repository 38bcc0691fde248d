# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""paranoid-backup-restore as provisioned, typed by the owner and by the playbook."""

from __future__ import annotations

import subprocess

from lab import BIN, INVENTORY, Lab
from lab_runs import backup, opened
from tool import ROOT

ELSEWHERE = "/root/elsewhere"


def play(lab: Lab, name: str, *options: str) -> subprocess.CompletedProcess[str]:
    argv = [str(BIN / "ansible-playbook"), "-i", str(INVENTORY), f"playbooks/{name}.yml", *options]
    return subprocess.run(argv, cwd=ROOT, env=lab.environment, capture_output=True, text=True, check=False)


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
    assert foretold.returncode == 0 and "1 new" in foretold.stdout, foretold.stdout + foretold.stderr
    done = play(lab, "restore", *options)
    assert done.returncode == 0 and "1 new" in done.stdout, done.stdout + done.stderr
    assert lab.read("web1", "cat", "/etc/debian_version").strip()
    assert lab.exec("web1", "test", "-e", "/var/lib/paranoid-backup/open").returncode != 0
    assert backup(lab, "--limit", "web1").client("web1")["state"] == "ok"
