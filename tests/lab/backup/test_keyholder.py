# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients that are switched off are maintained by others that hold their keys, over both transports."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from lab import Lab
from lab_faults import as_provisioned
from lab_runs import backup
from waiting import wait_until

OFF = {
    "web1": "odd1",
    "db1": "new1",
}  # who is off, and who holds the key: odd1 with the transport ssh, new1 with socket
HOLDERS = tuple(OFF.values())
KEPT = "/etc/paranoid-backup/keyholder"
RULES = {
    "backup_client_retention": {"daily": 1, "minimum": 1},
    "backup_client_check_seconds": 60,
    "backup_client_hold_days": 0,
}


def provision(lab: Lab, *arguments: str, hosts: tuple[str, ...] = (*HOLDERS, *OFF)) -> subprocess.CompletedProcess[str]:
    """Run ``playbooks/site.yml`` for some hosts."""
    return lab.run("site", "--limit", ",".join(hosts), *arguments)


@pytest.fixture(scope="module")
def inventory(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """The lab with keyholders; yields the arguments that add them to its inventory."""
    hosts: dict[str, Any] = {name: {"backup_client_maintain_by": "keyholder"} for name in OFF}
    hosts |= {holder: {"backup_client_keyholder_for": [name]} for name, holder in OFF.items()}
    path = tmp_path_factory.mktemp("inventory") / "hosts.json"
    path.write_text(json.dumps({"backup_clients": {"hosts": hosts, "vars": RULES}}))
    with as_provisioned(lab, "vault", *HOLDERS, *OFF):
        yield ["-i", str(path)]


@pytest.fixture(scope="module")
def provisioned(lab: Lab, inventory: list[str]) -> list[subprocess.CompletedProcess[str]]:
    """The keyholders before a person has brought a passphrase, and again afterwards."""
    first = provision(lab, *inventory)
    assert first.returncode == 0, first.stdout
    for name, holder in OFF.items():
        passphrase = lab.exec(name, "cat", "/etc/paranoid-backup/passphrase").stdout
        lab.read(holder, "sh", "-c", f"umask 077 && cat >{KEPT}/{name}/passphrase", input=passphrase)
    return [first, provision(lab, *inventory)]


@contextmanager
def switched_off(lab: Lab) -> Iterator[None]:
    """The clients without power."""
    containers = [f"{lab.name}-{name}" for name in OFF]
    lab.end_connections()
    subprocess.run(["podman", "stop", "--time", "5", *containers], check=True, capture_output=True)
    try:
        yield
    finally:
        subprocess.run(["podman", "start", *containers], check=True, capture_output=True)
        assert wait_until(lambda: all(answers(lab, name) for name in OFF), 90)


def answers(lab: Lab, name: str) -> bool:
    """Tell whether the server reaches a client's sshd, and the host has come up."""
    up = lab.exec(name, "systemctl", "is-system-running", "--wait").stdout.strip() in (b"running", b"degraded")
    return (
        up and lab.exec("vault", "ssh-keyscan", "-T", "2", lab.read(name, "hostname", "-I").split()[0]).returncode == 0
    )


def maintain(lab: Lab, inventory: list[str], *hosts: str) -> dict[str, dict[str, Any]]:
    """Run ``playbooks/maintain.yml``; return each client's session."""
    environment = {"ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json"}
    done = lab.run("maintain", "--limit", ",".join(hosts), *inventory, environment=environment)
    told, _end = json.JSONDecoder().raw_decode(done.stdout, done.stdout.index("{"))
    (sessions,) = (task["hosts"] for task in told["plays"][-1]["tasks"] if task["task"]["name"] == "Maintain")
    found: dict[str, dict[str, Any]] = sessions
    return found


def test_says_whose_passphrase_is_missing(provisioned: list[subprocess.CompletedProcess[str]]) -> None:
    first, second = (" ".join(done.stdout.split()) for done in provisioned)
    for name, holder in OFF.items():
        assert f"{holder} cannot maintain {name} yet: {KEPT}/{name}/passphrase is missing" in first
    assert "cannot maintain" not in second
    assert second.count("changed=0") == 4, provisioned[1].stdout


def test_the_passphrase_never_comes_by_the_controller(
    lab: Lab, provisioned: list[subprocess.CompletedProcess[str]]
) -> None:
    shown = provisioned[0].stdout + provisioned[1].stdout
    assert not any(lab.read(name, "cat", "/etc/paranoid-backup/passphrase").strip() in shown for name in OFF)
    assert lab.read("odd1", "stat", "--format", "%a %U", KEPT, f"{KEPT}/web1").split() == ["700", "root"] * 2


@pytest.mark.usefixtures("provisioned")
def test_maintained_while_they_are_off(lab: Lab, inventory: list[str]) -> None:
    done = lab.run("compact", "--limit", ",".join(OFF), *inventory, "-e", "backup_compact_limit_ratio=1")
    assert done.returncode == 0, "what these tests trimmed in this lab before: " + done.stdout
    for _ in range(2):
        assert backup(lab, "--limit", ",".join(OFF)).code == 0
    with switched_off(lab):
        sessions = maintain(lab, inventory, *OFF, *HOLDERS)
    for name, holder in OFF.items():
        session = sessions[name]
        assert session["status"] == "ok", session
        assert session["maintain"]["deleted"] and session["maintain"]["check"] == "ok"
        assert session["maintain"]["deleted"] == sorted(session["maintain"]["named"])
        assert session["audit"]["verdict"] == "expected"
        assert f"server: {holder} (keyholder of {name}) performs it" in session["log_tail"]
    # Their own, through the same port where there is but one.
    assert all(sessions[holder]["status"] == "ok" for holder in HOLDERS), sessions
    assert backup(lab, "--limit", ",".join(OFF)).code == 0


def test_a_client_without_a_keyholder_is_not_provisioned(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "hosts.json").write_text(
        json.dumps({"backup_clients": {"hosts": {"web1": {"backup_client_maintain_by": "keyholder"}}}})
    )
    done = provision(lab, "--check", "-i", str(tmp_path / "hosts.json"), hosts=("web1",))
    said = " ".join(done.stdout.split())
    assert done.returncode == 2
    assert "one other client must name web1 in backup_client_keyholder_for: none does" in said, done.stdout


@pytest.mark.usefixtures("provisioned")
def test_the_servers_key_gets_nothing_else_there(lab: Lab) -> None:
    """Whoever holds the server's key can ask a keyholder for verb maintain of its clients, and for nothing else."""
    address = lab.read("odd1", "hostname", "-I").split()[0]
    ssh = [
        "ssh",
        "-p",
        "2222",
        "-i",
        "/etc/paranoid-backup/ssh/id_ed25519",
        "-o",
        "BatchMode=yes",
        "-o",
        "HostKeyAlias=odd1",
    ]
    ssh += ["-o", "UserKnownHostsFile=/etc/paranoid-backup/known_hosts/odd1", f"paranoid-backup@{address}"]
    trim = {"delete": [], "known": [], "check_seconds": 0}
    for verb, client, words in (
        ("open", "web1", "needs exactly"),
        ("backup", "web1", "needs exactly"),
        ("maintain", "db1", "no keyholder of db1"),
        ("maintain", "../../client", "the name of a client"),
    ):
        request = {"schema": 1, "verb": verb, "session": "0" * 32, "client": client}
        line = json.dumps(request | (trim if verb == "maintain" else {})).encode() + b"\n"
        done = lab.exec("vault", "runuser", "-u", "paranoid-backup", "--", *ssh, input=line)
        assert done.returncode == 2 and not done.stdout and words in done.stderr.decode(), done
