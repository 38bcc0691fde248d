# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Provisioning: nothing to do the second time, nothing secret anywhere but where it belongs."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
from lab import BIN, ROOT, Lab
from lab_runs import GOOD

CLIENTS = (*GOOD, "broken1")
PASSPHRASE = "/etc/paranoid-backup/passphrase"
EVERYWHERE = ("/etc", "/home", "/opt", "/root", "/run", "/srv", "/tmp", "/usr/local", "/var")


@pytest.fixture(scope="module")
def secrets(lab: Lab) -> list[str]:
    """What must not be seen: passphrases, private keys' bodies, the mail server's password."""
    passphrases = [lab.read(name, "cat", PASSPHRASE).strip() for name in CLIENTS]
    keys = [lab.read("vault", "cat", "/etc/paranoid-backup/ssh/id_ed25519").splitlines()[2]]
    keys.append(lab.read("odd1", "cat", "/etc/paranoid-backup/ssh/id_ed25519").splitlines()[2])
    return [*passphrases, *keys, (lab.state / "mail_password").read_text().strip()]


@pytest.fixture(scope="module")
def again(lab: Lab) -> subprocess.CompletedProcess[str]:
    """The second provisioning, as talkative as can be."""
    return lab.run("site", "--diff", "-vvv")


@pytest.fixture(scope="module")
def check(lab: Lab) -> subprocess.CompletedProcess[str]:
    """What check mode says of a provisioned lab."""
    return lab.run("site", "--check", "--diff")


def changes(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    """For each host of the lab how many tasks changed something."""
    found = dict(re.findall(r"^(\S+)\s+: ok=\d+\s+changed=(\d+)", done.stdout, re.MULTILINE))
    assert found.pop("localhost", "0") == "0"  # It only looks whether there are hosts.
    return found


def shown(secrets: list[str], text: str) -> int:
    """How many of the secrets a text shows; only the number, so that a failing test does not show them, too."""
    return sum(secret in text for secret in secrets)


def test_the_second_run_changes_nothing(again: subprocess.CompletedProcess[str]) -> None:
    assert again.returncode == 0
    changed = re.findall(r"^TASK \[.*(?:\n(?!TASK \[).*)*?\nchanged: .*", again.stdout, re.MULTILINE)
    assert changes(again) == dict.fromkeys(("vault", *CLIENTS), "0"), "\n".join(changed)[:8000]


def test_check_mode_has_nothing_to_change(check: subprocess.CompletedProcess[str]) -> None:
    assert check.returncode == 0
    assert changes(check) == dict.fromkeys(("vault", *CLIENTS), "0")


def test_no_secret_is_printed(
    secrets: list[str], again: subprocess.CompletedProcess[str], check: subprocess.CompletedProcess[str]
) -> None:
    assert all(len(secret) > 20 for secret in secrets) and len(again.stdout) > 100_000
    assert [shown(secrets, done.stdout + done.stderr) for done in (again, check)] == [0, 0]


def test_no_passphrase_leaves_its_client(lab: Lab, secrets: list[str]) -> None:
    passphrases = "\n".join(secrets[: len(CLIENTS)]).encode()
    search = ("grep", "-rlsaF", "--devices=skip", "-f", "-")
    on_server = lab.exec("vault", *search, *EVERYWHERE, input=passphrases)
    assert (on_server.returncode, on_server.stdout) in ((1, b""), (2, b""))
    here = [str(path) for path in (lab.state, Path.home() / ".ansible", ROOT / "inventories") if path.exists()]
    on_controller = subprocess.run([*search, *here], input=passphrases, capture_output=True, check=False)
    assert on_controller.stdout == b""
    at_home = lab.exec("web1", *search, "/etc/paranoid-backup", input=passphrases)
    assert at_home.stdout.decode().split() == [PASSPHRASE]


@pytest.mark.parametrize(
    ("variable", "value"),
    [("backup_client_sources", '"/etc"'), ("backup_client_timeouts", "[]"), ("backup_server_slots", '"many"')],
)
def test_a_variable_of_the_wrong_type_is_named(lab: Lab, variable: str, value: str) -> None:
    limit = "vault" if variable.startswith("backup_server") else "web1"
    done = lab.run("site", "--check", "--limit", limit, "-e", f'{{"{variable}": {value}}}')
    assert done.returncode == 2
    assert re.search(rf"{variable}\b.*(unable to convert|is of type|list|dict)", done.stdout + done.stderr), done.stdout


def test_a_borg_that_is_not_in_the_wheelhouse_is_named(lab: Lab) -> None:
    done = lab.run("site", "--limit", "web1", "-e", "backup_client_borg_version=1.4.99")
    assert done.returncode == 2
    said = "borgbackup and borgmatic and ruamel_yaml_clib cannot be installed on web1 from .*bookworm.tar "
    why = "No matching distribution found for borgbackup==1.4.99"
    assert re.search(
        rf"{said}.*{why}\): PyPI has Borg as source only, playbooks/wheelhouse.yml", done.stdout + done.stderr
    )


def test_what_an_upgrade_of_the_system_broke_is_made_anew(lab: Lab) -> None:
    """With another Python, nothing of a virtual environment is found any more."""
    hosts, venv = ("vault", "web1"), "/opt/paranoid-backup"
    for host in hosts:
        lab.read(host, "sh", "-c", f"mv {venv}/lib/python3.* {venv}/lib/python3.9")
    assert lab.run("site", "--check", "--limit", ",".join(hosts)).returncode == 0
    done = lab.run("site", "--limit", ",".join(hosts))
    assert done.returncode == 0 and "0" not in changes(done).values(), done.stdout
    for host in hosts:
        assert lab.read(host, f"{venv}/bin/borg", "--version") == "borg 1.4.5\n"
        assert lab.exec(host, "test", "-e", f"{venv}/lib/python3.9").returncode == 1


def test_the_inventory_of_the_readme_is_provisioned(lab: Lab, tmp_path: Path) -> None:
    """With the lab's hosts behind its names, reached by their console."""
    shown = re.search(r"```yaml\n(backup_servers:.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    example = (ROOT / "inventories/example/hosts.yml").read_text()
    assert shown and example.endswith(shown[1]) and len(shown[1].splitlines()) == 10
    names = {"vault": "vault", "web1.example.org": "web1", "db1.example.org": "db1"}
    way = {"ansible_connection": "containers.podman.podman"}
    hosts = {name: way | {"ansible_host": f"{lab.name}-{real}"} for name, real in names.items()}
    (tmp_path / "way.json").write_text(json.dumps({"all": {"hosts": hosts}}))
    playbook: list[str | Path] = [
        BIN / "ansible-playbook",
        "-i",
        ROOT / "inventories/example",
        "-i",
        tmp_path / "way.json",
    ]
    done = subprocess.run(
        [*playbook, ROOT / "playbooks/site.yml", "--check", "--diff"],
        cwd=ROOT, env=lab.environment | {"HOME": str(tmp_path)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "source_directories" in done.stdout and "web1.example.org" in changes(done)


def test_an_unknown_time_zone_is_named(lab: Lab) -> None:
    done = lab.run("site", "--check", "--limit", "web1", "-e", "backup_client_time_zone=Mars/Phobos")
    assert done.returncode == 2
    assert "backup_client_time_zone is Mars/Phobos, which vault does not know" in done.stdout + done.stderr
