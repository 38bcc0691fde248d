# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run over all clients: real tunnels, one client broken on purpose, a restore through an open session."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from testinfra.host import Host

ROOT = Path(__file__).parents[3]
STATE = ROOT / ".cache/lab" / os.environ["PARANOID_LAB"]
INVENTORY = ["-i", str(ROOT / "inventories/lab")]
GOOD = ["web1", "db1", "odd1", "new1"]
Lab = Callable[[str], Host]


def play(
    name: str, *arguments: str, inventory: Sequence[str] = INVENTORY, callback: bool = True, **more: str
) -> subprocess.CompletedProcess[str]:
    """Run one of the collection's playbooks in the lab, with the lab's mail server and more environment."""
    # On a terminal Molecule has Ansible paint everything, and a painted recap cannot be read here.
    more = {"ANSIBLE_FORCE_COLOR": "false", **more}
    pairs = (word.split("=", 1) for word in shlex.split((STATE / "env").read_text()))
    environment = os.environ | dict(pairs) | more
    environment["ANSIBLE_CALLBACKS_ENABLED"] = "paranoid.backup.report" if callback else "ansible.posix.timer"
    program = str(Path(sys.executable).parent / "ansible-playbook")
    return subprocess.run(
        [program, *inventory, str(ROOT / f"playbooks/{name}.yml"), *arguments],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def run() -> subprocess.CompletedProcess[str]:
    return play("backup", "--forks", "5")


def test_one_client_fails_and_the_others_do_not(run: subprocess.CompletedProcess[str]) -> None:
    assert run.returncode != 0
    recap = dict(re.findall(r"^(\w+)\s+: ok=\d+ .*failed=(\d)", run.stdout, re.MULTILINE))
    assert {name: recap[name] for name in [*GOOD, "broken1"]} == {**dict.fromkeys(GOOD, "0"), "broken1": "1"}


def test_the_failure_is_named(run: subprocess.CompletedProcess[str]) -> None:
    assert "broken1: the before create action hook" in run.stdout


def test_the_archives_are_there(run: subprocess.CompletedProcess[str]) -> None:
    info = play("info", "--limit", ",".join(GOOD), callback=False)
    assert info.returncode == 0
    for name in GOOD:
        assert re.search(f'name"?: "?{name}-', info.stdout), info.stdout


def test_nothing_is_left_on_either_side(lab: Lab, vault: Host, run: subprocess.CompletedProcess[str]) -> None:
    for name in GOOD:
        assert lab(name).check_output("ls /run/paranoid-backup") == ""
    left = vault.check_output("find /run/paranoid-backup/sessions /run/paranoid-backup/doors -mindepth 1")
    assert left == ""
    assert vault.run("pgrep -f '[p]aranoid-backup gate|[H]ostKeyAlias'").rc == 1


def test_logs_are_for_root_only(vault: Host, run: subprocess.CompletedProcess[str]) -> None:
    modes = set(vault.check_output("stat -c '%U %a' /var/log/paranoid-backup/*/*.log").splitlines())
    assert modes == {"root 600"}


def test_a_client_restores_what_it_sent(lab: Lab, vault: Host, run: subprocess.CompletedProcess[str]) -> None:
    web1 = lab("web1")
    argv = [str(Path(sys.executable).parent / "ansible"), *INVENTORY, "vault"]
    ask = ["-m", "paranoid.backup.session", "-a", "client=web1 verb=open open_for=300"]
    with subprocess.Popen([*argv, *ask], cwd=ROOT, stdout=subprocess.DEVNULL) as opened:
        web1.check_output("timeout 60 sh -c 'until [ -e /var/lib/paranoid-backup/open ]; do sleep 0.5; done'")
        archive = web1.check_output("paranoid-backup-borg list --short --last 1")
        web1.check_output("rm -rf /tmp/restore && mkdir /tmp/restore")
        web1.check_output(f"cd /tmp/restore && paranoid-backup-borg extract ::{archive} var/www")
        refused = web1.run(f"paranoid-backup-borg delete ::{archive}")
        # The owner may end it early, and then the server calls it failed.
        web1.check_output("pkill -TERM -f '^/usr/bin/python3 -I /usr/local/libexec/paranoid-backup/dispatch'")
        assert opened.wait() != 0
    assert web1.run("diff -r /var/www/html/images /tmp/restore/var/www/html/images").rc == 0
    assert refused.rc != 0
    assert web1.run("paranoid-backup-borg list").rc == 2


def test_a_run_without_the_report_is_refused() -> None:
    refused = play("backup", callback=False)
    assert refused.returncode != 0 and "the callback paranoid.backup.report is not active" in refused.stdout


def test_fail_fast_leaves_the_rest_alone(vault: Host, tmp_path: Path) -> None:
    first = tmp_path / "first.yml"
    first.write_text("backup_clients: {hosts: {broken1: }}\n")
    before = vault.check_output("ls /var/log/paranoid-backup/*")
    # An inventory that is read first puts its hosts first, so broken1 fails before any other client begins.
    arguments = ["--forks", "1", "-e", '{"backup_fail_fast": true}']
    order = ["-i", str(first), *INVENTORY]
    run_id = f"fail-fast-{time.time_ns()}"
    stopped = play("backup", *arguments, inventory=order, PARANOID_BACKUP_RUN_ID=run_id)
    assert stopped.returncode != 0
    record = json.loads((STATE / f"reports/{run_id}/record.json").read_text())
    found = {client["name"]: (client["state"], client["session"]["code"]) for client in record["clients"]}
    assert found == {"broken1": ("failed", "client_failed"), **dict.fromkeys(GOOD, ("skipped", "fail_fast"))}
    after = vault.check_output("ls /var/log/paranoid-backup/*")
    logs = set(after.split()) - set(before.split())
    assert len(logs) == 1 and logs <= set(vault.check_output("ls /var/log/paranoid-backup/broken1").split())


def test_a_wrong_type_names_the_variable() -> None:
    for change, named in (
        ('{"backup_client_sources": "/etc"}', "backup_client_sources"),
        ('{"backup_client_excludes_mine": {"a": 1}}', "backup_client_excludes_mine"),
        ('{"backup_client_transport": "pigeon"}', "backup_client_transport"),
    ):
        wrong = play("site", "--limit", "web1", "--check", "-e", change, callback=False)
        assert wrong.returncode != 0 and named in wrong.stdout
