# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client that the server enters as root, for its forced command only: it works, and locks no administrator out."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator

import pytest
from lab import Lab
from lab_faults import moved, write
from lab_runs import Run, backup

CLIENT = "broken1"
BORGMATIC = "/etc/paranoid-backup/borgmatic.yaml"
STOLEN = "/run/stolen"


@pytest.fixture(scope="module")
def address(lab: Lab) -> str:
    """Where its sshd listens."""
    return lab.read(CLIENT, "hostname", "--all-ip-addresses").split()[0]


@pytest.fixture
def elsewhere(lab: Lab) -> Iterator[list[str]]:
    """The server's key and what it knows of the client, on another host; yields the options that use them."""
    record = json.loads(lab.read("vault", "cat", f"/etc/paranoid-backup/clients/{CLIENT}.json"))
    write(lab, "web1", STOLEN, lab.read("vault", "cat", "/etc/paranoid-backup/ssh/id_ed25519"))
    lab.read("web1", "chmod", "0600", STOLEN)
    write(lab, "web1", f"{STOLEN}.known", lab.read("vault", "cat", record["known_hosts_file"]))
    options = f"-F none -i {STOLEN} -o BatchMode=yes -o HostKeyAlias={CLIENT} -o UserKnownHostsFile={STOLEN}.known"
    yield options.split()
    lab.read("web1", "rm", STOLEN, f"{STOLEN}.known")


def test_there_is_no_other_account_and_no_sudo(lab: Lab, parallel: Run) -> None:
    record = json.loads(lab.read("vault", "cat", f"/etc/paranoid-backup/clients/{CLIENT}.json"))
    assert (record["user"], record["transport"]) == ("root", "ssh")
    assert lab.exec(CLIENT, "getent", "passwd", "paranoid-backup").returncode == 2
    assert lab.exec(CLIENT, "test", "-e", "/etc/sudoers.d/paranoid-backup").returncode == 1


def test_a_backup(lab: Lab, parallel: Run) -> None:
    """Without the hook that breaks it on purpose, and without the sum by which an edit is red."""
    with moved(lab, CLIENT, f"{BORGMATIC}.sha256"), moved(lab, CLIENT, BORGMATIC) as away:
        write(lab, CLIENT, BORGMATIC, lab.read(CLIENT, "cat", away).replace("exit 1", "exit 0"))
        lab.read(CLIENT, "chmod", "0600", BORGMATIC)
        run = backup(lab, "--limit", CLIENT)
    assert (run.code, run.client(CLIENT)["state"]) == (0, "ok"), run.text
    assert run.client(CLIENT)["archive"]["nfiles"] > 100


def test_an_administrator_comes_in_as_ever(lab: Lab, address: str, parallel: Run) -> None:
    """As root, from another address than the server's, with a terminal and without the forced command."""
    known = f"UserKnownHostsFile={lab.state}/known_hosts"
    argv = [
        "ssh",
        "-F",
        "none",
        "-tt",
        "-i",
        str(lab.state / "id_ed25519"),
        "-o",
        known,
        f"root@{address}",
        "id -un; tty",
    ]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 0 and done.stdout.split()[0] == "root" and "/dev/pts/" in done.stdout, done.stderr


def test_the_key_is_worth_nothing_elsewhere(lab: Lab, elsewhere: list[str], address: str, parallel: Run) -> None:
    done = lab.exec("web1", "ssh", *elsewhere, f"root@{address}", "id")
    assert (done.returncode, done.stdout) == (255, b"") and b"Permission denied (publickey" in done.stderr, done.stderr


def test_an_administrators_key_opens_nothing_more_from_the_server(lab: Lab, address: str, parallel: Run) -> None:
    """There, root is the forced command's alone, whatever key comes."""
    write(lab, "vault", STOLEN, (lab.state / "id_ed25519").read_text())
    lab.read("vault", "chmod", "0600", STOLEN)
    known = f"UserKnownHostsFile=/etc/paranoid-backup/known_hosts/{CLIENT}"
    options = ["-F", "none", "-i", STOLEN, "-o", "BatchMode=yes", "-o", f"HostKeyAlias={CLIENT}", "-o", known]
    try:
        done = lab.exec("vault", "ssh", *options, f"root@{address}", "id")
    finally:
        lab.read("vault", "rm", STOLEN)
    assert (done.returncode, done.stdout) == (255, b"") and b"Permission denied (publickey" in done.stderr, done.stderr


def test_ansible_is_not_locked_out_by_its_own_address(lab: Lab, address: str) -> None:
    net = address.rsplit(".", 1)[0]
    for allowed in (f"{net}.1", f"{net}.0/24"):
        done = lab.run("site", "--check", "--limit", CLIENT, "-e", f'{{"backup_client_from": ["{allowed}"]}}')
        assert done.returncode == 2 and "would be locked out" in " ".join(done.stdout.split()), done.stdout
    assert lab.run("site", "--limit", f"vault,{CLIENT}", "--check", "--diff").returncode == 0


def test_a_root_login_that_may_make_unix_sockets_is_refused(lab: Lab) -> None:
    done = lab.run("site", "--limit", CLIENT, "--check", "-e", "backup_client_transport=socket")
    assert done.returncode == 2 and "backup_client_transport must be ssh" in " ".join(done.stdout.split()), done.stdout
